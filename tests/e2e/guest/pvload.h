/* SPDX-License-Identifier: GPL-2.0 */
/* What happens to a guest (life.c, kill.c) while its memory is walked (pvload.c). */
#ifndef PVLOAD_H
#define PVLOAD_H

#include <stdbool.h>
#include <sys/types.h>

#define PVFAULT_DIR	"/sys/kernel/pvfault"

/* Start a child that ends when @fn returns. */
void start(void (*fn)(void));

/* The same, if the parameter @name is given and not 0. */
void start_if(const char *name, void (*fn)(void));

/* As start(), but memory is walked until @fn has returned, load.secs or longer. */
void start_awaited(void (*fn)(void));

/* Is memory being walked? The first waits for it. */
void await_walk(void);
void pause_walk(bool yes);
bool walking(void);

/* LOCK_EX: the machine isn't suspended until LOCK_UN. */
void suspend_lock(int how);

/* Give this task (0: the caller) a high priority, so that it waits for no CPU. */
void hurry(pid_t pid);

/* Keep the caller on this CPU. */
void pin(int cpu);

/* Everything that load.* asks for. */
void life_start(void);
void life_second(void);
void kill_start(void);

/* The sampler of locks.c, if it is wanted. */
void locks_start(void);

/* See company.c. */
void company_start(void);
void touch_untouched(unsigned int mb, const char *tty);

/* See withdraw.c. */
void withdraw_start(void);

/* See backends.c. */
void backends_start(void);

/* See hole.c. */
void hole_start(void);

/* See seen.c. */
void seen_start(void);

/* See trace.c; the caller is a task of that name. */
void trace_start(void);
void trace_task(const char *name, unsigned int id);

/* Report slab and available memory, in KiB, and faults of huge pages, under @when. */
void report_memory(const char *when);

/* Report what an instrumented kernel has counted; see instrumented.c. */
void instrumented_report(void);

#endif
