#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# xen.sh: build the Xen hypervisor with memory paging, and fetch its tools.
#
# Debian's hypervisor lacks CONFIG_MEM_PAGING; its source package has it. The
# result is build/xen/xen, and in build/xen/tools/ what dom0 runs.
#
# The tools are Debian's, unpacked and not installed: the maintainer scripts of
# xen-utils would edit this machine's boot menu and start its services. The
# libraries and headers come with libxen-dev, which scripts/setup.sh installs, because
# that package touches neither. Where Debian's Xen is newer, Debian 12's libraries are
# unpacked beside the tools, too.

. "$(dirname "$0")/common.sh"

# Debian 12's, on later releases as well. Tools and libraries of another version are
# refused by a hypervisor.
XEN=4.17
LIBRARIES="libxen-dev libxenmisc$XEN libxencall1 libxendevicemodel1 libxenevtchn1
	libxenforeignmemory1 libxengnttab1 libxenhypfs1 libxenstore4 libxentoolcore1
	libxentoollog1"
dir=$BUILD/xen
src=$dir/src
apt=$dir/apt
config=$TOP/configs/xen-hypervisor.config

# The machine's list may have no deb-src lines.
sources() {
	[ -e "$apt/.updated" ] && return
	mkdir -p "$apt/sources" "$apt/lists/partial" "$apt/cache/archives/partial"
	: >"$apt/none"
	for f in /etc/apt/sources.list /etc/apt/sources.list.d/*.list; do
		[ ! -e "$f" ] || sed -n 's/^deb\(-src\)\?[[:space:]]/&/p' "$f" |
			sed 's/^deb-src/deb/; p; s/^deb/deb-src/' |
			LC_ALL=C sort -u >"$apt/sources/$(basename "$f" .list).list"
	done
	for f in /etc/apt/sources.list.d/*.sources; do
		[ ! -e "$f" ] || sed 's/^Types:.*/Types: deb deb-src/' "$f" \
			>"$apt/sources/$(basename "$f")"
	done
	say "fetching lists of packages and sources"
	# A list that can't be fetched does no harm, unless it is the one that is needed.
	apt_private apt-get update >"$apt/log" 2>&1 || true
	[ -n "$(versions xen Sources)" ] ||
		private_suite bookworm "deb deb-src" >"$apt/log" 2>&1 || true
	[ -n "$(versions xen Sources)" ] || die "no source package 'xen' $XEN in Debian 12's" \
		"archive, or it can't be reached; see $apt/log"
	touch "$apt/.updated"
}

# versions PACKAGE Sources|Packages: newest first.
versions() {
	apt_private apt-cache madison "$1" 2>/dev/null |
		awk -v v="$XEN." -v t="$2$" '$0 ~ t && index($3, v) == 1 { print $3 }' |
		sort -rVu
}

# download FOLDER PACKAGE Sources|Packages COMMAND...: a mirror may list the
# security archive's version and not hold it; the release's serves as well.
download() {
	to=$1 package=$2 type=$3
	shift 3
	for version in $(versions "$package" "$type"); do
		say "downloading $package $version"
		(cd "$to" && apt_private "$@" "$package=$version" >"$apt/log" 2>&1) && return
		say "  it can't be had: $(grep -m 1 -E '^E:|40[0-9]' "$apt/log")"
	done
	rm "$apt/.updated"
	die "no $package $XEN could be downloaded; see $apt/log and try again"
}

fetch() {
	[ -d "$dir/deb" ] && return
	sources
	rm -rf "$dir/deb.new"
	mkdir -p "$dir/deb.new"
	download "$dir/deb.new" xen Sources apt-get source --download-only
	mv "$dir/deb.new" "$dir/deb"
}

# The patches that this machine's emulator needs; each says why.
patches() {
	version=$(qemu-system-x86_64 --version 2>/dev/null | sed -n 's/.*version \([0-9]*\).*/\1/p')
	[ "${version:-0}" -le 7 ] || ls "$TOP"/tests/patches/xen/*.patch
}

unpack() {
	[ -e "$src/.unpacked" ] && [ "$(patches)" = "$(cat "$src/.unpacked")" ] && return
	fetch
	say "unpacking $(basename "$dir"/deb/*.dsc .dsc)"
	rm -rf "$src"
	dpkg-source --no-check -x "$dir"/deb/*.dsc "$src" >"$dir/unpack.log" 2>&1 ||
		die "dpkg-source failed; see $dir/unpack.log"
	for patch in $(patches); do
		say "applying $(basename "$patch"), for this machine's QEMU"
		patch -s -p1 -d "$src" <"$patch" || die "$patch doesn't apply"
	done
	patches >"$src/.unpacked"
}

tools() {
	[ -e "$dir/tools/.unpacked" ] && return
	sources
	rm -rf "$dir/tools"
	mkdir -p "$dir/tools/deb"
	dpkg-query -W -f '${source:Upstream-Version}' libxen-dev 2>/dev/null | grep -q "^$XEN\." ||
		libraries=$LIBRARIES
	for package in "xen-utils-$XEN" xenstore-utils ${libraries:-}; do
		download "$dir/tools/deb" "$package" Packages apt-get download
		dpkg-deb -x "$dir/tools/deb/$package"_*.deb "$dir/tools"
	done
	touch "$dir/tools/.unpacked"
}

configure() {
	cmp -s "$config" "$dir/.config" && [ -e "$src/xen/.config" ] && return
	{
		hypervisor defconfig &&
		cat "$config" >>"$src/xen/.config" &&
		hypervisor olddefconfig
	} >"$dir/configure.log" 2>&1 || die "configuring Xen failed; see $dir/configure.log"
	taken "$config" "$src/xen/.config"
	cp "$config" "$dir/.config"
}

hypervisor() {
	make -C "$src/xen" XEN_TARGET_ARCH=x86_64 debug=n CC="ccache gcc" HOSTCC=gcc "$@"
}

build() {
	export CCACHE_DIR="$BUILD/ccache" CCACHE_BASEDIR="$src" CCACHE_NOHASHDIR=1
	export XEN_BUILD_DATE=- XEN_BUILD_TIME=- XEN_WHOAMI=pvfault XEN_BUILD_HOST=pvfault
	export XEN_DOMAIN=
	say "building Xen (cold: two minutes on two cores); log in $dir/build.log"
	start=$(date +%s)
	hypervisor -j"$(nproc)" build >"$dir/build.log" 2>&1 || {
		grep -E 'error|Error|undefined' "$dir/build.log" | head -n 10 >&2
		die "the build failed; see $dir/build.log"
	}
	# Not xen.gz: QEMU's multiboot loader wants the plain file.
	refresh "$src/xen/xen" "$dir/xen"
	say "built $dir/xen in $(($(date +%s) - start)) s"
}

# Changes with all that the result depends on.
inputs() {
	{ cat "$config" "$0" "$TOP/scripts/common.sh" $(patches) /dev/null; ls "$dir"/deb; } | sha256sum
}

main() {
	mkdir -p "$dir"
	unpack
	tools
	if [ -e "$dir/xen" ] && [ "$(inputs)" = "$(cat "$dir/.built" 2>/dev/null)" ]; then
		say "$dir/xen is up to date"
		exit 0
	fi
	rm -f "$dir/.built"
	configure
	build
	inputs >"$dir/.built"
	exit 0
}
main
