#!/bin/sh

# Dovecot may have been upgraded: its new processes need plugins for their ABI, and the running master accepts
# no processes of another version.
if ! chatmail-dovecot-modules select; then
	echo "chatmail: nobody can log in until the plugins for this Dovecot are installed" >&2
	exit 1
fi
master=$(cat /run/dovecot/master.pid 2>/dev/null) || exit 0
case $(readlink "/proc/$master/exe") in
*" (deleted)") rc-service --ifexists --ifstarted dovecot restart ;;
esac

exit 0
