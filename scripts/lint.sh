#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# checkpatch --strict over our C files and patches, sparse over what is built.

. "$(dirname "$0")/common.sh"

src=$BUILD/pvfault/src
out=$BUILD/pvfault/out-main
[ -x "$src/scripts/checkpatch.pl" ] || "$TOP/scripts/kernel.sh" pvfault main
bad=0

say "checkpatch --strict"
check() { "$src/scripts/checkpatch.pl" --root="$src" --strict --terse --no-summary "$@" || bad=1; }
cd "$TOP"
# FILE_PATH_CHANGES: MAINTAINERS is part of the series.
# MACRO_ARG_REUSE, COMPLEX_MACRO: lists of events and trace events are macros.
check --ignore FILE_PATH_CHANGES,MACRO_ARG_REUSE,COMPLEX_MACRO,TRAILING_SEMICOLON,MULTISTATEMENT_MACRO_USE_DO_WHILE,MACRO_WITH_FLOW_CONTROL -f $(overlay | grep '\.[ch]$')
check --ignore FILE_PATH_CHANGES,NOT_UNIFIED_DIFF patches/linux-"$SERIES"/*.patch

say "sparse"
for f in $(overlay | grep '^\(arch\|drivers\)/.*\.c$'); do
	make -s -C "$src" O="$out" C=2 CF=-Wbitwise "${f%.c}.o" 2>&1
done | grep -E "(arch/x86/kernel|drivers)/pvfault.*(warning|error)" && bad=1

[ $bad = 0 ] && say "nothing found"
exit $bad
