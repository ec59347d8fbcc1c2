# Root directories for tests: what tests/dovecot-root and tests/musl/root share. Both define die.
# shellcheck shell=bash

# private_apt STATE COMMAND ARGUMENT...: apt-get or apt-cache with a state of its own below STATE,
# which knows of no installed package, so nothing of this machine changes.
private_apt() {
	local state=$1 command=$2
	shift 2
	"$command" -q -o Dir::State="$state/state" -o Dir::State::status="$state/status" \
		-o Dir::Cache="$state/cache" -o Dir::Etc::SourceList="$state/sources.list" \
		-o Dir::Etc::SourceParts=/dev/null -o Dir::Etc::Preferences=/dev/null \
		-o Dir::Etc::PreferencesParts=/dev/null -o APT::Install-Recommends=false \
		-o APT::Sandbox::User=root -o DPkg::Post-Invoke= -o APT::Update::Post-Invoke= \
		-o APT::Update::Post-Invoke-Success= "$@"
}

# prepare_apt STATE SUITE [TYPE]: lists of a suite's packages, or of its sources if TYPE is deb-src,
# then without security updates, whose sources a mirror may lack.
prepare_apt() {
	local state=$1
	mkdir -p "$state/state/lists/partial" "$state/cache/archives/partial"
	: >"$state/status"
	"$(dirname "${BASH_SOURCE[0]}")/../../packaging/debian-mirrors" "$2" |
		sed "s/^deb /${3:-deb} /; /^deb-src .*-security /d" >"$state/sources.list"
	private_apt "$state" apt-get update >"$state/log" 2>&1 || {
		tail -n 20 "$state/log" >&2
		die "apt-get update failed"
	}
}

# What an installation makes besides files of packages: directories of the merged /usr.
lay_root() {
	local link
	mkdir -p "$1"/usr/{lib,lib64,bin,sbin}
	for link in bin sbin lib lib64; do
		[ -e "$1/$link" ] || ln -s "usr/$link" "$1/$link"
	done
}

# device ROOT NAME MINOR
device() {
	[ -e "$1/dev/$2" ] || mknod -m 666 "$1/dev/$2" c 1 "$3"
}

# furnish_root ROOT: and directories, devices, the users that Dovecot and its mailboxes have.
furnish_root() {
	local root=$1 user
	mkdir -p "$root"/{dev,proc,sys,tmp,run,root,home,etc} "$root"/var/{lib,log,tmp}
	chmod 1777 "$root/tmp" "$root/var/tmp"
	device "$root" null 3
	device "$root" zero 5
	device "$root" random 8
	device "$root" urandom 9
	echo 'root:x:0:0:root:/root:/bin/sh' >"$root/etc/passwd"
	echo 'root:x:0:' >"$root/etc/group"
	for user in vmail:5000 dovecot:5001 dovenull:5002; do
		echo "${user%:*}:x:${user#*:}:${user#*:}::/nonexistent:/usr/sbin/nologin" >>"$root/etc/passwd"
		echo "${user%:*}:x:${user#*:}:" >>"$root/etc/group"
	done
}
