#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# debian.sh FLAVOUR [check]: a disk of a Debian 12 with three services, the packages of
# build/packages/FLAVOUR and the test's load: build/debian/FLAVOUR/disk, with its kernel and
# initrd beside it. Or only check that there is such a flavour.

. "$(dirname "$0")/common.sh"

flavour=${1:-small}
packages=$BUILD/packages/$flavour
dir=$BUILD/debian/$flavour
own=$TOP/tests/e2e/debian
MIB=1536
INCLUDE=systemd-sysv,udev,dbus,kmod,procps,e2fsprogs,util-linux-extra,ca-certificates
INCLUDE=$INCLUDE,postgresql,redis-server,redis-tools,nginx-light,curl
# Debian's own kernel of the same version, to compare with, and a boot menu to choose from.
INCLUDE=$INCLUDE,linux-image-6.12-cloud-amd64,initramfs-tools,zstd,grub2-common

# Those of this machine's package sources that are Debian 12's.
sources() {
	apt-get indextargets --format 'deb $(REPO_URI) $(CODENAME) $(COMPONENT)' \
		'Created-By: Packages' 'Origin: Debian' |
		sed -n '/ bookworm\(-updates\|-security\)\? main$/p' | sort -u
}

# Each file that the disk is made of, but for the other packages.
inputs() {
	sha256sum "$TOP/scripts/debian.sh" "$own"/* "$packages"/*.deb
}

# Debian with our packages, installed by apt.
install() {
	inputs | grep -v -e " $own/" >"$dir/.inputs.new"
	cmp -s "$dir/.inputs.new" "$dir/.inputs" && return
	rm -f "$dir/.inputs"
	say "installing a Debian 12 (4 minutes; log in $dir/log)"
	# An interrupted run leaves some of these.
	rm -rf "$dir"/packages "$dir"/root.tar.new "$dir"/mmdebstrap.*
	mkdir -p "$dir/packages"
	cp "$packages"/linux-image-*.deb "$packages"/pvfault-tools*.deb "$dir/packages"
	sources >"$dir/sources.list"
	TMPDIR=$dir mmdebstrap --format=tar --variant=minbase --include="$INCLUDE" \
		--aptopt='APT::Install-Recommends "false"' \
		--customize-hook="copy-in $dir/packages /" \
		--customize-hook='chroot "$1" sh -c "apt-get install -y --no-install-recommends /packages/*.deb"' \
		--customize-hook='rm -r "$1/packages"' \
		bookworm "$dir/root.tar.new" - <"$dir/sources.list" >"$dir/log" 2>&1 ||
		die "mmdebstrap failed: $(grep '^E:' "$dir/log" | tail -n 1); see $dir/log"
	mv "$dir/root.tar.new" "$dir/root.tar"
	mv "$dir/.inputs.new" "$dir/.inputs"
}

# What is the test's own. In fakeroot: the files are root's only on the disk.
disk() {
	root=$dir/root
	rm -rf "$root"
	mkdir "$root"
	tar -x -C "$root" -f "$dir/root.tar"
	echo "/dev/vda / ext4 defaults 0 1" >"$root/etc/fstab"
	echo debian >"$root/etc/hostname"
	echo "127.0.0.1 localhost debian" >"$root/etc/hosts"
	# Not the first boot, which would set up all services anew.
	echo 0123456789abcdef0123456789abcdef >"$root/etc/machine-id"
	cp "$own/pvfault-load" "$root/usr/local/sbin"
	for unit in "$own"/*.service; do
		cp "$unit" "$root/etc/systemd/system"
		ln -s "/etc/systemd/system/${unit##*/}" \
			"$root/etc/systemd/system/multi-user.target.wants"
	done
	python3 "$own/files.py" "$root/srv"
	cp "$own/nginx.conf" "$root/etc/nginx/sites-available/default"
	cp "$own/postgresql.conf" "$root/etc/postgresql/15/main/conf.d"
	for kernel in pvfault=-pvfault- stock=+deb12-; do
		cp "$root"/boot/vmlinuz-*"${kernel#*=}"* "$dir/vmlinuz-${kernel%=*}"
		cp "$root"/boot/initrd.img-*"${kernel#*=}"* "$dir/initrd-${kernel%=*}"
	done
	rm -f "$dir/disk.new"
	mke2fs -q -t ext4 -d "$root" "$dir/disk.new" "${MIB}M"
	rm -rf "$root"
}

main() {
	case ${2:-} in
	check)	exec "$TOP/scripts/deb.sh" "$flavour" check ;;
	disk)	disk
		exit 0 ;;
	esac
	"$TOP/scripts/setup.sh" mmdebstrap fakeroot e2fsprogs
	"$TOP/scripts/deb.sh" "$flavour"
	mkdir -p "$dir"
	inputs >"$dir/.all.new"
	if [ -e "$dir/disk" ] && cmp -s "$dir/.all.new" "$dir/.all"; then
		say "$dir/disk is up to date"
		exit 0
	fi
	install
	say "writing $dir/disk"
	fakeroot "$0" "$flavour" disk
	mv "$dir/disk.new" "$dir/disk"
	mv "$dir/.all.new" "$dir/.all"
	exit 0
}
main "$@"
