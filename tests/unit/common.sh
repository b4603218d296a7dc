# SPDX-License-Identifier: GPL-2.0
# Sourced. Runs test programs and counts what passed.

export TSAN_OPTIONS="halt_on_error=1 exitcode=66"
export ASAN_OPTIONS="detect_stack_use_after_return=1 abort_on_error=0 exitcode=66"
export UBSAN_OPTIONS="print_stacktrace=1"

# Older ThreadSanitizers can't cope with much address space randomisation.
if setarch "$(uname -m)" -R true 2>/dev/null; then
	fixed_addresses="setarch $(uname -m) -R"
else
	fixed_addresses=
fi

# run PROGRAM [ARGUMENT...]
run() {
	case $1 in
	*/tsan/*) $fixed_addresses "$@" ;;
	*) "$@" ;;
	esac
}

passed=0 failed=0

# count NAME PROGRAM LOG: run a program of cmocka's, add to passed and failed.
count() {
	echo "$1: tests"
	run "$2" >"$3" 2>&1
	status=$?
	p=$(sed -n 's/^\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$3" | paste -sd+)
	f=$(sed -n 's/^\[  FAILED  \] \([0-9]*\) test.*/\1/p' "$3" | paste -sd+)
	p=$((${p:-0})) f=$((${f:-0}))
	# A crash or a sanitizer's report belongs to no test, so it counts as one failure.
	[ $status -eq 0 ] || [ $f -gt 0 ] || f=1
	[ $status -eq 0 ] || grep -v -e 'RUN  ' -e '  OK' "$3" | head -n 60
	echo "$1: $p tests passed, $f failed"
	passed=$((passed + p)) failed=$((failed + f))
}

# total: the last line, and whether all is well.
total() {
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
