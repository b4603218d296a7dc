#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# deb.sh FLAVOUR [check]: Debian packages of the kernel with pvfault, and of its tools, into
# build/packages/FLAVOUR/; or only check that there is such a flavour.
#
#   FLAVOUR cloud-amd64  Debian's own configuration of that name
#           small        what the tests boot, with what Debian's userspace needs
#
# The kernel's packages are made by its own bindeb-pkg, the others by debian/.

. "$(dirname "$0")/common.sh"

flavour=${1:-cloud-amd64}
case $flavour in cloud-amd64 | small) ;; *) die "FLAVOUR=$flavour is none of cloud-amd64 small" ;; esac
[ "${2:-}" != check ] || exit 0
dir=$BUILD/package/$flavour
packages=$BUILD/packages/$flavour

# Changes with all that the kernel's packages depend on.
inputs() {
	cd "$TOP"
	{
		overlay | grep -v '^Documentation/'
		find patches/linux-6.12 configs scripts/kernel.sh scripts/common.sh -type f
	} | LC_ALL=C sort | xargs sha256sum
	ls "$BUILD"/deb/linux-source-6.12_*.deb
	cd - >/dev/null
}

kernel() {
	mkdir -p "$dir"
	inputs >"$dir/.inputs"
	if ls "$dir"/linux-image-*.deb >/dev/null 2>&1 && cmp -s "$dir/.inputs" "$dir/.packaged"; then
		say "the kernel's packages are up to date"
		return
	fi
	rm -f "$dir/.packaged"
	"$TOP/scripts/kernel.sh" package "$flavour"
	mv "$dir/.inputs" "$dir/.packaged"
}

# debian/changelog, with an entry for the version of this kernel.
changelog() {
	echo "pvfault ($PVFAULT_VERSION) unstable; urgency=medium"
	printf '\n  * Built with the kernel of that version.\n\n'
	LC_ALL=C date -r "$image" '+ -- pvfault <pvfault@localhost>  %a, %d %b %Y %H:%M:%S %z'
	echo
	cat "$TOP/debian/changelog"
}

# The tools, and the package that depends on the image.
tools() {
	image=$(echo "$dir"/linux-image-*.deb)
	field() { dpkg-deb -f "$image" "$1"; }
	PVFAULT_IMAGE=$(field Package) PVFAULT_VERSION=$(field Version) PVFAULT_FLAVOUR=$flavour
	# Debian's flavour has its drivers as modules.
	PVFAULT_MORE=", initramfs-tools | linux-initramfs-tool"
	[ "$flavour" != small ] || PVFAULT_MORE=
	export PVFAULT_IMAGE PVFAULT_FLAVOUR PVFAULT_MORE
	copy=$dir/tools/pvfault
	rm -rf "$dir/tools"
	mkdir -p "$copy"
	(cd "$TOP" && cp -r --parents debian tools include Documentation/virt docs "$copy")
	changelog >"$copy/debian/changelog"
	(cd "$copy" && dpkg-buildpackage -b -uc -us >"$dir/tools.log" 2>&1) ||
		die "the tools' packages failed; see $dir/tools.log"
}

collect() {
	rm -rf "$packages.new"
	mkdir -p "$packages.new"
	# linux-libc-dev would replace Debian's, and says nothing new.
	cp "$dir"/linux-image-*.deb "$dir"/linux-headers-*.deb "$dir"/tools/*.deb "$packages.new"
	rm -f "$packages.new"/*-dbgsym_*
	rm -rf "$packages"
	mv "$packages.new" "$packages"
}

main() {
	"$TOP/scripts/setup.sh" debhelper libssl-dev kmod rsync lintian
	kernel
	tools
	collect
	say "lintian"
	lintian --fail-on error --suppress-tags-from-file "$TOP/debian/lintian-suppressed" \
		"$packages"/*.deb >"$dir/lintian" 2>&1 || {
		grep '^E:' "$dir/lintian" >&2
		die "lintian found errors; see $dir/lintian"
	}
	say "as root in the guest: apt install ./*.deb, of"
	ls -sh "$packages"/*.deb
	exit 0
}
main
