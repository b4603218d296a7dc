#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Fetch drgn from Debian 13, because Debian 12's is too old for Linux 6.12: into build/drgn/,
# nothing on this machine is changed. "drgn.sh ARGS...": run it.

. "$(dirname "$0")/common.sh"

dir=$BUILD/drgn
apt=$dir/apt
root=$dir/root

# A list of packages of our own, and none that is installed.
apt_get() {
	apt-get -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts="$apt/none" \
		-o Dir::State::Lists="$apt/lists" -o Dir::State::status="$apt/status" \
		-o Dir::Cache="$apt/cache" -o APT::Sandbox::User="$(id -un)" "$@" >"$apt/log" 2>&1
}

# Where this machine has its packages from.
mirror() {
	cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
		2>/dev/null | sed -n 's/^\(URIs:\|deb\( \[.*\]\)\?\) *\(http[^ ]*\/debian\)\/\?\( .*\)\?$/\3/p' |
		head -n 1
}

fetch() {
	rm -rf "$dir"
	mkdir -p "$apt/lists/partial" "$apt/cache/archives/partial" "$root/usr/lib" "$root/usr/bin"
	: >"$apt/status"
	from=$(mirror)
	echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]" \
		"${from:-http://deb.debian.org/debian} trixie main" >"$apt/sources.list"
	say "fetching Debian 13's drgn"
	apt_get update && apt_get install -y --download-only --no-install-recommends python3-drgn ||
		die "$(grep -m 1 '^E:' "$apt/log" || tail -n 1 "$apt/log"); see $apt/log"
	for deb in "$apt"/cache/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root" --no-same-owner
	done
	touch "$root/.unpacked"
}

[ -e "$root/.unpacked" ] || fetch >&2
# With its own C library.
PYTHONHOME=$root/usr PYTHONDONTWRITEBYTECODE=1 exec "$root/usr/lib64/ld-linux-x86-64.so.2" \
	--library-path "$root/usr/lib/x86_64-linux-gnu" "$root"/usr/bin/python3.[0-9]* \
	-P "$root/usr/bin/drgn" "$@"
