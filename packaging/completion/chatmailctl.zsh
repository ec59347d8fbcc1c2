#compdef chatmailctl
# zsh completion for chatmailctl: subcommands and options, read from its --help

local -a found
local help
if (( CURRENT > 3 )); then
	help="$(chatmailctl $words[2] $words[3] --help 2>/dev/null)"
else
	help="$(chatmailctl ${words[2,CURRENT-1]} --help 2>/dev/null)"
fi
found=(${(f)"$(sed -n 's/^  \([a-z][a-z-]*\)  *\(.*\)/\1:\2/p' <<<$help)"})
if (( CURRENT <= 3 && $#found )); then
	_describe command found
else
	found=(${(f)"$(grep -o -e '--[a-z][a-z-]*' <<<$help | sort -u)"})
	compadd -a found
	_files
fi
