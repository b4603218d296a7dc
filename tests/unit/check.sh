#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# check.sh OUT SECS BUILD... - run tests and stress, count what passed.
# A program that ends at its first failure counts as one. ONLY= selects tests by a pattern
# of their names, and leaves out the stress.

. ./common.sh

out=$1 secs=$2
shift 2
log=$out/check.log

for build; do
	count "$build" "$out/$build/test_table" "$log"
	[ -z "$ONLY" ] || continue

	echo "$build: stress, $secs s"
	if run "$out/$build/stress" "$secs" >"$log" 2>&1; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
	fi
	head -n 60 "$log"
done

total
