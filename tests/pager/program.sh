#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# program.sh OUT - the program as it is installed, on a machine that isn't dom0: how it
# ends there, and its unit for systemd. One line for each test that failed, then
# "N passed, N failed" for check.sh.

out=$1/program
unit=/usr/local/lib/systemd/system/pvfault-pager@.service
passed=0 failed=0

# result NAME CODE: of a test.
result() {
	if [ "$2" -eq 0 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "  FAILED: $1"
	fi
}

# ends CODE "SENTENCE" COMMAND...: the command ends with one sentence and one code.
ends() {
	code=$1 sentence=$2
	shift 2
	"$@" >"$out/said" 2>&1
	[ $? -eq "$code" ] && [ "$(wc -l <"$out/said")" -eq 1 ] && grep -q "$sentence" "$out/said"
	result "exit $code, \"$sentence\"" $?
}

# verify: systemd's check of the unit.
verify() { systemd-analyze verify --man=no --recursive-errors=no --root="$out" "$unit"; }

# finds WHAT SED: a mistake made on purpose.
finds() {
	sed "$2" ../../tools/pvfault/pvfault-pager@.service >"$out$unit"
	! verify >/dev/null 2>&1
	result "systemd-analyze finds $1" $?
}

# compiles COMPILER...: the protocol's header alone, as Xen checks its own.
compiles() {
	printf '#include <stdint.h>\n#include "../../include/xen/interface/io/pvfault.h"\n' |
		"$@" -pedantic -Wall -W -Werror -S -o /dev/null - >/dev/null 2>&1
	result "io/pvfault.h: $*" $?
}

mkdir -p "$out"
out=$(cd "$out" && pwd)
for standard in c89 c99 c11; do
	compiles gcc -x c -std=$standard
done
compiles g++ -x c++ -std=gnu++98
make -s -C ../../tools/pvfault OUT="$out/build" DESTDIR="$out" install >"$out/log" 2>&1
result "make install" $?
pager=$out/usr/local/sbin/pvfault-pager

if [ ! -e /proc/xen/capabilities ]; then
	[ "$(id -u)" != 0 ] || ends 7 "isn't dom0 of a running Xen" \
		"$pager" --domain 1 --pagefile "$out/pages"
	[ ! -e "$out/pages" ]
	result "no page file is made" $?
fi
if [ "$(id -u)" != 0 ]; then
	ends 7 "only root" "$pager" --domain 1 --pagefile "$out/pages"
elif command -v setpriv >/dev/null; then
	# Another user may not be able to read what root has built.
	copy=$(mktemp -d) && cp "$pager" "$copy/pager" && chmod 755 "$copy"
	ends 7 "only root" setpriv --reuid=65534 --clear-groups \
		"$copy/pager" --domain 1 --pagefile /tmp/none
	rm -r "$copy"
fi
"$pager" --domain 1 >/dev/null 2>&1
[ $? -eq 2 ]
result "exit 2 without a page file" $?

if command -v systemd-analyze >/dev/null; then
	verify >"$out/said" 2>&1 && [ ! -s "$out/said" ]
	result "systemd-analyze verify" $?
	unit_file=$out/usr/local/lib/systemd/system/pvfault-pager@.service
	cp ../../tools/pvfault/pvfault-pager@.service "$unit_file"
	systemd-analyze security --offline=yes --threshold=40 --no-pager "$unit_file" \
		>"$out/said" 2>&1
	result "systemd-analyze security: less than 4" $?
	# Each code is the end, or is tried again: 0 and 11 aren't the unit's business.
	again="1 3 7 10"
	last=$(sed -n 's/^RestartPreventExitStatus=//p' "$unit_file")
	all=$(sed -n 's/^\tEXIT_[A-Z_]* = \([0-9]*\),.*/\1/p' ../../tools/pvfault/exitcode.h)
	[ "$(echo 0 11 $again $last | tr ' ' '\n' | sort -n)" = "$(echo "$all" | sort -n)" ]
	result "the unit knows each exit code" $?
	finds "an unknown setting" 's/^NoNewPrivileges/NoNewPrivilege/'
	finds "a bad value" 's/^RestartSec=.*/RestartSec=never/'
	finds "a program that isn't there" 's,sbin/pvfault-pager,&s,'
else
	echo "  skipped: the unit for systemd, for systemd-analyze isn't here"
fi

echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
