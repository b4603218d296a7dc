/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Batches of arch/x86/kernel/pvfault/batch.c, for spin: tasks that wait for several
 * tokens at once. table.pml has what a single wait needs, and its head says how steps
 * here stand for the source. model.py checks this in several configurations, and with
 * each essential step broken (MUT_BATCH_*).
 *
 *	TASKS, ROUNDS	tasks; how often each of them waits for a batch
 *	TOKENS		tokens, each with its bucket; so many touches a round
 *	KILLS		tasks that get a fatal signal; they go on here, so that it is
 *			seen what they leave behind
 *	ALLS		READY for all although nothing was forgotten
 *
 * A slot is a sleeper of a batch, or a mark. A lost wake shows as an invalid end state.
 */

#ifndef TASKS
#define TASKS		2
#endif
#ifndef ROUNDS
#define ROUNDS		2
#endif
#ifndef TOKENS
#define TOKENS		2
#endif
#ifndef KILLS
#define KILLS		0
#endif
#ifndef ALLS
#define ALLS		0
#endif

/* A slot for each token, and one in hand for each task. */
#define SLOTS		(TOKENS + TASKS)

#define FREE		0
#define SLEEPING	1
#define WOKEN		2
#define EARLY		3
#define ABANDONED	4

bit lock[TOKENS];

byte s_state[SLOTS];		/* FREE: nobody has it */
bit s_listed[SLOTS];
byte s_token[SLOTS];
byte s_task[SLOTS];
byte s_frame[SLOTS];

/* A task, and the batch on its stack. */
byte pending[TASKS];
byte frame[TASKS];		/* counts the batches that it has had */
bit joined[TASKS * TOKENS];	/* the batch has this token */
bit running[TASKS] = 1;
bit fatal[TASKS];
byte ended;

/* The host */
bit in_use[TOKENS];
bit owed[TOKENS];		/* its READY is still to come */
bit told_over[TOKENS];		/* its NOT_PRESENT was handled */
bit ready_over[TOKENS];		/* its READY was handled */
byte kills = KILLS, alls = ALLS;

hidden byte x;

#define same_frame(k)	assert(s_frame[k] == frame[s_task[k]])

/* Both have been handled: the host may use the token again. */
inline token_over(t)
{
	if
	:: told_over[t] && ready_over[t] ->
		in_use[t] = 0; told_over[t] = 0; ready_over[t] = 0
	:: else
	fi
}

/* marks.c: pvfault_slot_get(), result in k. There always is one unless one leaks. */
inline slot_get()
{
	d_step {
		k = 0;
		do
		:: k < SLOTS && s_state[k] != FREE -> k++
		:: else -> break
		od;
		assert(k < SLOTS && !s_listed[k]);
		s_state[k] = WOKEN
	}
}

/* table.c: pvfault_queue(), its bucket locked and unlocked. Whether it is on its list: queued */
inline queue(t)
{
	atomic {
		!lock[t];
		queued = 1;
		x = 0;
		do
		:: x < SLOTS ->
			if
			:: s_listed[x] && s_token[x] == t && s_state[x] == EARLY ->
				s_listed[x] = 0; s_state[x] = FREE; queued = 0
			:: else
			fi;
			x++
		:: else -> break
		od;
		x = 0;
		if
		:: queued ->
			s_state[k] = SLEEPING; s_token[k] = t; s_task[k] = me;
			s_frame[k] = frame[me]; s_listed[k] = 1
		:: else
		fi
	}
}

/* pvfault_batch_add() */
inline batch_add(t)
{
	slot_get();
	pending[me]++;
	queue(t);
	if
	:: queued -> joined[me * TOKENS + t] = 1; n++
	:: else ->
#ifndef MUT_BATCH_EARLY_COUNTS
		pending[me]--;
#endif
#ifndef MUT_BATCH_EARLY_KEEPS_SLOT
		s_state[k] = FREE
#endif
	fi;
	d_step { told_over[t] = 1; token_over(t); k = 0; queued = 0 }
}

/* pvfault_batch_woken() and the wake-up, the bucket of slot k locked */
inline batch_woken(k)
{
#ifdef MUT_BATCH_WOKEN_STAYS_LISTED
	s_state[k] = WOKEN;
#else
	d_step { s_listed[k] = 0; s_state[k] = WOKEN };
#endif
	task = s_task[k];
	d_step { same_frame(k); s_state[k] = FREE };
#ifdef MUT_BATCH_COUNT_IN_TWO_STEPS
	left = pending[task];
	left--;
	pending[task] = left;
#else
	d_step { assert(pending[task] > 0); pending[task]--; left = pending[task] };
#endif
#ifdef MUT_BATCH_TOUCH_AFTER_COUNT
	same_frame(k);
#endif
	if
	:: left == 0 -> running[task] = 1
	:: else
	fi;
	d_step { task = 0; left = 0 }
}

#ifdef MUT_BATCH_LEAVE_ANY_BATCH
#define of_batch(k)	true
#else
#define of_batch(k)	(s_task[k] == me)
#endif

/* pvfault_batch_leave() for each token */
inline batch_leave()
{
	t = 0;
	do
	:: t < TOKENS && !joined[me * TOKENS + t] -> t++
	:: t < TOKENS && joined[me * TOKENS + t] ->
		atomic {
#ifndef MUT_BATCH_LEAVE_UNLOCKED
			!lock[t];
#endif
			x = 0;
			do
			:: x < SLOTS ->
				if
				:: s_listed[x] && s_token[x] == t &&
				   s_state[x] == SLEEPING && of_batch(x) ->
#ifdef MUT_BATCH_LEAVE_NO_MARK
					s_listed[x] = 0; s_state[x] = FREE
#else
					s_state[x] = ABANDONED
#endif
				:: else
				fi;
				x++
			:: else -> break
			od;
			x = 0
		};
		t++
	:: t == TOKENS -> break
	od;
	t = 0;
#ifndef MUT_BATCH_LEAVE_KEEPS_COUNT
	pending[me] = 0
#endif
}

/* pvfault_batch_wait() */
inline batch_wait()
{
	do
	:: true ->
#ifdef MUT_BATCH_STATE_LATE
		if
		:: pending[me] == 0 -> break
		:: else
		fi;
		running[me] = 0;
#else
		running[me] = 0;
		if
		:: pending[me] == 0 -> break
		:: else
		fi;
#endif
		if
		:: fatal[me] -> fatal[me] = 0; batch_leave(); break
		:: else
		fi;
		running[me]		/* io_schedule() */
	od;
	running[me] = 1
}

proctype task_runs(byte me)
{
	byte k, t, n, round;
	bit queued;

	do
	:: round < ROUNDS ->
		/* Touch pages; each one may be there. */
		t = 0;
		do
		:: t < TOKENS ->
			if
			:: atomic { !in_use[t] -> in_use[t] = 1; owed[t] = 1 };
				batch_add(t)
			:: true
			fi;
			t++
		:: t == TOKENS -> t = 0; break
		od;
		if
		:: n -> batch_wait()
		:: else
		fi;
		/* The frame goes. No sleeper may be left on it. */
		d_step {
			x = 0;
			do
			:: x < TOKENS -> joined[me * TOKENS + x] = 0; x++
			:: else -> break
			od;
			x = 0;
			do
			:: x < SLOTS ->
				assert(!(s_listed[x] && s_state[x] == SLEEPING &&
					 s_task[x] == me));
				x++
			:: else -> break
			od;
			x = 0; n = 0; frame[me]++; round++
		}
	:: round == ROUNDS -> break
	od;
	ended++
}

/* READY for one token after the other, on one CPU */
proctype ready()
{
	byte k, t, task, left;
	bit found;

end:
	do
	:: atomic { owed[0] -> owed[0] = 0; t = 0 }; goto handle
#if TOKENS > 1
	:: atomic { owed[1] -> owed[1] = 0; t = 1 }; goto handle
#endif
#if TOKENS > 2
	:: atomic { owed[2] -> owed[2] = 0; t = 2 }; goto handle
#endif
	od;

handle:
	/* A mark, should there be nothing for the token */
	atomic {
		!lock[t];
		lock[t] = 1;
		k = 0; found = 0;
		do
		:: k < SLOTS && s_listed[k] && s_token[k] == t -> found = 1; break
		:: k < SLOTS && !(s_listed[k] && s_token[k] == t) -> k++
		:: k == SLOTS -> break
		od
	};
	if
	:: found && s_state[k] == SLEEPING -> batch_woken(k)
	:: found && s_state[k] == ABANDONED -> d_step { s_listed[k] = 0; s_state[k] = FREE }
	:: found && s_state[k] == EARLY
	:: !found ->
		slot_get();
		d_step { s_state[k] = EARLY; s_token[k] = t; s_listed[k] = 1 }
	fi;
	d_step { lock[t] = 0; ready_over[t] = 1; token_over(t); k = 0; t = 0; found = 0 };
	goto end
}

/* READY for all: scan.c, bucket after bucket */
proctype ready_for_all()
{
	byte k, t, task, left;

	do
	:: t < TOKENS ->
		atomic { !lock[t] -> lock[t] = 1 };
		do
		:: k < SLOTS && s_listed[k] && s_token[k] == t && s_state[k] == SLEEPING ->
			batch_woken(k); k++
		:: k < SLOTS && !(s_listed[k] && s_token[k] == t && s_state[k] == SLEEPING) -> k++
		:: k == SLOTS -> break
		od;
		atomic { k = 0; lock[t] = 0; t++ }
	:: t == TOKENS -> break
	od
}

proctype troubles()
{
end:
	do
	:: atomic { kills && !fatal[0] -> kills--; fatal[0] = 1; running[0] = 1 }
	:: atomic { alls -> alls-- }; run ready_for_all()
	od
}

/* When all is over no slot is left in use, unless READYs were too many. */
proctype over()
{
	byte t;

	ended == TASKS;
	do
	:: t < TOKENS && !in_use[t] -> t++
	:: t == TOKENS -> break
	od;
	skip;
#if ALLS == 0
	d_step {
		x = 0;
		do
		:: x < SLOTS -> assert(s_state[x] == FREE && !s_listed[x]); x++
		:: else -> break
		od;
		x = 0
	}
#endif
}

init {
	byte i;

	atomic {
		do
		:: i < TASKS -> run task_runs(i); i++
		:: else -> break
		od;
		run ready();
		run ready();
		run troubles();
		run over()
	}
}
