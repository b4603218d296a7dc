/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of the conformance kit share. */
#ifndef PVFAULT_KIT_H
#define PVFAULT_KIT_H

#include <linux/completion.h>
#include <linux/pvfault_test.h>

#include "pvfault_test.h"

struct task_struct;

/* A task that is told NOT_PRESENT, in user mode or in kernel mode. */
struct kit_sleeper {
	unsigned int cpu;
	pvfault_token_t token;
	bool kernel;
	struct pvfault_test_fault fault;
	long err;			/* kernel mode: as pvfault_test_inject() */
	struct task_struct *task;	/* NULL: not running */
	struct completion told;
	struct completion back;		/* kernel mode */
};

/* Static, so that a task which never comes back has something to stand on. */
struct kit {
	const struct pvfault_test_host *host;
	bool started;
	bool quiet;			/* the core's, to be undone */
	bool linger;			/* tasks that go on in user mode stay there a while */
	bool mode_changed;		/* it was "kernel" */
	unsigned long code;		/* user memory: the code, then an octet each */
	struct mm_struct *mm;
	struct kit_sleeper sleepers[PVFAULT_MAX_OUTSTANDING];
	struct kit_sleeper keeper;	/* the task that keeps the user memory in use */
	unsigned int nr_sleepers;
};

extern struct kit kit;
extern unsigned long kit_seed;

/* kit_inject.c */
extern const char kit_user_code[], kit_user_code_end[];
size_t kit_user_code_size(const void **code);
void kit_inject_user(const struct pvfault_test_fault *fault, unsigned long ip,
		     unsigned long data, unsigned long spin);

/* kit.c */
struct kit_sleeper *kit_sleep(struct kunit *test, unsigned int cpu, pvfault_token_t token);
struct kit_sleeper *kit_sleep_kernel(struct kunit *test, unsigned int cpu,
				     pvfault_token_t token);
void kit_expect_back(struct kunit *test, struct kit_sleeper *s);
void kit_expect_killed(struct kunit *test, struct kit_sleeper *s);
void kit_expect_all_back(struct kunit *test);
void kit_ready(unsigned int cpu, pvfault_token_t token);
void kit_expect(struct kunit *test, const char *what, unsigned long n);
void kit_expect_works(struct kunit *test, unsigned int cpu);
void kit_expect_end(struct kunit *test);
void kit_end_quiet(void);
void kit_register(struct kunit *test);
void kit_forget(struct kunit *test);
unsigned long kit_since(const char *name);
pvfault_token_t kit_token(unsigned int cpu, unsigned int n);

#endif /* PVFAULT_KIT_H */
