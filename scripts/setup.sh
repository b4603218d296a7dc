#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# setup.sh [PACKAGE...]: install from Debian's packages what is needed and isn't there.

. "$(dirname "$0")/common.sh"

PACKAGES="gcc g++ make git bc bison flex libelf-dev libc6-dev ccache cpio xz-utils
	python3 patch busybox-static qemu-system-x86 qemu-system-xen seabios sparse perl python3-ply
	python3-git libcmocka-dev dpkg-dev libxen-dev liburing-dev
	libxxhash-dev valgrind spin clang libclang-rt-dev libsqlite3-dev
	gnuplot-nox redis-tools libhiredis-dev pylint libncurses-dev tmux lld llvm"

# For guests of 32 bits. And what the caller needs beside.
gcc=$(gcc -dumpversion 2>/dev/null ||
      apt-cache depends gcc 2>/dev/null | sed -n 's/.*Depends: gcc-\([0-9]*\)$/\1/p')
PACKAGES="$PACKAGES $* libc6-dev-i386 lib32gcc-${gcc:-12}-dev"

. /etc/os-release 2>/dev/null || ID=unknown
[ "$ID" = debian ] || command -v apt-get >/dev/null ||
	die "this is not Debian; install by hand what these packages hold: $PACKAGES"
[ "$(uname -m)" = x86_64 ] ||
	die "this is $(uname -m); a 64-bit x86 machine is needed, for its TSC and its QEMU"

missing=
for p in $PACKAGES; do
	dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null | grep -qx installed ||
		missing="$missing $p"
done
if [ -n "$missing" ]; then
	if [ "$(id -u)" = 0 ]; then
		sudo=
	elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
		sudo=sudo
	else
		die "packages are missing; as root: apt-get install --no-install-recommends$missing"
	fi
	say "installing:$missing"
	# A list that is there is good enough, unless the install then fails.
	install() {
		DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -q \
			--no-install-recommends $missing >"$BUILD/setup.log" 2>&1
	}
	mkdir -p "$BUILD"
	install || { $sudo apt-get update -q >/dev/null 2>&1; install; } || {
		tail -n 5 "$BUILD/setup.log" >&2
		die "apt-get could not install them; see $BUILD/setup.log"
	}
fi

need=12
free=$(df -P -BG "$TOP" | awk 'NR == 2 { sub("G", "", $4); print $4 }')
[ "$free" -ge "$need" ] ||
	die "only $free GiB are free here; make room for $need GiB of kernel builds"
