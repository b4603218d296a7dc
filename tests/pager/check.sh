#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# check.sh OUT BUILD... - run the tests, count what passed.

. ../unit/common.sh

out=$1
shift
log=$out/check.log

for build; do
	count "$build" "$out/$build/test_pager" "$log"
	sed -n 's/^random: /  &/p' "$log"
done

total
