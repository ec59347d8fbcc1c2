#compdef chatmailctl
# zsh completion for chatmailctl: subcommands and options as its own help names them

local -a found
if (( CURRENT == 2 )); then
	found=(${(f)"$(chatmailctl --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *\(.*\)/\1:\2/p')"})
	_describe command found
else
	found=(${(f)"$(chatmailctl $words[2] --help 2>/dev/null | grep -o -e '--[a-z][a-z-]*' | sort -u)"})
	compadd -a found
	_files
fi
