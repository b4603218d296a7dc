#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# check.sh OUT BUILD... - run the tests, count what passed.

. ../unit/common.sh

out=$1
shift
log=$out/check.log
passed=0 failed=0

for build; do
	echo "$build: tests"
	run "$out/$build/test_pager" >"$log" 2>&1
	status=$?
	p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$log" | paste -sd+)
	f=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$log" | paste -sd+)
	p=$((${p:-0})) f=$((${f:-0}))
	# A crash or a sanitizer's report: no test has failed, but all together.
	[ $status -eq 0 ] || [ $f -gt 0 ] || f=1
	[ $status -eq 0 ] || grep -v -e 'RUN  ' -e '  OK' "$log" | head -n 60
	sed -n 's/^random: /  &/p' "$log"
	echo "$build: $p tests passed, $f failed"
	passed=$((passed + p)) failed=$((failed + f))
done

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
