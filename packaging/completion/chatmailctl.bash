# bash completion for chatmailctl: subcommands and options, read from its --help

_chatmailctl() {
	local word=${COMP_WORDS[COMP_CWORD]} help commands
	help=$(chatmailctl "${COMP_WORDS[@]:1:COMP_CWORD > 2 ? 2 : COMP_CWORD - 1}" --help 2>/dev/null)
	commands=$(sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p' <<<"$help")
	[ -n "$commands" ] && [ "$COMP_CWORD" -le 2 ] || commands=$(grep -o -e '--[a-z][a-z-]*' <<<"$help" | sort -u)
	mapfile -t COMPREPLY < <(compgen -W "$commands" -- "$word")
	[ "${#COMPREPLY[@]}" -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

complete -F _chatmailctl chatmailctl
