#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# pylint over our Python files, checkpatch --strict over our C files and patches, sparse
# over what is built, words.py over comments and documents.

. "$(dirname "$0")/common.sh"

src=$BUILD/pvfault/src
out=$BUILD/pvfault/out-main
bad=0
cd "$TOP"

say "compileall, pylint, and the tests of the rig"
PYTHONPYCACHEPREFIX=$BUILD/pycache python3 -m compileall -q tests scripts || bad=1
pylint --rcfile=tests/pylintrc tests/*.py tests/*/*.py scripts/*.py || bad=1
python3 tests/rig/test_rig.py || bad=1

say "words.py"
scripts/words.py || bad=1

[ -x "$src/scripts/checkpatch.pl" ] || "$TOP/scripts/kernel.sh" pvfault main

say "checkpatch --strict"
# Its SPDX check runs "env python3" and needs ply, which Debian's has; and says
# at length on stderr that an unpacked tree is no git repository.
PATH=/usr/bin:$PATH
check() {
	"$src/scripts/checkpatch.pl" --root="$src" --strict --terse --no-summary "$@" \
		2>"$BUILD/lint.log" || bad=1
}
# COMPLEX_MACRO, MACRO_ARG_REUSE: the list of events is a macro of macros.
# OPEN_ENDED_LINE, PARENTHESIS_ALIGNMENT: how the kernel writes trace events.
# OPEN_BRACE: mistakes a parameter that is a function for a function.
# CAMELCASE: Xen's names of device states.
ignore=COMPLEX_MACRO,MACRO_ARG_REUSE,OPEN_ENDED_LINE,PARENTHESIS_ALIGNMENT,OPEN_BRACE
ignore=$ignore,CAMELCASE
for f in $(overlay | grep '\.[ch]$') $(find tests/overlay -name '*.[ch]'); do
	case $f in
	include/xen/interface/*) # must compile outside the kernel, too
		check --ignore $ignore,PREFER_KERNEL_TYPES -f "$f" ;;
	tests/overlay/*) # linux/nmi.h doesn't always include asm/nmi.h
		check --ignore $ignore,INCLUDE_LINUX -f "$f" ;;
	*)	check --ignore $ignore -f "$f" ;;
	esac
done
# By standard input, because checkpatch takes a file that git knows for source.
for f in patches/linux-*/*.patch; do
	check --ignore FILE_PATH_CHANGES - <"$f"
done

# checkpatch keeps a list of names in the folder that it runs in.
rm -f .checkpatch-camelcase.*

say "sparse"
for f in $(overlay | grep '^\(arch\|drivers\|samples\)/.*\.c$'); do
	make -s -C "$src" O="$out" C=2 CF=-Wbitwise "${f%.c}.o" 2>&1
done | grep -E "(arch/x86/kernel|drivers|samples)/pvfault.*(warning|error)" && bad=1

[ $bad = 1 ] || say "nothing found"
exit $bad
