#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# check.sh OUT [BUILD...] - run the tests and the fuzzers, count what passed.
#
# The fuzzers try a fixed number of inputs, which depend on the tree alone: the same
# tree gives the same answer everywhere. With FUZZ_SECS= they go on for so long, from
# a seed of their own, which is printed; FUZZ_SEED= takes another, or the same again.

. ../unit/common.sh

out=$1
shift
log=$out/check.log
seed=${FUZZ_SEED:-1}
[ -z "$FUZZ_SECS" ] || seed=${FUZZ_SEED:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}

for build; do
	count "$build" "$out/$build/test_pager" "$log"
	sed -n 's/^random: /  &/p' "$log"
done
if [ -n "$ONLY" ]; then
	total
	exit
fi

# program: as it is installed.
program() {
	./program.sh "$out" >"$log" 2>&1
	p=$(sed -n 's/^\([0-9]*\) passed.*/\1/p' "$log")
	f=$(sed -n 's/.* passed, \([0-9]*\) failed$/\1/p' "$log")
	[ -n "$f" ] || cat "$log"
	passed=$((passed + ${p:-0})) failed=$((failed + ${f:-1}))
	echo "program: ${p:-0} tests passed, ${f:-1} failed"
	sed -n '/^  /p' "$log"
}

[ $# = 0 ] || program

# fuzz NAME INPUTS QUARTERS: so many inputs, or so much of FUZZ_SECS. New inputs stay in
# $out, and so do those that break the pager.
fuzz() {
	limit=-runs=$2
	[ -z "$FUZZ_SECS" ] || limit=-max_total_time=$((FUZZ_SECS * $3 / 4 + 1))
	rm -rf "$out/corpus.$1" && mkdir -p "$out/corpus.$1"
	# Only the seed may decide: no random addresses, which get into inputs where pointers
	# are compared, and no reload of the corpus by the clock.
	$fixed_addresses "$out/fuzz_$1" -seed="$seed" "$limit" -reload=0 -timeout=20 -max_len=4096 \
		-verbosity=0 -print_final_stats=1 -dict=fuzz.dict -artifact_prefix="$out/$1-" \
		"$out/corpus.$1" "corpus/$1" >"$log" 2>&1
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	echo "fuzz $1: ${runs:-0} inputs, seed $seed"
	if [ $status -eq 0 ] && [ "${runs:-0}" -gt 100 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		tail -n 40 "$log"
	fi
}

fuzz guest 1500 3
fuzz offer 500000 1

total
