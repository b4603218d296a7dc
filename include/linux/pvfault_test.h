/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The conformance kit: KUnit cases that show whether a backend keeps the contract
 * of linux/pvfault.h. They are the same for every backend. What differs is its
 * hypervisor, and that is played by a struct pvfault_test_host, which the backend's
 * test provides:
 *
 *	PVFAULT_CONFORMANCE(acme, &acme_test_host);
 *
 * Notifications are real: the #PF goes through the exception's entry, in user mode
 * and in kernel mode, with the error code and the CR2 that the host gives it.
 *
 * See Documentation/virt/pvfault/backends.rst.
 */
#ifndef _LINUX_PVFAULT_TEST_H
#define _LINUX_PVFAULT_TEST_H

#include <kunit/test.h>

#include <linux/prandom.h>
#include <linux/pvfault.h>
#include <linux/types.h>

/**
 * struct pvfault_test_fault - a #PF, as a host injects it
 * @user: does it come in user mode? Set by the kit, for the host
 * @error_code: as the exception pushes it
 * @address: what CR2 holds
 */
struct pvfault_test_fault {
	bool user;
	unsigned long error_code;
	unsigned long address;
};

/**
 * enum pvfault_test_lost - what a host loses of a READY
 * @PVFAULT_TEST_KEPT: nothing
 * @PVFAULT_TEST_NO_INTERRUPT: the interrupt; the rest lies where the backend finds it
 * @PVFAULT_TEST_NO_READY: all of it; the host believes that it has been delivered
 */
enum pvfault_test_lost {
	PVFAULT_TEST_KEPT,
	PVFAULT_TEST_NO_INTERRUPT,
	PVFAULT_TEST_NO_READY,
};

/**
 * struct pvfault_test_host - a hypervisor, played for the conformance kit
 * @backend: the one to be tested; the kit registers it
 * @user_only: it doesn't notify in kernel mode
 * @not_in_nmi: it doesn't notify in an NMI, where the backend couldn't tell
 * @start: Take the real hypervisor's place, with nothing outstanding and no mistake
 *	counted. Before each case, before the backend is registered. Return: false if it
 *	can't be played here; then the case is skipped.
 * @stop: Undo of @start, after the backend has been unregistered.
 * @enabled: May the host notify this CPU? Context: any.
 * @mistakes: How many things has the backend done since @start that no host expects:
 *	a hypercall that makes no sense, a call on a wrong CPU, a slot not emptied?
 * @token: The host's token number @n, below @nr_tokens, for this CPU. All differ, on
 *	whatever CPU.
 * @nr_tokens: how many there are for each CPU, %PVFAULT_MAX_OUTSTANDING at least
 * @not_present: Fill what the host shares with this CPU, and @fault, for the #PF that
 *	is injected next. Context: on the CPU that is notified, interrupts off, or NMI.
 * @ready: Say READY of these to @cpu and see to it that they arrive, in this order,
 *	however few the host can say at once; or lose them, each in the same way. With
 *	@n 0, an interrupt for nothing. Context: process context, may sleep.
 * @ready_fault: As @not_present, for a READY. Optional: READY doesn't come as a #PF.
 * @ready_all: Say READY for all. Optional. Context: process context, may sleep.
 * @fail_online: From now on refuse to notify this CPU, in the way in
 *	which the host may refuse that; -1: to none. Optional.
 * @kernel_mode: Has the guest asked for notifications in kernel mode on this CPU? For a
 *	backend that has &pvfault_backend.mode_changed; optional. Context: any.
 * @lie: Write something, drawn from @dice, into what the host shares with this CPU, or
 *	choose what its next hypercalls return; anything that would do no harm to a guest
 *	which trusts nobody. A lie may last, but no longer than until no CPU is enabled:
 *	then the host also forgets each READY that the guest hasn't taken. Return: true if
 *	@fault is to be injected, too. Optional. Context: as @not_present, so a lock may be
 *	held by what was interrupted.
 */
struct pvfault_test_host {
	const struct pvfault_backend *backend;
	bool user_only;
	bool not_in_nmi;
	bool (*start)(void);
	void (*stop)(void);
	bool (*enabled)(unsigned int cpu);
	unsigned int (*mistakes)(void);
	pvfault_token_t (*token)(unsigned int cpu, unsigned int n);
	unsigned int nr_tokens;
	void (*not_present)(pvfault_token_t token, struct pvfault_test_fault *fault);
	void (*ready)(unsigned int cpu, const pvfault_token_t *tokens, unsigned int n,
		      enum pvfault_test_lost lost);
	void (*ready_fault)(pvfault_token_t token, struct pvfault_test_fault *fault);
	void (*ready_all)(void);
	void (*fail_online)(int cpu);
	bool (*kernel_mode)(unsigned int cpu);
	bool (*lie)(struct rnd_state *dice, struct pvfault_test_fault *fault);
};

long pvfault_test_inject(const struct pvfault_test_fault *fault, unsigned long flags,
			 const void *from);
unsigned long pvfault_test_count(const char *name);
unsigned int pvfault_test_outstanding(void);
int pvfault_test_set_deadline_ms(unsigned long ms);

int pvfault_kit_init(struct kunit *test, const struct pvfault_test_host *host);

/* Each case: its name, and whether it waits for seconds. */
#define PVFAULT_KIT_CASES(X, SLOW)					\
	/* the recogniser */						\
	X(genuine)	/* claims nothing that is its own */		\
	X(tokens)	/* passes on all bits of a token */		\
	X(pending)	/* an NMI's fault comes between */		\
	/* READY */							\
	X(wake)		/* of a task in user mode, on each CPU */	\
	X(wake_kernel)	/* of a task in kernel mode */			\
	X(early)	/* before its NOT_PRESENT */			\
	X(twice)							\
	X(burst)	/* as many as may be outstanding */		\
	X(burst_early)							\
	X(again)	/* all tokens, three times */			\
	X(ready_all)							\
	X(ready_fault)	/* as a #PF */					\
	X(ready_fault_late) /* where interrupts are off */		\
	/* what is lost */						\
	SLOW(lost_interrupt)						\
	SLOW(lost_ready)						\
	/* where no task may sleep */					\
	X(rejected)							\
	/* life */							\
	X(kill)								\
	X(offline)							\
	X(suspend)							\
	X(kexec)							\
	X(crash)							\
	X(online_fails)							\
	X(mode)		/* what the host is asked for follows it */	\
	X(unregister)	/* under load */				\
	SLOW(liar)	/* a host that says anything */

/* One declaration of all of them. */
#define PVFAULT_KIT_DECLARE(name)	pvfault_kit_##name(struct kunit *test),
void PVFAULT_KIT_CASES(PVFAULT_KIT_DECLARE, PVFAULT_KIT_DECLARE)
	pvfault_kit_exit(struct kunit *test);

#define PVFAULT_KIT_CASE(name)	KUNIT_CASE(pvfault_kit_##name),
#define PVFAULT_KIT_SLOW(name)	KUNIT_CASE_SLOW(pvfault_kit_##name),

/**
 * PVFAULT_CONFORMANCE() - the suite that shows whether a backend is right
 * @suite: its name; KUnit calls it pvfault_kit_SUITE
 * @host: the &struct pvfault_test_host that plays the backend's hypervisor
 */
#define PVFAULT_CONFORMANCE(suite, host)				\
static int suite##_kit_init(struct kunit *test)				\
{									\
	return pvfault_kit_init(test, host);				\
}									\
static struct kunit_case suite##_kit_cases[] = {			\
	PVFAULT_KIT_CASES(PVFAULT_KIT_CASE, PVFAULT_KIT_SLOW)		\
	{}								\
};									\
static struct kunit_suite suite##_kit_suite = {				\
	.name		= "pvfault_kit_" #suite,			\
	.init		= suite##_kit_init,				\
	.exit		= pvfault_kit_exit,				\
	.test_cases	= suite##_kit_cases,				\
};									\
kunit_test_suite(suite##_kit_suite)

#endif /* _LINUX_PVFAULT_TEST_H */
