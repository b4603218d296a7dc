#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# menuconfig.sh [menuconfig|nconfig|config|...]: choose pvfault's options with the kernel's own
# tool, and write what differs from the tests' kernel to build/menu.config, which
# "make kernel CONFIG=menu" builds.

. "$(dirname "$0")/common.sh"

tool=${1:-menuconfig}
src=$BUILD/pvfault/src
out=$BUILD/menu
chosen=${MENU_CONFIG:-$BUILD/menu.config}
"$TOP/scripts/kernel.sh" pvfault prepare
mkdir -p "$out"

# kconfig TARGET: with the options of the repository's Kconfig alone.
kconfig() {
	KBUILD_KCONFIG=$TOP/Kconfig make -s -C "$src" O="$out" "$1"
}

cp "$TOP/configs/pvfault.config" "$out/.config"
kconfig olddefconfig 2>/dev/null
cp "$out/.config" "$out/before"
# What was chosen last time.
[ ! -e "$chosen" ] || {
	cat "$chosen" >>"$out/.config"
	kconfig olddefconfig 2>/dev/null
}
kconfig "$tool"
{
	"$src/scripts/diffconfig" -m "$out/before" "$out/.config" |
		sed 's/^# \(CONFIG_[A-Z0-9_]*\) is not set$/\1=n/'
	# It doesn't tell of those that another choice has hidden.
	sed -n 's/^\(CONFIG_PVFAULT[A-Z0-9_]*\)=.*/\1/p' "$out/before" | while read -r name; do
		grep -q "^$name=" "$out/.config" || echo "$name=n"
	done
} | LC_ALL=C sort -u >"$out/chosen"
mv "$out/chosen" "$chosen"
say "written: $chosen"
cat "$chosen"
echo "'make kernel CONFIG=menu' builds it."
