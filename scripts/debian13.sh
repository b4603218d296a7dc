#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Tools of Debian 13, because Debian 12's drgn and crash are too old for Linux 6.12. They are
# fetched into build/debian13/; nothing on this machine is changed.
#
#   debian13.sh drgn|crash ARGS...   run it on this machine
#   debian13.sh disk                 write build/debian13/disk, a file system with all of them
#                                    for a guest, unless it is there

. "$(dirname "$0")/common.sh"

PACKAGES="python3-drgn crash linux-perf bpftrace"
MIB=640

dir=$BUILD/debian13
apt=$dir/apt
root=$dir/root

# A list of packages of our own, and none that is installed.
apt_get() {
	apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/none" \
		-o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status" \
		-o Dir::Cache="$apt/cache" -o APT::Sandbox::User="$(id -un)" "$@" >"$apt/log" 2>&1
}

fetch() {
	rm -rf "$dir"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$root"
	for d in bin sbin lib lib64; do
		mkdir -p "$root/usr/$d"
		ln -s "usr/$d" "$root/$d"
	done
	: >"$apt/status"
	from=$(debian_archive)
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"$from trixie main" >"$apt/sources.list"
	say "fetching Debian 13's $PACKAGES (130 MB)"
	apt_get update && apt_get install -y --download-only --no-install-recommends $PACKAGES ||
		die "$(grep -m 1 '^E:' "$apt/log" || tail -n 1 "$apt/log"); see $apt/log"
	for deb in "$apt"/cache/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --no-same-owner \
			--keep-directory-symlink --exclude='./usr/share/*/*'
	done
	rm -rf "$apt/cache"
	echo "$PACKAGES" >"$root/.unpacked"
}

# With busybox, for the shell that runs them.
disk() {
	[ ! -e "$dir/disk" ] || return 0
	cp "$(command -v busybox)" "$root/usr/bin/busybox"
	for name in sh cat echo grep head sleep; do
		[ -e "$root/usr/bin/$name" ] || ln -s busybox "$root/usr/bin/$name"
	done
	mkdir -p "$root/dev" "$root/proc" "$root/sys" "$root/tmp" "$root/mnt"
	mke2fs -q -t ext2 -d "$root" "$dir/disk.new" "${MIB}M" >/dev/null
	mv "$dir/disk.new" "$dir/disk"
}

run() {
	# With its own C library.
	exec "$root/usr/lib64/ld-linux-x86-64.so.2" \
		--library-path "$root/usr/lib/x86_64-linux-gnu" "$@"
}

[ "$(cat "$root/.unpacked" 2>/dev/null)" = "$PACKAGES" ] || fetch >&2
what=${1:-}
[ -z "$what" ] || shift
case $what in
disk)	disk ;;
crash)	run "$root/usr/bin/crash" "$@" ;;
drgn)	export PYTHONHOME="$root/usr" PYTHONDONTWRITEBYTECODE=1
	run "$root"/usr/bin/python3.[0-9]* -P "$root/usr/bin/drgn" "$@" ;;
*)	die "WHAT=$what is none of drgn crash disk" ;;
esac
