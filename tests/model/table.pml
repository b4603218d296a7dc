/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The token protocol of arch/x86/kernel/pvfault: table.c, marks.c, scan.c and
 * watch.c, for spin. Steps are named as the functions there. model.py ("make proof")
 * checks it in several configurations, and with each essential step broken (MUT_*).
 *
 * A step here is there done under one lock, or a single access. A barrier is the
 * order of two steps; without it they change places. A pool has MARKS marks, not
 * 64, and each token has a bucket of its own.
 *
 *	TASKS, WAITS	tasks; how often the first is notified, the others once
 *	TOKENS		tokens, each with its bucket
 *	MARKS		of each of the two CPUs: 1 or 2
 *	KILLS, NUDGES	fatal signals; wake-ups for no reason
 *	DOOMED		the first task has a fatal signal from the beginning
 *	DUPS		READYs too many, for any token, at any time
 *	LOSSES		READYs too few
 *	FORGETS		how often the host forgets its tokens, says READY for all, and
 *			begins anew with them
 *	ALLS		READY for all although nothing was forgotten
 *	REFUSALS	NOT_PRESENT where no task may sleep
 *	UNREGISTER	the backend goes away in the end
 *	READY_CPUS	CPUs on which READYs come: 0, 1 or 2
 *	BUDGET		sleepers that a piece of the scan looks at
 *	DEADLINE	the watch's second deadline exists; PERIODS: how often
 *			it also passes while something else goes on
 *	SAME_CPU	READY comes on the notified CPU, after NOT_PRESENT
 *	REUSE		the host uses a token again as soon as its READY has begun,
 *			not only when READY and the wait are over
 *
 * A lost wake shows as an invalid end state: a task sleeps, and no step can wake it.
 * With DEADLINE that is so only if even the deadline fails.
 */

#ifndef TASKS
#define TASKS		2
#endif
#ifndef WAITS
#define WAITS		2
#endif
#ifndef TOKENS
#define TOKENS		2
#endif
#ifndef MARKS
#define MARKS		2
#endif
#ifndef KILLS
#define KILLS		0
#endif
#ifndef NUDGES
#define NUDGES		0
#endif
#ifndef DUPS
#define DUPS		0
#endif
#ifndef LOSSES
#define LOSSES		0
#endif
#ifndef FORGETS
#define FORGETS		0
#endif
#ifndef ALLS
#define ALLS		0
#endif
#ifndef REFUSALS
#define REFUSALS	0
#endif
#ifndef UNREGISTER
#define UNREGISTER	0
#endif
#ifndef BUDGET
#define BUDGET		TASKS
#endif
#ifndef READY_CPUS
#define READY_CPUS	2
#endif
#ifndef PERIODS
#define PERIODS		0
#endif

#define CPUS		2
#define POOLS		(CPUS * MARKS)

/* States of a node; DEAD: its stack frame is gone, or the mark is free. */
#define DEAD		0
#define SLEEPING	1
#define WOKEN		2
#define LEFT		3
#define EARLY		4
#define ABANDONED	5

/* The timer of the watch */
#define IDLE		0
#define PERIOD		1
#define NOW		2

bit irqs_off[CPUS];
bit lock[TOKENS];
byte generation;

/* A task's node, and the task. Task i has its faults on CPU i. */
byte n_state[TASKS];
bit n_listed[TASKS];
byte n_token[TASKS];
byte n_generation[TASKS];
bit n_frame[TASKS];		/* changes with each stack frame */
bit running[TASKS] = 1;
bit fatal[TASKS];
bit expired[TASKS];
bit freed[TASKS];
byte ended;			/* tasks that are */

/* Marks */
bit m_busy[POOLS];
bit m_listed[POOLS];
byte m_state[POOLS];
byte m_token[POOLS];
byte m_generation[POOLS];
bit m_last[CPUS];		/* the younger one of two */

byte timer;
bit kicked;

/* The host */
bit in_use[TOKENS];		/* can't be used again yet */
bit owed[TOKENS];		/* its READY is still to come */
bit ready_over[TOKENS];		/* its READY has come */
bit told_over[TOKENS];		/* its NOT_PRESENT has come */
#ifdef SAME_CPU
byte told_cpu[TOKENS];		/* plus one */
#define may_come(t, c)	(owed[t] && told_cpu[t] == c + 1)
#else
#define may_come(t, c)	(owed[t])
#endif
bit begun[TASKS];		/* a token is chosen, the task isn't notified yet */
byte era;			/* how often the host has forgotten its tokens */
bit registered = 1;
bit silent;			/* the host, until READY for all has come */
byte kills = KILLS, nudges = NUDGES, dups = DUPS, losses = LOSSES;
byte refusals = REFUSALS, periods = PERIODS;

hidden byte x;			/* of a single step */

#define irq_off(c)	atomic { !irqs_off[c] -> irqs_off[c] = 1 }

/* With interrupts on everywhere no CPU has a mark in hand, so none may be missing. */
inline irq_on(c)
{
	d_step {
		irqs_off[c] = 0;
		x = 0;
		do
		:: x < POOLS ->
			assert(irqs_off[0] || irqs_off[1] || m_busy[x] == m_listed[x]);
			x++
		:: else -> break
		od;
		x = 0
	}
}

/* At each look at a node on a stack: is the frame still there? */
#define touch(i)	assert(n_state[i] != DEAD)
#define same_frame(i)	assert(n_state[i] != DEAD && n_frame[i] == frame)

/* table.c: pvfault_wake(), its bucket locked. */
inline pvfault_wake(i)
{
	d_step { touch(i); frame = n_frame[i] }
#if defined(MUT_WAKE_STORE_FIRST)
	n_state[i] = WOKEN;
	d_step { same_frame(i); n_listed[i] = 0 }
	d_step { assert(!freed[i]); running[i] = 1 }
#elif defined(MUT_WAKE_THEN_STORE)
	d_step { same_frame(i); n_listed[i] = 0 }
	d_step { assert(!freed[i]); running[i] = 1 }
	d_step { same_frame(i); n_state[i] = WOKEN }
#elif defined(MUT_WAKE_TASK_AFTER)
	d_step { same_frame(i); n_listed[i] = 0 }
	n_state[i] = WOKEN;
	d_step { same_frame(i); running[i] = 1 }
#elif defined(MUT_WAKE_NOT_UNLINKED)
	n_state[i] = WOKEN;
	d_step { assert(!freed[i]); running[i] = 1 }
#else
	d_step { same_frame(i); n_listed[i] = 0 }
	n_state[i] = WOKEN;		/* the last touch */
	d_step { assert(!freed[i]); running[i] = 1 }
#endif
	frame = 0
}

/* marks.c: pvfault_mark_erase(), within a step */
#ifdef MUT_ERASE_LEAKS
#define pvfault_mark_erase(k)	m_listed[k] = 0; m_state[k] = DEAD
#else
#define pvfault_mark_erase(k)	m_listed[k] = 0; m_state[k] = DEAD; m_busy[k] = 0
#endif

#ifdef MUT_SETTLE_ANY_GENERATION
#define outdated(k)	false
#else
#define outdated(k)	(m_generation[k] != generation)
#endif
#ifdef MUT_SETTLE_OUTDATED_EARLY
#define early_outdated(k)	false
#else
#define early_outdated(k)	(m_generation[k] != generation)
#endif

/* table.c: pvfault_mark_add(), within a step */
#define pvfault_mark_add(s, g)						\
	assert(m_busy[k] && !m_listed[k]);				\
	m_state[k] = s; m_generation[k] = g; m_listed[k] = 1

/* table.c: pvfault_newer() */
#ifdef MUT_FORGET_TAKES_NEWER
#define forget_newer(k, g)	false
#else
#define forget_newer(k, g)	(m_generation[k] > g)
#endif
#ifdef MUT_QUEUE_TAKES_NEWER
#define queue_newer(k, g)	false
#else
#define queue_newer(k, g)	(m_generation[k] > g)
#endif

/* Is task i asleep on token t? */
#define on_list(i, t)	(n_listed[i] && n_token[i] == t)
/* ... and not the scan's to wake, because of READY for all? */
#ifdef MUT_SETTLE_OUTDATED_SLEEPER
#define is_meant(i, t)	on_list(i, t)
#else
#define is_meant(i, t)	(on_list(i, t) && n_generation[i] == generation)
#endif

/*
 * table.c: pvfault_settle(), with the lock around it. Adds mark k as EARLY
 * under the same lock if no node has the token and there is a mark.
 */
inline pvfault_settle(t, have_mark)
{
	atomic {
		!lock[t];
		x = 0;
		do
		:: x < POOLS ->
			if
			:: m_listed[x] && m_token[x] == t && m_state[x] == ABANDONED ->
				known = known || !outdated(x);
				pvfault_mark_erase(x)
			:: m_listed[x] && m_token[x] == t && m_state[x] == EARLY &&
			   early_outdated(x) ->
				pvfault_mark_erase(x)
			:: m_listed[x] && m_token[x] == t && m_state[x] == EARLY &&
			   !early_outdated(x) ->
				known = 1
			:: else
			fi;
			x++
		:: else -> break
		od;
		x = 0;
		do
		:: x < TASKS ->
			waking = waking || is_meant(x, t);
			x++
		:: else -> break
		od;
		x = 0;
		if
		:: waking -> known = 1; lock[t] = 1
		:: !waking && !known && have_mark -> pvfault_mark_add(EARLY, generation)
		:: else
		fi
	}
	if
	:: waking ->
		do
		:: n < TASKS && is_meant(n, t) ->
			touch(n);
			pvfault_wake(n);
			n++
		:: n < TASKS && !is_meant(n, t) -> n++
		:: n == TASKS -> break
		od;
		atomic { n = 0; waking = 0; lock[t] = 0 }
	:: else
	fi
}

/* marks.c: pvfault_mark_get() with pvfault_mark_evict(), on CPU c, result in k. */
inline pvfault_mark_get(c, t)
{
	rounds = 0;
	do
	:: atomic { !m_busy[c * MARKS] -> k = c * MARKS; m_busy[k] = 1 };
		break
#if MARKS > 1
	:: atomic { m_busy[c * MARKS] && !m_busy[c * MARKS + 1] ->
			k = c * MARKS + 1; m_busy[k] = 1 };
		break
	:: atomic { m_busy[c * MARKS] && m_busy[c * MARKS + 1] ->
			k = c * MARKS + 1 - m_last[c] };
#else
	:: atomic { m_busy[c] -> k = c };
#endif
#ifdef MUT_EVICT_UNLOCKED
		mine = m_listed[k];
		m_listed[k] = 0;
		m_state[k] = DEAD;
#else
		atomic { !lock[m_token[k]] ->
			mine = m_listed[k];
#ifndef MUT_EVICT_STAYS_LISTED
			m_listed[k] = 0;
			m_state[k] = DEAD
#endif
		}
#endif
#ifdef MUT_EVICT_GIVEN_BACK
		mine = 1;
#endif
		if
		:: mine -> mine = 0; break
		:: else -> rounds++; assert(rounds < 2)
		fi
	od;
	atomic {
		rounds = 0;
		assert(m_busy[k] && !m_listed[k]);
		m_token[k] = t;
#if MARKS > 1
		m_last[c] = k - c * MARKS;
#endif
	}
}

#define pvfault_mark_put()	d_step { assert(!m_listed[k]); m_busy[k] = 0 }

/* table.c: pvfault_ready(), CPU c has interrupts off. */
inline pvfault_ready(c, t)
{
	pvfault_settle(t, 0);
#ifndef MUT_READY_FORGETS
	if
	:: known
	:: else ->
		pvfault_mark_get(c, t);
#ifdef MUT_READY_LOOKS_ONCE
		atomic { !lock[t]; pvfault_mark_add(EARLY, generation) }
#else
		pvfault_settle(t, 1);
#endif
#ifndef MUT_READY_LEAKS
		if
		:: known -> pvfault_mark_put()
		:: else
		fi
#endif
	fi;
#endif
	d_step { known = 0; k = 0 }
}

/*
 * table.c: pvfault_unremember(), with the lock around it. Adds mark k as
 * ABANDONED under the same lock if the token isn't remembered and there is one.
 */
inline pvfault_unremember(c, t, have_mark)
{
	atomic {
		!lock[t];
		x = 0;
		do
		:: x < POOLS ->
			if
			:: m_listed[x] && m_token[x] == t && !forget_newer(x, n_generation[c]) ->
				known = 1;
#ifndef MUT_FORGET_KEEPS_EARLY
				if
				:: m_state[x] == EARLY -> pvfault_mark_erase(x)
				:: else
				fi
#endif
			:: else
			fi;
			x++
		:: else -> break
		od;
		x = 0;
		if
		#ifdef MUT_FORGET_GENERATION_NOW
		:: !known && have_mark -> pvfault_mark_add(ABANDONED, generation)
#else
		:: !known && have_mark -> pvfault_mark_add(ABANDONED, n_generation[c])
#endif
		:: else
		fi
	}
}

/* table.c: pvfault_table_forget() of task c on its CPU, interrupts off. */
inline pvfault_table_forget(c, t)
{
	pvfault_unremember(c, t, 0);
	if
	:: known
	:: else ->
		pvfault_mark_get(c, t);
#ifdef MUT_FORGET_LOOKS_ONCE
		atomic { !lock[t]; pvfault_mark_add(ABANDONED, n_generation[c]) }
#else
		pvfault_unremember(c, t, 1);
#endif
		if
		:: known -> pvfault_mark_put()
		:: else
		fi
	fi;
	d_step { known = 0; k = 0 }
}

/* table.c: pvfault_queue(), interrupts off. */
inline pvfault_queue(i, t)
{
#ifdef MUT_QUEUE_NO_BARRIER
	late = n_generation[i] != generation;
#endif
	atomic {
		!lock[t];
		lock[t] = 1;
		early = 0;
		x = 0;
		do
		:: x < POOLS ->
			if
			:: m_listed[x] && m_token[x] == t && !queue_newer(x, n_generation[i]) ->
#ifndef MUT_QUEUE_IGNORES_EARLY
				early = early || m_state[x] == EARLY;
#endif
				pvfault_mark_erase(x)
			:: else
			fi;
			x++
		:: else -> break
		od;
		x = 0;
		n_listed[i] = !early
	}
	atomic {
#if defined(MUT_QUEUE_NO_BARRIER)
		if
		:: !early && late -> n_listed[i] = 0; early = 1
		:: else
		fi;
		late = 0;
#elif !defined(MUT_QUEUE_NO_GENERATION)
		if
		:: !early && n_generation[i] != generation -> n_listed[i] = 0; early = 1
		:: else
		fi;
#endif
		lock[t] = 0
	}
}

/* table.c: pvfault_leave() */
inline pvfault_leave(i, t)
{
	atomic {
		!irqs_off[i] && !lock[t];
#ifdef MUT_LEAVE_THOUGH_WOKEN
		left = 1;
#else
		left = n_state[i] == SLEEPING;
#endif
		if
		:: left ->
#ifndef MUT_LEAVE_STAYS_LISTED
			n_listed[i] = 0;
#endif
			n_state[i] = LEFT
		:: else
		fi
	}
#ifndef MUT_LEAVE_NO_MARK
	if
	:: left ->
		irq_off(i);
		pvfault_table_forget(i, t);
		irq_on(i)
	:: else
	fi
#endif
}

/* watch.c: pvfault_watch_arm() */
inline pvfault_watch_arm()
{
#ifndef MUT_ARM_NEVER
	if
	:: timer == IDLE -> d_step { if :: timer == IDLE -> timer = PERIOD :: else fi }
	:: else
	fi
#else
	skip
#endif
}

/* table.c: pvfault_sleep() */
inline pvfault_sleep(i, t)
{
	do
	::
		if
		:: n_state[i] != SLEEPING -> break
		:: else
		fi;
#ifdef MUT_STATE_LATE
		running[i] = 0;
#endif
		/* pvfault_gives_up() */
		if
		:: fatal[i] ->
			pvfault_leave(i, t);
			if
			:: left -> break
			:: else
			fi
#ifndef MUT_SLEEP_NO_DEADLINE
		:: expired[i] && !fatal[i] ->
			pvfault_leave(i, t);
			if
			:: left -> break
			:: else
			fi
#endif
		:: else
		fi;
#ifdef MUT_ARM_BEFORE_STATE
		running[i] = 1;
		pvfault_watch_arm();
		running[i] = 0;
#else
		pvfault_watch_arm();
#endif
		/* io_schedule() */
		atomic { running[i] || fatal[i] -> running[i] = 1 }
#ifndef MUT_STATE_LATE
		; running[i] = 0
#endif
	od;
	atomic { running[i] = 1; fatal[i] = 0; left = 0 }
}

/* The host: may it use token t again? */
#define host_may_reuse(t)						\
	if								\
	:: told_over[t] && ready_over[t] ->				\
		in_use[t] = 0; told_over[t] = 0; ready_over[t] = 0	\
	:: else								\
	fi

/* The host begins to fetch a page: READY may come from now on. */
#define host_begins(T)							\
	registered && !silent && !in_use[T] ->					\
		t = T; in_use[T] = IN_USE; owed[T] = IN_USE; begun[i] = 1

#ifdef HOSTILE
#define IN_USE		0
#else
#define IN_USE		1
#endif

/*
 * The faults of a task: entry.c, and pvfault_table_sleep() of table.c. When
 * it is told it has interrupts off, and reads the generation at once.
 */
proctype task(byte i)
{
	byte wait, t, k, my_era, rounds;
	bit early, left, known, mine, late;

	do
	:: wait < (i == 0 -> WAITS : 1) ->
		wait++;
		atomic {
			if
			:: host_begins(0)
#if TOKENS > 1
			:: host_begins(1)
#endif
			:: !registered && !silent
			fi;
			my_era = era
		}
		/* NOT_PRESENT, unless the host has forgotten the token meanwhile. */
		atomic {
			!irqs_off[i];
			if
			:: begun[i] && my_era == era ->
				begun[i] = 0;
				irqs_off[i] = 1;
				n_token[i] = t;
				n_state[i] = SLEEPING;
				n_frame[i] = !n_frame[i];
#ifdef DOOMED
				fatal[0] = 1;
#endif
#ifdef SAME_CPU
				told_cpu[t] = i + 1;
#endif
#ifndef MUT_GENERATION_LATE
				n_generation[i] = generation;
#endif
#ifdef REUSE
				told_over[t] = IN_USE;
				host_may_reuse(t)
#endif
			:: else
			fi
		}
		if
		:: n_state[i] == SLEEPING ->
#ifdef MUT_GENERATION_LATE
			n_generation[i] = generation;
#endif
			if
			:: atomic { refusals > 0 -> refusals-- };
				n_state[i] = LEFT;
				pvfault_table_forget(i, t);
				irq_on(i)
			:: true ->
#ifndef MUT_STATE_LATE
				running[i] = 0;
#endif
				pvfault_queue(i, t);
				irq_on(i);
				if
				:: !early -> pvfault_sleep(i, t)
				:: else -> running[i] = 1
				fi
			fi;
			d_step {
				assert(!n_listed[i]);
				n_state[i] = DEAD;
				expired[i] = 0;
				early = 0;
#ifndef REUSE
				if
				:: my_era == era ->
					told_over[t] = IN_USE;
					host_may_reuse(t)
				:: else
				fi
#endif
			}
		:: else
		fi;
		d_step { t = 0; my_era = 0 }
	:: else -> break
	od;
	/* The task exits, and is freed after a grace period. */
	!irqs_off[0];
	!irqs_off[1];
	d_step { freed[i] = 1; ended++ }
}

/* READYs on CPU c. */
proctype ready(byte c)
{
	byte t, k, n, rounds, my_era;
	bit known, mine, frame, honest, waking;

end:	do
	:: atomic {
			if
			:: !irqs_off[c] && may_come(0, c) -> t = 0; honest = 1
#if TOKENS > 1
			:: !irqs_off[c] && may_come(1, c) -> t = 1; honest = 1
			:: !irqs_off[c] && dups -> dups--; t = 1
#endif
			:: !irqs_off[c] && dups -> dups--; t = 0
			fi;
			irqs_off[c] = 1;
			if
			:: honest ->
				owed[t] = 0;
#ifdef SAME_CPU
				told_cpu[t] = 0;
#endif
				my_era = era;
#ifdef REUSE
				ready_over[t] = 1;
				host_may_reuse(t)
#endif
			:: else
			fi
		}
		if
		:: pvfault_ready(c, t)
		:: atomic { losses > 0 -> losses-- }
		fi;
		irq_on(c);
		d_step {
#ifndef REUSE
			if
			:: honest && my_era == era ->
				ready_over[t] = 1;
				host_may_reuse(t)
			:: else
			fi;
#endif
			t = 0; honest = 0; my_era = 0
		}
	od
}

/* scan.c: pvfault_scan_one(), the bucket locked. */
inline pvfault_scan_one(i)
{
	touch(i);
	found = 1;
	seen++;
	if
#ifndef MUT_SCAN_NO_GENERATION
	:: n_generation[i] != generation -> pvfault_wake(i)
#endif
#ifndef MUT_SCAN_NO_DEADLINE
	:: n_generation[i] == generation && expired[i] ->
		d_step { assert(!freed[i]); running[i] = 1 }
#endif
	:: else
	fi
}

/* Nothing on the list of a bucket? */
inline hlist_empty(b)
{
	d_step {
		nobody = 1;
		x = 0;
		do
		:: x < TASKS -> nobody = nobody && !on_list(x, b); x++
		:: else -> break
		od;
		x = 0;
		do
		:: x < POOLS -> nobody = nobody && !(m_listed[x] && m_token[x] == b); x++
		:: else -> break
		od;
		x = 0
	}
}

/* scan.c: pvfault_table_scan() */
inline pvfault_table_scan()
{
	seen = 0;
	do
	:: bucket < TOKENS ->
		hlist_empty(bucket);
		if
		:: nobody
		:: !nobody && seen >= BUDGET -> break
		:: !nobody && seen < BUDGET ->
			atomic { !irqs_off[0] && !lock[bucket]; irqs_off[0] = 1; lock[bucket] = 1 };
			do
			:: n < TASKS && on_list(n, bucket) ->
				pvfault_scan_one(n);
				n++
			:: n < TASKS && !on_list(n, bucket) -> n++
			:: n == TASKS -> break
			od;
			atomic { n = 0; lock[bucket] = 0 };
			irq_on(0)
		fi;
		bucket++
	:: else -> break
	od;
	if
	:: bucket == TOKENS -> bucket = 0; complete = 1
	:: else -> complete = 0
	fi
}

/* Nothing else can happen: each task whose deadline has passed must have left. */
inline nobody_late()
{
	x = 0;
	do
	:: x < TASKS -> assert(!expired[x] || !n_listed[x]); x++
	:: else -> break
	od
}

#define timer_reduce(when) if :: timer < when -> timer = when :: else fi

/* watch.c: pvfault_watch_timer(), in softirq */
proctype watch()
{
	byte bucket, n, seen;
	bit found, nobody, complete, frame;

end:	do
	:: atomic {
			if
			:: timer == NOW
#ifdef DEADLINE
			/* Nothing else can happen, or other steps go on for longer than the deadline. */
			:: timer == PERIOD && timeout -> complete = 1; nobody_late()
			:: timer == PERIOD && periods -> periods--; complete = 1
#endif
			fi;
			timer = IDLE;
			x = 0;
			do
			:: x < TASKS -> expired[x] = expired[x] || (complete && n_state[x] == SLEEPING); x++
			:: else -> break
			od;
			x = 0;
			if
			:: bucket == 0 -> found = 0; kicked = 0
			:: else
			fi
		}
		pvfault_table_scan();
		if
#ifdef MUT_KICK_UNSEEN
		:: !complete ->
#else
		:: !complete || kicked ->
#endif
			timer = NOW
#ifndef MUT_TIMER_STOPS
		:: complete && !kicked && found ->
			d_step { timer_reduce(PERIOD) }
#endif
		:: else
		fi;
		d_step { seen = 0; complete = 0; nobody = 0 }
	od
}

/* watch.c: pvfault_watch_kick() */
inline pvfault_watch_kick()
{
#ifndef MUT_ALL_NO_KICK
	kicked = 1;
	timer = NOW
#else
	skip
#endif
}

/* table.c: pvfault_ready_all() */
inline pvfault_ready_all()
{
#if defined(MUT_ALL_KICKS_FIRST)
	pvfault_watch_kick();
	generation++
#elif defined(MUT_ALL_NOT_COUNTED)
	pvfault_watch_kick()
#else
	generation++;
	pvfault_watch_kick()
#endif
}

/* The host forgets all its tokens, also those it hasn't sent NOT_PRESENT for yet. */
inline host_forgets()
{
	d_step {
		era++;
		x = 0;
		do
		:: x < TOKENS ->
			owed[x] = 0;
#ifdef SAME_CPU
			told_cpu[x] = 0;
#endif
			in_use[x] = 0;
			told_over[x] = 0;
			ready_over[x] = 0;
			x++
		:: else -> break
		od;
		x = 0;
		do
		:: x < TASKS -> begun[x] = 0; x++
		:: else -> break
		od;
		x = 0
	}
}

/* core.c: pvfault_unregister(): notifications are disabled; then wake all. */
inline pvfault_unregister()
{
#ifdef MUT_UNREGISTER_WAKES_FIRST
	pvfault_ready_all();
	registered = 0;
	host_forgets()
#else
	registered = 0;
	host_forgets();
	pvfault_ready_all()
#endif
}

/* READY for all, for the reasons that this configuration has. */
proctype core()
{
	byte forgets = FORGETS, alls = ALLS;

	do
	:: atomic { forgets > 0;
			forgets--; silent = 1; host_forgets() };
		pvfault_ready_all();
		silent = 0
	:: alls > 0 -> alls--; pvfault_ready_all()
	:: forgets + alls == 0 -> break
	od;
#if UNREGISTER
	pvfault_unregister()
#endif
}

/* Fatal signals, and wake-ups for no reason. */
proctype imp()
{
	byte i;

	do
	:: kills > 0 ->
		kills--;
		select (i : 0 .. TASKS - 1);
		atomic {
			if
			:: n_state[i] != DEAD -> fatal[i] = 1; running[i] = 1
			:: else
			fi
		}
	:: nudges > 0 ->
		nudges--;
		select (i : 0 .. TASKS - 1);
		running[i] = 1
	:: kills + nudges == 0 -> break
	od
}

init
{
	byte i;

	atomic {
		do
		:: i < TASKS -> run task(i); i++
		:: else -> break
		od;
#if READY_CPUS > 0
		run ready(0);
#endif
#if READY_CPUS > 1
		run ready(1);
#endif
		run watch();
		run core();
		run imp();
		i = 0
	}
#ifdef EXACT
	/* Each READY has met its NOT_PRESENT: nothing is left behind. */
	atomic {
		ended == TASKS && !irqs_off[0] && !irqs_off[1] && !owed[0] && !owed[TOKENS - 1];
		i = 0;
		do
		:: i < POOLS -> assert(!m_busy[i]); i++
		:: else -> break
		od
	}
#endif
}
