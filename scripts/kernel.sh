#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# kernel.sh TREE CONFIG [check]: build a kernel from Debian's linux-source package; or
# only check that there are such.
#
#   TREE    pvfault   overlay and patches applied
#           stock     as Debian ships it
#           package   overlay and patches, none of the tests': for scripts/deb.sh
#           *-6.1, *-7.3  either, from linux-source-6.1 or 7.3; else it is 6.12
#   CONFIG  main      what boots as L1, L2, dom0, Xen's guest and for KUnit
#           off       the same with CONFIG_PVFAULT=n
#           bare      PVFAULT=y with KVM_GUEST=n
#           debug     lockdep, raw-lock nesting, KASAN
#           sleeps    finds what sleeps where it mustn't; as dom0, too
#           gcov      counts how often each line of pvfault is run
#           kcsan     finds data races in pvfault
#           rt        PREEMPT_RT, with lockdep
#           torture   rcutorture runs, from boot on
#           dwarf     main, for drgn and crash
#           hostile   the KVM host that loses READY, lies, is as of 2010, or has guests of
#                     32 bits on TCG, for tests only
#           kvm2010   a guest of KVM as of 2010, for tests only
#           up        for one processor, a guest alone, without Xen
#           i386      the same for 32 bit with PAE, and several processors
#           i386-nopae  the same without PAE
#           menu      main, with what "make menuconfig" has written
#           cloud-amd64, small  packages, of TREE=package: with Debian's configuration,
#                     and with the tests' one and what Debian's userspace needs
#           prepare   nothing: just the source, with overlay and patches
#           unpack    nothing: just the source
#           fetch     nothing: just Debian's package
#
# The image lands in build/TREE/out-CONFIG/arch/x86/boot/bzImage. TREE=package has a source
# for each CONFIG, because the one build takes hours: build/package/CONFIG/, with the packages.

. "$(dirname "$0")/common.sh"

tree=${1:-pvfault}
config=${2:-main}
trees="pvfault stock package pvfault-6.1 stock-6.1 pvfault-7.3 stock-7.3"
configs="main off bare debug sleeps gcov kcsan rt torture dwarf hostile kvm2010 up i386 i386-nopae menu prepare unpack fetch"
[ "$tree" != package ] || configs="cloud-amd64 small"
case " $trees " in *" $tree "*) ;; *) die "TREE=$tree is none of $trees" ;; esac
case " $configs " in *" $config "*) ;; *) die "CONFIG=$config is none of $configs" ;; esac
[ "${3:-}" != check ] || exit 0
case $tree in *-*) SERIES=${tree#*-} ;; *) SERIES=6.12 ;; esac
dir=$BUILD/$tree
[ "$tree" != package ] || dir=$BUILD/$tree/$config
src=$dir/src
out=$dir/out-$config
case $config in i386*) export ARCH=i386 ;; esac

fetch() {
	deb=$(ls "$BUILD"/deb/linux-source-"$SERIES"_*.deb 2>/dev/null | tail -n 1)
	[ -n "$deb" ] && return
	mkdir -p "$BUILD/deb"
	apt=$BUILD/apt
	say "downloading Debian's linux-source-$SERIES"
	# A name that apt doesn't know is a pattern to it, and 6.12 fits 6.1.
	get() {
		(cd "$BUILD/deb" && "$@" download -q "linux-source-$SERIES" 2>&1 &&
		 ls "linux-source-$SERIES"_*.deb)
	}
	if ! get apt-get >"$BUILD/deb/log"; then
		case $SERIES in
		6.12)	from="Debian 12's security archive, and Debian 13; run apt-get update as root"
			[ "$(id -u)" = 0 ] && apt-get update -q >/dev/null 2>&1
			get apt-get >"$BUILD/deb/log" ;;
		6.*)	from="Debian 12"
			{ private_suite bookworm deb && get apt_private apt-get; } \
				>"$BUILD/deb/log" 2>&1 ;;
		*)	from="the backports of Debian 13"
			{ private_suite trixie-backports deb && get apt_private apt-get; } \
				>"$BUILD/deb/log" 2>&1 ;;
		esac || die "$(tail -n 1 "$BUILD/deb/log") (the package is in $from)"
	fi
	deb=$(ls "$BUILD"/deb/linux-source-"$SERIES"_*.deb | tail -n 1)
}

unpack() {
	[ -e "$src/.unpacked" ] && return
	fetch
	say "unpacking $(basename "$deb") for the $tree tree"
	rm -rf "$src"
	mkdir -p "$src"
	dpkg-deb --fsys-tarfile "$deb" |
		tar -xO "./usr/src/linux-source-$SERIES.tar.xz" |
		tar -xJ -C "$src" --strip-components=1
	touch "$src/.unpacked"
}

series() {
	cat "$TOP/patches/linux-$SERIES"/*.patch
	[ "$tree" != pvfault ] || cat "$TOP"/tests/patches/*.patch
}

# What hosts and guests of the tests do on purpose, as it lies in a kernel tree. The
# configurations hostile and kvm2010 build it; tests/patches has the calls of it.
overlay_of_tests() {
	[ "$tree" != pvfault ] || (cd "$TOP/tests/overlay" && find arch -type f)
}

# The names of the existing files that a series changes.
changed_by() {
	awk '/^--- / { old = $2 }
		/^\+\+\+ b\// {
			name = substr($2, 3)
			if (old == "/dev/null")
				made[name] = 1
			else if (!(name in made))
				print name
		}' "$1"
}

# Debian's own files stay in .before. Only what a new series makes of them otherwise is
# written, so that make builds no more than that.
patch_tree() {
	case $tree in stock*) return 0 ;; esac
	series >"$dir/.series"
	before=$src/.before new=$dir/.new
	if [ -e "$src/.patched" ] && [ ! -d "$before" ]; then
		say "this tree was patched otherwise: taking a fresh one"
		rm -rf "$src"
		unpack
	fi
	if ! cmp -s "$dir/.series" "$src/.patched"; then
		say "applying patches/linux-$SERIES"
		rm -rf "$new"
		mkdir -p "$before" "$new"
		changed_by "$dir/.series" | while read -r f; do
			[ -e "$before/$f" ] || refresh "$src/$f" "$before/$f"
		done
		cp -r "$before/." "$new"
		patch -d "$new" -p1 -s -N --no-backup-if-mismatch <"$dir/.series" ||
			die "the series does not apply"
		(cd "$new" && find . -type f) | while read -r f; do
			refresh "$new/$f" "$src/$f"
		done
		cp "$dir/.series" "$src/.patched"
	fi
	overlay | while read -r f; do
		case $tree:$f in
		pvfault*:*/pvfault/*Makefile)
			cat "$TOP/tests/patches/instrument.mk" "$TOP/$f" >"$dir/.makefile"
			refresh "$dir/.makefile" "$src/$f" ;;
		*)	refresh "$TOP/$f" "$src/$f" ;;
		esac
	done
	overlay_of_tests | while read -r f; do
		refresh "$TOP/tests/overlay/$f" "$src/$f"
	done
}

# The version of the source, as 6.12.117-1~deb12u1.
debian_version() {
	fetch >&2
	basename "$deb" | cut -d_ -f2
}

# Debian's own configuration of a flavour, of the same version as the source.
debian_config() {
	version=$(debian_version)
	of=$BUILD/deb/linux-config-${SERIES}_${version}_amd64.deb
	[ -e "$of" ] || (cd "$BUILD/deb" && apt-get download -q "linux-config-$SERIES=$version" \
		>log 2>&1) || die "$(tail -n 1 "$BUILD/deb/log")"
	dpkg-deb --fsys-tarfile "$of" |
		tar -xO "./usr/src/linux-config-$SERIES/config.amd64_none_$config.xz" | xz -d
}

# For packages: what differs from the configuration that it begins with.
package_fragments() {
	[ "$config" != small ] || (cd "$TOP/configs" &&
		cat base.config kvm.config xen.config people.config debian.config)
	cat "$TOP/configs/package.config"
	echo "CONFIG_LOCALVERSION=\"-pvfault-$config\""
	echo "# Linux $(debian_version)"
}

fragments() {
	[ "$tree" != package ] || { package_fragments; return; }
	cd "$TOP/configs"
	cat base.config kvm.config
	case $config in up | i386*) ;; *) cat xen.config people.config ;; esac
	case $tree in stock*) ;; *) cat pvfault.config ;; esac
	[ ! -e "linux-$SERIES.config" ] || cat "linux-$SERIES.config"
	case $config in
	main)	;;
	i386-nopae) cat i386.config i386-nopae.config ;;
	menu)	cat "$BUILD/menu.config" ;;
	*)	[ "${tree%-*}" = stock ] || cat "$config.config" ;;
	esac
	cd - >/dev/null
}

configure() {
	mkdir -p "$out"
	fragments >"$out/.fragments.new"
	cmp -s "$out/.fragments.new" "$out/.fragments" && [ -e "$out/.config" ] && return
	case $config in
	cloud-amd64) debian_config >"$out/.config" ;;
	# 6.1 prints a lot here, and warns that choices change, as they should.
	*)	make -s -C "$src" O="$out" tinyconfig ;;
	esac >"$out/merge.log" 2>&1 || die "no configuration; see $out/merge.log"
	(cd "$src" && scripts/kconfig/merge_config.sh -m -O "$out" "$out/.config" \
		"$out/.fragments.new" >>"$out/merge.log")
	make -s -C "$src" O="$out" olddefconfig 2>>"$out/merge.log"
	taken "$out/.fragments.new" "$out/.config"
	mv "$out/.fragments.new" "$out/.fragments"
}

# What a package says of itself. Its version grows with each commit, so that apt takes the
# later one.
package_identity() {
	commit=$(git -C "$TOP" log -1 --format=%ct 2>/dev/null || date +%s)
	export KBUILD_BUILD_TIMESTAMP="@$commit" KDEB_CHANGELOG_DIST=unstable
	KDEB_PKGVERSION=$(debian_version)+pvfault$(date -u -d "@$commit" +%Y%m%d.%H%M%S)
	export KDEB_PKGVERSION KDEB_SOURCENAME="linux-pvfault-$config"
	export DEBFULLNAME=pvfault DEBEMAIL=pvfault@localhost LOCALVERSION=
}

build() {
	export CCACHE_DIR="$BUILD/ccache" CCACHE_BASEDIR="$dir" CCACHE_NOHASHDIR=1
	export KBUILD_BUILD_TIMESTAMP=@0 KBUILD_BUILD_USER=pvfault KBUILD_BUILD_HOST=pvfault
	hostcc= takes="5 to 6 minutes" files=1500 made=bzImage result=$out/arch/x86/boot/bzImage
	case $config in
	cloud-amd64) takes="two hours" files=6000 ;;
	small)	takes="8 minutes" files=1650 ;;
	esac
	if [ "$tree" = package ]; then
		package_identity
		# Without a preprocessor's run of its own for each file, a third of a cold build.
		export CCACHE_DEPEND=1
		# linux-headers would build the host's tools once more for another CC.
		hostcc="HOSTCC=ccache gcc"
		made=bindeb-pkg result="the packages in $dir"
		rm -f "$dir"/*.deb
	fi
	say "building kernel $tree/$config (cold: $takes on two cores); log in $out/build.log"
	# So many are in a cold build of any of them.
	of=" of about $files"
	[ ! -e "$out/vmlinux" ] || of=
	# KCSAN finds a race by stopping at one access in so many. Hardly any of the whole
	# kernel's are pvfault's, so only pvfault's Makefiles enable it, by override.
	only=
	[ "$config" != kcsan ] || only=KCSAN_SANITIZE=n
	# What drgn and crash need, without making all of the kernel five times as large.
	[ "$config" != dwarf ] || only=$(printf ' CFLAGS_%s.o=-g' table core page_alloc slub \
		fork printk irqdesc setup_percpu process memory vmalloc super namespace timer \
		workqueue signal softirq genhd socket dev xarray maple_tree pid \
		kexec_core crash_core crash panic dumpstack traps irq_64 nmi file sys exit)
	start=$(date +%s)
	# No flags of a "make -s" that has called us, because the log would be empty. A process
	# group, because make leaves what dpkg-buildpackage has started.
	MAKEFLAGS= setsid make -C "$src" O="$out" -j"${JOBS:-$(nproc)}" CC="ccache gcc" \
		${hostcc:+"$hostcc"} $only "$made" >"$out/build.log" 2>&1 &
	pid=$!
	trap 'kill -- -$pid 2>/dev/null; exit 130' INT TERM
	while kill -0 $pid 2>/dev/null; do
		sleep 1
		now=$(($(date +%s) - start))
		[ $((now % 30)) -ne 29 ] ||
			say "  $(grep -c '^  \(CC\|AS\) ' "$out/build.log")$of files after $now s"
	done
	wait $pid || {
		grep -E 'error|Error|undefined' "$out/build.log" | head -n 10 >&2
		die "the build failed; see $out/build.log"
	}
	say "built $result in $(($(date +%s) - start)) s"
}

# One at a time, because all builds of a tree share its source.
alone() {
	mkdir -p "$dir"
	exec 9>"$dir/.building"
	flock -n 9 || {
		say "waiting for another build in $dir"
		flock 9
	}
}

main() {
	[ "$config" != menu ] || [ -e "$BUILD/menu.config" ] || die "run 'make menuconfig' first"
	if [ "$config" = fetch ]; then
		fetch
		exit 0
	fi
	alone
	unpack
	[ "$config" = unpack ] && exit 0
	patch_tree
	[ "$config" = prepare ] && exit 0
	configure
	build
	exit 0
}
# One call that never returns, because a shell reads a script while it runs it, and this
# file may change meanwhile.
main
