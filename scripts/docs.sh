#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# Build the pages with the kernel's own Sphinx configuration, and those of docs/ without;
# check all kernel-doc comments. Ends with an error if there is any warning.

. "$(dirname "$0")/common.sh"

src=$BUILD/pvfault/src
log=$BUILD/docs/log
[ -x "$src/scripts/kernel-doc" ] || "$TOP/scripts/kernel.sh" pvfault unpack
mkdir -p "$BUILD/docs"
cd "$TOP"

say "kernel-doc -Wall"
for f in $(overlay | grep '\.[ch]$') $(git ls-files 'tools/*.[ch]'); do
	"$src/scripts/kernel-doc" -none -Wall "$f" || true
done >"$log" 2>&1

# NAME FOLDER [OPTION...]: build the pages of FOLDER, all of them anew.
pages() {
	say "$2 to build/docs/$1/index.html"
	name=$1 folder=$2
	shift 2
	srctree=$src BUILDDIR=$BUILD/docs PYTHONDONTWRITEBYTECODE=1 sphinx-build -q -E -b html \
		-d "$BUILD/docs/.doctrees-$name" "$@" "$folder" "$BUILD/docs/$name" \
		>>"$log" 2>&1 || die "Sphinx failed: see $log"
}
pages kernel Documentation/virt/pvfault -c "$src/Documentation" \
	-D kerneldoc_srctree="$TOP" -D kerneldoc_bin="$src/scripts/kernel-doc"
pages repository docs -C -D html_theme=alabaster -D project=pvfault \
	-D suppress_warnings=misc.highlighting_failure

# The kernel's configuration says which theme it takes, and that it can't draw graphs.
grep -v -e '^Using .* theme$' -e 'dot(1) not found' "$log" >&2 && die "warnings: see $log"
say "no warning"
