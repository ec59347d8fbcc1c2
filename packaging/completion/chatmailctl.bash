# bash completion for chatmailctl: subcommands and options as its own help names them

_chatmailctl() {
	local word=${COMP_WORDS[COMP_CWORD]} help
	if [ "$COMP_CWORD" -eq 1 ]; then
		help=$(chatmailctl --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p')
	else
		help=$(chatmailctl "${COMP_WORDS[1]}" --help 2>/dev/null | grep -o -e '--[a-z][a-z-]*' | sort -u)
	fi
	mapfile -t COMPREPLY < <(compgen -W "$help" -- "$word")
	[ "${#COMPREPLY[@]}" -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

complete -F _chatmailctl chatmailctl
