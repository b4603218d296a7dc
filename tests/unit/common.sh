# SPDX-License-Identifier: GPL-2.0
# Sourced: how a test program is run.

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
