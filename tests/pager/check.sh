#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# check.sh OUT SECONDS BUILD... - run the tests and the fuzzers, count what passed.

. ../unit/common.sh

out=$1 seconds=$2
shift 2
log=$out/check.log

for build; do
	count "$build" "$out/$build/test_pager" "$log"
	sed -n 's/^random: /  &/p' "$log"
done

# fuzz NAME SECONDS: what it finds new stays in $out; what it breaks, too.
fuzz() {
	mkdir -p "$out/corpus.$1"
	"$out/fuzz_$1" -max_total_time="$2" -timeout=20 -max_len=4096 -verbosity=0 \
		-print_final_stats=1 -dict=fuzz.dict -artifact_prefix="$out/$1-" \
		"$out/corpus.$1" "corpus/$1" >"$log" 2>&1
	status=$?
	runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
	echo "fuzz $1: ${runs:-0} inputs in $2 s"
	if [ $status -eq 0 ] && [ "${runs:-0}" -gt 100 ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		tail -n 40 "$log"
	fi
}

fuzz guest $((seconds - seconds / 4))
fuzz offer $((seconds / 4))

total
