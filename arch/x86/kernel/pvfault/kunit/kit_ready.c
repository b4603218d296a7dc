// SPDX-License-Identifier: GPL-2.0
/* The conformance kit's cases: the recogniser, READY, and what is lost of it. */

#include <linux/hardirq.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/smp.h>

#include <asm/processor-flags.h>
#include <asm/ptrace.h>
#include <asm/sections.h>
#include <asm/segment.h>
#include <asm/trap_pf.h>

#include "kit.h"

#define ALL	PVFAULT_MAX_OUTSTANDING

static enum pvfault_kind recognise(bool user, unsigned long error_code, unsigned long address,
				   pvfault_token_t *token)
{
	struct pt_regs regs = {
		.cs = user ? __USER_CS : __KERNEL_CS,
		.ss = user ? __USER_DS : __KERNEL_DS,
		.flags = X86_EFLAGS_IF | X86_EFLAGS_FIXED,
		.ip = user ? kit.code : (unsigned long)recognise,
		.sp = user ? kit.code : (unsigned long)&regs,
	};

	return kit.host->backend->recognise(&regs, error_code, address, token);
}

/*
 * What genuine faults look like. All have a canonical address. In user mode the user
 * bit is set, but for the processor's own accesses to the kernel's tables; in kernel
 * mode it isn't.
 */
#define SHADOW_STACK	BIT(6)
#define RMP		BIT(31)		/* on hosts of SEV-SNP */

static const unsigned long code_bits[] = {
	X86_PF_PROT, X86_PF_WRITE, X86_PF_RSVD, X86_PF_INSTR, X86_PF_PK, SHADOW_STACK,
	X86_PF_SGX, RMP,
};

#define NR_CODES	BIT(ARRAY_SIZE(code_bits))

static unsigned long code_of(unsigned int n)
{
	unsigned long code = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(code_bits); i++) {
		if (n & BIT(i))
			code |= code_bits[i];
	}
	return code;
}

/* An entry that isn't present has nothing that is checked; a fetch is a read of code. */
static bool is_pushed(unsigned long code)
{
	const unsigned long of_present = X86_PF_RSVD | X86_PF_PK | X86_PF_SGX | RMP;

	if (code & of_present && !(code & X86_PF_PROT))
		return false;
	return !(code & X86_PF_INSTR && code & (X86_PF_WRITE | X86_PF_PK | SHADOW_STACK));
}

static const unsigned long user_addresses[] = {
	0, 1, PAGE_SIZE, U32_MAX, 1UL << 32, 0x7fffffffe000, 0xffffffffff600000,
};

static const unsigned long kernel_addresses[] = {
	0xffff800000000000, 0xffff888000000000, 0xffffffff81000000, ~0UL,
};

static bool is_claimed(bool user, unsigned long code, unsigned long address)
{
	pvfault_token_t token;

	return recognise(user, code, address, &token) != PVFAULT_GENUINE;
}

/* On this CPU. Return: how many genuine faults were claimed. */
static unsigned int claimed(void)
{
	unsigned int i, j, n = 0;

	for (i = 0; i < NR_CODES; i++) {
		unsigned long code = code_of(i);

		if (!is_pushed(code))
			continue;
		for (j = 0; j < ARRAY_SIZE(user_addresses); j++) {
			n += is_claimed(true, code | X86_PF_USER, user_addresses[j]);
			n += is_claimed(false, code, user_addresses[j]);
		}
		for (j = 0; j < ARRAY_SIZE(kernel_addresses); j++) {
			n += is_claimed(false, code, kernel_addresses[j]);
			/* Descriptor tables, on behalf of user mode. */
			n += is_claimed(true, code, kernel_addresses[j]);
		}
	}
	return n;
}

static void genuine_on(void *n)
{
	unsigned long flags;

	local_irq_save(flags);
	*(unsigned int *)n += claimed();
	local_irq_restore(flags);
}

static void expect_nothing_claimed(struct kunit *test)
{
	unsigned int n = 0;

	on_each_cpu(genuine_on, &n, true);
	KUNIT_EXPECT_EQ_MSG(test, n, 0, "genuine faults were claimed");
}

/* Of a recogniser that isn't noinstr, objtool looks at nothing. */
static void expect_noinstr(struct kunit *test)
{
	unsigned long at = (unsigned long)kit.host->backend->recognise;

	KUNIT_EXPECT_TRUE_MSG(test, at >= (unsigned long)__noinstr_text_start &&
			      at < (unsigned long)__noinstr_text_end,
			      "%ps isn't noinstr", (void *)at);
}

void pvfault_kit_genuine(struct kunit *test)
{
	unsigned int cpu;

	expect_noinstr(test);
	expect_nothing_claimed(test);
	/* And when notifications have come and gone. */
	for_each_online_cpu(cpu)
		kit_expect_works(test, cpu);
	expect_nothing_claimed(test);
	kit_expect_end(test);
}

/* One NOT_PRESENT, as the recogniser sees it, and what becomes of its token. */
struct told {
	pvfault_token_t token;
	bool nmi;			/* whose own faults come between */
	unsigned int claimed;		/* of these */
	enum pvfault_kind kind;
	pvfault_token_t got;
};

static void told_on(void *arg)
{
	struct pvfault_test_fault fault = { .user = true };
	struct told *t = arg;
	unsigned long flags;

	local_irq_save(flags);
	kit.host->not_present(t->token, &fault);
	if (t->nmi) {
		nmi_enter();
		t->claimed = claimed();
		nmi_exit();
	}
	t->kind = recognise(true, fault.error_code, fault.address, &t->got);
	local_irq_restore(flags);
}

static void tell_all_tokens(struct kunit *test, bool nmi)
{
	unsigned int cpu, i;

	for_each_online_cpu(cpu) {
		for (i = 0; i < kit.host->nr_tokens; i++) {
			struct told t = { .token = kit_token(cpu, i), .nmi = nmi };

			KUNIT_ASSERT_EQ(test, 0, smp_call_function_single(cpu, told_on, &t, 1));
			KUNIT_EXPECT_EQ_MSG(test, t.claimed, 0, "of an NMI's own faults");
			KUNIT_ASSERT_EQ(test, t.kind, PVFAULT_NOT_PRESENT);
			KUNIT_ASSERT_EQ(test, t.got, t.token);
		}
	}
	kit_expect_end(test);
}

void pvfault_kit_tokens(struct kunit *test)
{
	tell_all_tokens(test, false);
}

void pvfault_kit_pending(struct kunit *test)
{
	tell_all_tokens(test, true);
}

void pvfault_kit_wake(struct kunit *test)
{
	unsigned int cpu;

	for_each_online_cpu(cpu)
		kit_expect_works(test, cpu);
	kit_expect(test, "early", 0);
	kit_expect_end(test);
}

void pvfault_kit_wake_kernel(struct kunit *test)
{
	unsigned int cpu, n = 0;

	if (!pvfault_kernel_mode() || kit.host->user_only)
		kunit_skip(test, "kernel mode is off");
	for_each_online_cpu(cpu) {
		pvfault_token_t token = kit_token(cpu, 1);

		kit_sleep_kernel(test, cpu, token);
		pvt_expect_asleep(test, 1);
		kit_ready(cpu, token);
		kit_expect_all_back(test);
		n++;
	}
	kit_expect(test, "sleep_kernel", n);
	kit_expect(test, "wake", n);
	kit_expect(test, "retry", 0);
	kit_expect_end(test);
}

void pvfault_kit_early(struct kunit *test)
{
	unsigned int cpu, n = 0;

	for_each_online_cpu(cpu) {
		kit_ready(cpu, kit_token(cpu, 2));
		kit_expect(test, "early", ++n);
		kit_sleep(test, cpu, kit_token(cpu, 2));
		kit_expect_all_back(test);
	}
	kit_expect(test, "early_hit", n);
	kit_expect(test, "sleep", 0);
	kit_expect_end(test);
}

/* The second one is remembered: the host may have used its token anew. */
void pvfault_kit_twice(struct kunit *test)
{
	pvfault_token_t token = kit_token(0, 3);
	pvfault_token_t twice[] = { token, token };

	kit_sleep(test, 0, token);
	pvt_expect_asleep(test, 1);
	kit.host->ready(0, twice, 2, PVFAULT_TEST_KEPT);
	kit_expect_all_back(test);
	kit_sleep(test, 0, token);
	kit_expect_all_back(test);
	kit_expect(test, "wake", 1);
	kit_expect(test, "early_hit", 1);
	kit_expect_end(test);
}

static void all_tokens(unsigned int cpu, unsigned int from, pvfault_token_t *tokens)
{
	unsigned int i;

	for (i = 0; i < ALL; i++)
		tokens[i] = kit_token(cpu, (from + i) % kit.host->nr_tokens);
}

static void sleep_all(struct kunit *test, unsigned int cpu, const pvfault_token_t *tokens)
{
	unsigned int i;

	for (i = 0; i < ALL; i++)
		kit_sleep(test, cpu, tokens[i]);
}

/* As many as may be outstanding sleep, and are woken by one burst. */
static void one_burst(struct kunit *test, unsigned int cpu, unsigned int from)
{
	pvfault_token_t tokens[ALL];

	all_tokens(cpu, from, tokens);
	sleep_all(test, cpu, tokens);
	pvt_expect_asleep(test, ALL);
	kit.host->ready(cpu, tokens, ALL, PVFAULT_TEST_KEPT);
	kit_expect_all_back(test);
}

void pvfault_kit_burst(struct kunit *test)
{
	unsigned int cpu, n = 0;

	for_each_online_cpu(cpu) {
		one_burst(test, cpu, 0);
		n += ALL;
	}
	kit_expect(test, "wake", n);
	kit_expect(test, "ready", n);
	kit_expect(test, "early", 0);
	kit_expect_end(test);
}

void pvfault_kit_burst_early(struct kunit *test)
{
	unsigned int cpu, n = 0;
	pvfault_token_t tokens[ALL];

	for_each_online_cpu(cpu) {
		all_tokens(cpu, 0, tokens);
		kit.host->ready(cpu, tokens, ALL, PVFAULT_TEST_KEPT);
		n += ALL;
		kit_expect(test, "early", n);
		sleep_all(test, cpu, tokens);
		kit_expect_all_back(test);
	}
	kit_expect(test, "early_hit", n);
	kit_expect(test, "overwritten", 0);
	kit_expect_end(test);
}

/* Each token is used again, and whatever counts them comes round. */
void pvfault_kit_again(struct kunit *test)
{
	unsigned int i, rounds = DIV_ROUND_UP(3 * kit.host->nr_tokens, ALL);

	for (i = 0; i < rounds; i++)
		one_burst(test, 0, i * (ALL - 1));
	kit_expect(test, "wake", rounds * ALL);
	kit_expect(test, "early", 0);
	kit_expect_end(test);
}

void pvfault_kit_ready_all(struct kunit *test)
{
	unsigned int cpu;

	if (!kit.host->ready_all)
		kunit_skip(test, "the host has no READY for all");
	for_each_online_cpu(cpu)
		kit_sleep(test, cpu, kit_token(cpu, 4));
	pvt_expect_asleep(test, num_online_cpus());
	kit.host->ready_all();
	kit_expect_all_back(test);
	kit_expect(test, "wake", num_online_cpus());
	KUNIT_EXPECT_GE(test, kit_since("wake_all"), 1);
	kit_expect_works(test, 0);
	kit_expect_end(test);
}

/* A READY that is a #PF. */
struct kit_ready_fault {
	pvfault_token_t token;
	unsigned long flags;
};

static long inject_ready(void *arg)
{
	struct kit_ready_fault *r = arg;
	struct pvfault_test_fault fault = { };
	unsigned long flags;
	long err;
	char c = 0;

	local_irq_save(flags);
	kit.host->ready_fault(r->token, &fault);
	err = pvfault_test_inject(&fault, flags & X86_EFLAGS_IF, &c);
	local_irq_restore(flags);
	return err;
}

void pvfault_kit_ready_fault(struct kunit *test)
{
	struct kit_ready_fault r = { .token = kit_token(0, 5) };

	if (!kit.host->ready_fault)
		kunit_skip(test, "READY is no #PF");
	kit_sleep(test, 0, r.token);
	pvt_expect_asleep(test, 1);
	KUNIT_EXPECT_EQ(test, 0, pvt_call(0, PVT_TASK, inject_ready, &r));
	kit_expect_all_back(test);
	KUNIT_EXPECT_EQ(test, 0, pvt_call(0, PVT_TASK, inject_ready, &r));
	kit_sleep(test, 0, r.token);
	kit_expect_all_back(test);
	kit_expect(test, "ready", 2);
	kit_expect(test, "wake", 1);
	kit_expect(test, "early_hit", 1);
	kit_expect(test, "ready_late", 0);
	kit_expect_end(test);
}

void pvfault_kit_ready_fault_late(struct kunit *test)
{
	struct kit_ready_fault r = { .token = kit_token(0, 6) };
	enum pvt_context where;

	if (!kit.host->ready_fault)
		kunit_skip(test, "READY is no #PF");
	for (where = PVT_IRQS_OFF; where < PVT_PREEMPT_OFF; where++) {
		kit_sleep(test, 0, r.token);
		pvt_expect_asleep(test, 1);
		KUNIT_EXPECT_EQ(test, 0, pvt_call(0, where, inject_ready, &r));
		kit_expect_all_back(test);
	}
	kit_expect(test, "ready_late", PVT_PREEMPT_OFF - PVT_IRQS_OFF);
	kit_expect(test, "ready", 0);
	kit_expect_end(test);
}

/* repair() finds them. */
void pvfault_kit_lost_interrupt(struct kunit *test)
{
	pvfault_token_t tokens[] = { kit_token(0, 7), kit_token(0, 8), kit_token(0, 9) };
	unsigned int i, cpu = pvt_other_cpu(test);
	pvfault_token_t other = kit_token(cpu, 7);

	if (!kit.host->backend->repair)
		kunit_skip(test, "the backend has no repair()");
	for (i = 0; i < ARRAY_SIZE(tokens); i++)
		kit_sleep(test, 0, tokens[i]);
	kit_sleep(test, cpu, other);
	pvt_expect_asleep(test, ARRAY_SIZE(tokens) + 1);
	kit.host->ready(0, tokens, ARRAY_SIZE(tokens), PVFAULT_TEST_NO_INTERRUPT);
	kit.host->ready(cpu, &other, 1, PVFAULT_TEST_NO_INTERRUPT);
	kit_expect_all_back(test);
	kit_expect(test, "wake", ARRAY_SIZE(tokens) + 1);
	kit_expect(test, "retry", 0);
	kit_expect_works(test, 0);
	kit_expect_works(test, cpu);
	kit_expect_end(test);
}

/* Nothing to be found; the deadline ends it. */
void pvfault_kit_lost_ready(struct kunit *test)
{
	pvfault_token_t token = kit_token(0, 10);

	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(SHORT_MS), 0);
	kit.linger = true;
	kit_sleep(test, 0, token);
	pvt_expect_asleep(test, 1);
	kit.host->ready(0, &token, 1, PVFAULT_TEST_NO_READY);
	kit_expect_all_back(test);
	KUNIT_EXPECT_GE(test, kit_since("retry") + kit_since("probe"), 1);
	kit_expect(test, "wake", 0);
	KUNIT_ASSERT_EQ(test, pvfault_set_deadline_ms(LONG_MS), 0);
	kit_expect_works(test, 0);
	kit_expect_end(test);
}
