#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# mutants.sh OUT CORE - can the tests fail? Break the table in one place at a
# time and see that a test, the stress or a sanitizer notices.
# MUTANTS="name ..." tries only these.

. ./common.sh

out=$1 core=$2
# The first failure is enough, and no wait lasts longer than needed.
export CMOCKA_TEST_ABORT=1 STALL=2 UNIT_ALARM=5 UNIT_PATIENCE_MS=700
dead=0 alive=0

build() { # BIN CORE PROGRAM
	"${MAKE:-make}" -s --no-print-directory OUT="$out" BIN="$1" CORE="$2" \
		CFLAGS='-std=gnu11 -g -w -pthread' "$1/$3" >"$1/build.log" 2>&1
}

# Which of the programs fails first? Cheap ones first.
killer() { # BIN CORE
	for program in plain/test_table tsan/test_table asan/test_table \
		       tsan/stress plain/stress asan/stress; do
		build "$1" "$2" $program || { echo "doesn't compile"; return; }
		run timeout -s KILL 30 "$1/$program" 2 >"$1/run.log" 2>&1 ||
			{ echo $program; return; }
	done
}

# The test in which the program failed, and the report.
reason() { # LOG
	sed -n 's/^\[ RUN      \] //p' "$1" | tail -n 1
	sed -n -e 's/^SUMMARY: \([A-Za-z]*Sanitizer: [a-z -]*[a-z]\).*/\1/p' \
	       -e 's/.*\(runtime error: .*\)/\1/p' \
	       -e 's/^sim: \(rule broken.*\)/\1/p' \
	       -e 's/^stress: FAILED, seed [0-9]*: \(.*\)/\1/p' "$1" | head -n 1
}

mutant() { # NAME SED-SCRIPT
	case " ${MUTANTS:-$1} " in *" $1 "*) ;; *) return ;; esac
	dir=$out/mutants/$1
	mkdir -p "$dir"
	by="nothing changed: bring mutants.sh up to date"
	for f in table.c marks.c batch.c scan.c; do
		sed -E "$2" "$core/$f" >"$dir/$f"
		cmp -s "$core/$f" "$dir/$f" || by=
	done
	[ -n "$by" ] || by=$(killer "$dir" "$dir")
	case $by in
	*/*)	dead=$((dead + 1))
		verdict=killed
		by="$by: $(echo $(reason "$dir/run.log") | cut -c1-70)" ;;
	*)	alive=$((alive + 1))
		verdict=SURVIVED ;;
	esac
	printf '%-26s %-8s  %s\n' "$1" "$verdict" "$by"
}

# The lines of function $1
in_() { echo "/^[a-z].*[ *]$1\\(/,/^}/"; }

echo "the table as it is"
dir=$out/mutants/none
mkdir -p "$dir"
by=$(killer "$dir" "$core")
if [ -n "$by" ]; then
	echo "fails already in $by:" $(reason "$dir/run.log")
	exit 1
fi
printf '%-26s %-8s  %s\n' mutant verdict by

# Waking
wake=$(in_ pvfault_wake)
mutant wake-without-unlinking	"$wake s/pvfault_sleeper_del\(.*//"
mutant wake-before-storing	"$wake { /smp_store_release/d
	s/(\s*)wake_up_process.*/&\1smp_store_release(\&node->state, PVFAULT_WOKEN);/ }"
mutant store-before-unlinking	"$wake { /pvfault_sleeper_del/d
	s/smp_store_release.*/& pvfault_sleeper_del(node);/ }"
mutant store-relaxed		"$wake s/smp_store_release\(&(.*), /WRITE_ONCE(\1, /"
mutant load-relaxed		"s/smp_load_acquire\(&s->node.state\)/READ_ONCE(s->node.state)/"
mutant task-after-last-touch	"$wake s/wake_up_process\(task/wake_up_process(to_sleeper(node)->task/"
mutant wake-forgotten		"$wake { /wake_up_process/d }"

# READY
settle=$(in_ pvfault_settle) ready=$(in_ pvfault_ready)
mutant ready-wakes-one		"$settle s/woken = true;/& break;/"
mutant ready-any-token		"$settle s/node->token != token/false/"
mutant ready-keeps-abandoned	"$settle s/pvfault_mark_erase.*/;/"
mutant ready-any-generation	"$settle s/to_mark\(node\)->generation != now/false/"
mutant ready-old-sleeper	"$settle s/to_sleeper\(node\)->told.generation != now/false/"
mutant ready-drop-uncounted	"$settle s/pvfault_note\(dropped.*/;/"
mutant ready-drops-and-counts	"$settle s/known && !woken/known/"
mutant ready-looks-once		"$ready s/!pvfault_settle\(b, token\)/true/"
mutant ready-leaks-mark		"$ready s/pvfault_mark_put.*/;/"
mutant ready-irqs-on		"$ready { /pvfault_settle\(b, token\)\)\) \{/,/mark_get/ {
	s/raw_spin_unlock\(&b->lock\);/raw_spin_unlock_irqrestore(\&b->lock, flags);/ } }"
mutant ready-inside-lock	"$ready { /raw_spin_unlock\(/d }"

# READY for all
mutant all-not-counted		"$(in_ pvfault_ready_all) { /atomic_inc/d }"
mutant all-no-kick		"$(in_ pvfault_ready_all) { /pvfault_watch_kick/d }"
mutant queue-any-generation	"$(in_ pvfault_queue) s/s->told.generation != pvfault_generation_read\(\)/false/"
mutant scan-any-generation	"$(in_ pvfault_scan_one) s/told->generation != pvfault_generation_read\(\)/false/"
mutant scan-every-generation	"$(in_ pvfault_scan_one) s/told->generation != pvfault_generation_read\(\)/true/"

# NOT_PRESENT
queue=$(in_ pvfault_queue) sleep=$(in_ pvfault_sleep) gives_up=$(in_ pvfault_gives_up)
mutant queue-ignores-early	"$queue s/early \|= node->state.*/;/"
mutant queue-abandoned-is-early	"$queue s/early \|= node->state.*/early = true;/"
mutant queue-keeps-mark		"$queue s/pvfault_mark_erase.*/;/"
mutant queue-erases-sleeper	"$queue s/node->state == PVFAULT_SLEEPING/false/"
mutant queue-takes-newer	"$queue s/pvfault_newer\(.*\)\)$/false)/"
mutant state-set-late		"$(in_ pvfault_table_sleep) { /[^_]set_current_state/d }
	$sleep { /[^_]set_current_state/d
	s/io_schedule/set_current_state(state); &/ }"
mutant sleep-not-killable	"$gives_up s/fatal_signal_pending\(current\)/false/"
mutant sleep-no-deadline	"$gives_up s/pvfault_probe_turn\(.*\)\)/PVFAULT_SLEEP_ON)/"
mutant sleep-probe-not-cancelled "$gives_up { /pvfault_probe_cancel/d }"
mutant sleep-probe-uncounted	"$gives_up { /pvfault_note\(probe/d }"
mutant sleep-probe-forgotten	"$gives_up s/pvfault_note\(probe.*/& pvfault_forget(s);/"
mutant sleep-unwatched		"$sleep { /pvfault_watch_arm/d }"
mutant sleep-returns-irqs-on	"$(in_ pvfault_table_sleep) { /local_irq_disable/d }"

# Leaving, refusing
leave=$(in_ pvfault_leave) forget=$(in_ pvfault_table_forget)
unremember=$(in_ pvfault_unremember)
mutant leave-though-woken	"$leave s/left = s->node.state.*/left = true;/"
mutant leave-stays-listed	"$leave s/pvfault_sleeper_del.*/;/"
mutant leave-no-mark		"$(in_ pvfault_forget) s/pvfault_table_forget.*/;/"
mutant forget-no-mark		"$forget s/pvfault_mark_add\(.*/pvfault_mark_put(mark);/"
mutant forget-leaks-mark	"$forget s/pvfault_mark_put.*/;/"
mutant forget-keeps-early	"$unremember s/pvfault_mark_erase.*/;/"
mutant forget-always-adds	"$unremember s/known = true;/;/"
mutant forget-hits-sleeper	"$unremember s/node->state == PVFAULT_SLEEPING/false/"
mutant forget-takes-newer	"$unremember s/pvfault_newer\(.*\)\)$/false)/"
mutant forget-as-of-now		"$forget s/PVFAULT_ABANDONED, generation/PVFAULT_ABANDONED, pvfault_generation()/"

# Marks
evict=$(in_ pvfault_mark_evict)
mutant mark-not-given-back	"$(in_ pvfault_mark_erase) s/pvfault_mark_put.*/;/"
mutant mark-stays-listed	"$(in_ pvfault_mark_erase) s/hlist_del_init.*/;/"
mutant mark-put-relaxed		"s/clear_bit_unlock/clear_bit/"
mutant mark-put-elsewhere	"$(in_ pvfault_mark_put) s/mark->cpu/0/"
mutant mark-take-not-atomic	"s/test_and_set_bit_lock/__test_and_set_bit/"
mutant mark-never-older		"s/pool->clock\+\+/pool->clock/"
mutant evict-newest		"$evict s/< 0/> 0/"
mutant evict-given-back		"$evict s/if \(!mine\)/if (false)/"
mutant evict-stays-listed	"$evict s/hlist_del_init.*/;/"
mutant evict-unlocked		"$evict { /raw_spin_(un)?lock/d }"
mutant evict-uncounted		"$evict { /pvfault_note/d }"

# Batches
woken=$(in_ pvfault_batch_woken) left=$(in_ pvfault_batch_leave) waits=$(in_ pvfault_batch_wait)
gives=$(in_ pvfault_batch_gives_up)
stale=$(in_ pvfault_slot_stale) add=$(in_ pvfault_batch_add)
mutant batch-wakes-first	"$woken s/return atomic_dec_and_test/atomic_dec(\&b->pending); return 1; (void)/"
mutant batch-never-wakes	"$woken s/return atomic_dec_and_test\(.*/atomic_dec(\&b->pending); return false;/"
mutant batch-leaks-slot		"$woken { /pvfault_mark_put/d }"
mutant batch-leaks-early	"$add { /pvfault_mark_put/d }"
mutant batch-counts-early	"$add { /atomic_dec/d }"
mutant batch-leaves-others	"$left s/to_sleeper\(node\)->batch != b/false/"
mutant batch-leaves-woken	"$left s/left = true;/;/"
mutant batch-stays-asleep	"$left { /PVFAULT_ABANDONED/d }"
mutant batch-unlocked		"$left { /raw_spin_(un)?lock/d }"
mutant batch-not-killable	"$gives s/= fatal_signal_pending\(current\)/= false/"
mutant batch-no-deadline	"$gives s/turn == PVFAULT_SLEEP_ON/true/"
mutant batch-keeps-the-turn	"$gives s/pvfault_probe_cancel\(.*/;/"
mutant batch-of-two-cpus	"$add s/b->n && b->told.cpu != told->cpu/false/"
mutant batch-unwatched		"$waits { /pvfault_watch_arm/d }"
mutant slot-asleep-is-stale	"$stale s/mark->node.state != PVFAULT_ABANDONED/false/"
mutant slot-never-stale		"$stale s/return mark->generation.*/return false;/"
mutant slot-outdated-stays	"$stale s/mark->generation != pvfault_generation_read\(\)/false/"
mutant slot-all-stale		"$stale s/jiffies - mark.*/true;/"
mutant slot-evict-leaks		"$(in_ pvfault_slot_evict) s/pvfault_mark_erase.*/hlist_del_init(\&mark->node.link);/"

# The scan
scan=$(in_ pvfault_table_scan) one=$(in_ pvfault_scan_one)
mutant scan-no-budget		"$scan s/scan->sleepers >= scan->budget/false/"
mutant scan-no-restart		"$scan { /scan->bucket = 0/d }"
mutant scan-starts-over		"$scan s/return false/return scan->bucket = 0/"
mutant scan-touches-marks	"$scan s/node->state == PVFAULT_SLEEPING/true/"
mutant scan-no-deadline		"$one s/pvfault_overdue\(.*\)\)/false)/"
mutant scan-passes-over-groups	"$scan s/!atomic_read\(pvfault_group\(b\)\)/true/"
mutant group-never-left		"$(in_ pvfault_sleeper_del) { /atomic_dec/d }"
mutant scan-no-repair-any	"$one s/scan->repair_any = true/(void)0/"
mutant scan-no-repair		"$one s/cpumask_set_cpu.*/;/"
mutant scan-repairs-young	"$one s/jiffies - told->since < scan->repair_age/false/"

# Setting up
init=$(in_ pvfault_table_init)
mutant init-leaks		"$init { /pvfault_marks_free/d }"
mutant init-locks-forgotten	"$init s/raw_spin_lock_init.*/;/"
mutant init-too-small		"$init s/raw_spin_lock_init/if (i < n - 1) &/"

echo "$dead killed, $alive survived"
[ $alive -eq 0 ] && [ $dead -gt 0 ]
