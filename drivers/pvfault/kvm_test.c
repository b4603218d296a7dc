// SPDX-License-Identifier: GPL-2.0
/*
 * KVM, played for the conformance kit: three MSRs, an area in the guest's memory, and
 * one slot there for a token. What doesn't fit is queued, and comes when the guest has
 * acknowledged.
 *
 * A vCPU's state is its own: it is changed on its CPU, with interrupts off.
 */

#include <linux/bits.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/errno.h>
#include <linux/io.h>
#include <linux/irq_work.h>
#include <linux/irqflags.h>
#include <linux/kvm_para.h>
#include <linux/percpu.h>
#include <linux/pvfault_test.h>
#include <linux/smp.h>

#include <asm/irq_vectors.h>
#include <asm/page.h>

#include "kvm.h"

#define QUEUE		256
#define AREA_MASK	GENMASK_ULL(51, 6)
#define TOKEN_ALL	(~0U)
#define PATIENCE_MS	5000

struct vcpu {
	struct kvm_vcpu_pv_apf_data *area;	/* NULL: not enabled */
	u64 en;
	u64 vector;
	bool pending;				/* a token that isn't acknowledged */
	bool silent;				/* the next interrupt is lost */
	u32 queue[QUEUE];
	u32 prod, cons;
};

static DEFINE_PER_CPU(struct vcpu, vcpus);
static atomic_t mistakes;
static int refused = -1;

static void vcpu_interrupt(struct irq_work *work)
{
	kvm_apf_interrupt();
}

static DEFINE_PER_CPU(struct irq_work, vcpu_interrupts) = IRQ_WORK_INIT_HARD(vcpu_interrupt);

static void mistake_if(bool wrong)
{
	if (wrong)
		atomic_inc(&mistakes);
}

/* Fill the slot if it is empty. */
static void deliver(struct vcpu *v)
{
	if (!v->area || v->pending || v->cons == v->prod || READ_ONCE(v->area->token))
		return;
	WRITE_ONCE(v->area->token, v->queue[v->cons++ % QUEUE]);
	v->pending = true;
	if (!v->silent)
		irq_work_queue(this_cpu_ptr(&vcpu_interrupts));
	v->silent = false;
}

static void say(struct vcpu *v, u32 token)
{
	if (v->area && v->prod - v->cons < QUEUE)
		v->queue[v->prod++ % QUEUE] = token;
}

static int write_en(struct vcpu *v, u64 value)
{
	const u64 must = KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT;

	mistake_if(value && ((value & must) != must || v->vector != HYPERVISOR_CALLBACK_VECTOR));
	if (value && refused == raw_smp_processor_id())
		return -EIO;
	/* A host begins anew with each write. */
	v->en = value;
	v->area = value ? phys_to_virt(value & AREA_MASK) : NULL;
	v->pending = false;
	v->cons = v->prod;
	say(v, TOKEN_ALL);
	deliver(v);
	return 0;
}

static int write_msr(u32 msr, u64 value)
{
	struct vcpu *v = this_cpu_ptr(&vcpus);

	mistake_if(!irqs_disabled());
	switch (msr) {
	case MSR_KVM_ASYNC_PF_EN:
		return write_en(v, value);
	case MSR_KVM_ASYNC_PF_INT:
		v->vector = value;
		return 0;
	case MSR_KVM_ASYNC_PF_ACK:
		mistake_if(value != 1);
		v->pending = false;
		deliver(v);
		return 0;
	default:
		mistake_if(true);
		return -EIO;
	}
}

/* KVM's id of a vCPU is its x2APIC id. */
static int read_msr(u32 msr, u64 *value)
{
	*value = msr == MSR_KVM_ASYNC_PF_EN ? this_cpu_read(vcpus.en) : raw_smp_processor_id();
	return 0;
}

static const struct kvm_apf_host host = { .read = read_msr, .write = write_msr };

static bool start(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(vcpus, cpu) = (struct vcpu) { };
	atomic_set(&mistakes, 0);
	kvm_apf_played = &host;
	return true;
}

static void stop(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		irq_work_sync(per_cpu_ptr(&vcpu_interrupts, cpu));
	kvm_apf_played = NULL;
}

static bool enabled(unsigned int cpu)
{
	return per_cpu(vcpus, cpu).area;
}

static unsigned int nr_mistakes(void)
{
	return atomic_read(&mistakes);
}

static pvfault_token_t token(unsigned int cpu, unsigned int n)
{
	return (n + 1) << 12 | cpu;
}

static void not_present(pvfault_token_t token, struct pvfault_test_fault *fault)
{
	struct vcpu *v = this_cpu_ptr(&vcpus);

	*fault = (struct pvfault_test_fault) { .address = token };
	mistake_if(!v->area || v->area->flags);
	if (v->area)
		v->area->flags = KVM_PV_REASON_PAGE_NOT_PRESENT;
}

/* READYs to be said by the vCPU that they are for. */
struct burst {
	const pvfault_token_t *tokens;
	unsigned int n;
	bool silent;
};

static void say_burst(void *arg)
{
	struct vcpu *v = this_cpu_ptr(&vcpus);
	struct burst *b = arg;
	unsigned int i;

	for (i = 0; i < b->n; i++)
		say(v, b->tokens[i]);
	v->silent = b->silent;
	deliver(v);
}

/* Return when all have been taken; some time later if an interrupt is lost. */
static void ready(unsigned int cpu, const pvfault_token_t *tokens, unsigned int n,
		  enum pvfault_test_lost lost)
{
	struct burst b = { tokens, n, lost == PVFAULT_TEST_NO_INTERRUPT };
	struct vcpu *v = per_cpu_ptr(&vcpus, cpu);
	unsigned int ms;

	if (lost == PVFAULT_TEST_NO_READY)
		return;
	smp_call_function_single(cpu, say_burst, &b, true);
	for (ms = 0; ms < PATIENCE_MS && lost == PVFAULT_TEST_KEPT; ms++) {
		if (!READ_ONCE(v->area) ||
		    (!READ_ONCE(v->pending) && READ_ONCE(v->cons) == READ_ONCE(v->prod)))
			return;
		usleep_range(500, 1000);
	}
}

static void ready_all(void)
{
	pvfault_token_t all = TOKEN_ALL;
	int cpu;

	for_each_online_cpu(cpu)
		ready(cpu, &all, 1, PVFAULT_TEST_KEPT);
}

static void fail_online(int cpu)
{
	refused = cpu;
}

static bool lie(struct rnd_state *dice, struct pvfault_test_fault *fault)
{
	struct vcpu *v = this_cpu_ptr(&vcpus);
	u32 n = prandom_u32_state(dice);

	*fault = (struct pvfault_test_fault) { .address = prandom_u32_state(dice) };
	switch (n % 4) {
	case 0:
		v->area->flags = prandom_u32_state(dice);
		return false;
	case 1:
		WRITE_ONCE(v->area->token, prandom_u32_state(dice));
		irq_work_queue(this_cpu_ptr(&vcpu_interrupts));
		return false;
	case 2:
		/* In kernel mode it can only be told by the vCPU's id. */
		fault->address = (fault->address & ~0xfffUL) | raw_smp_processor_id();
		v->area->flags = KVM_PV_REASON_PAGE_NOT_PRESENT;
		return true;
	default:
		irq_work_queue(this_cpu_ptr(&vcpu_interrupts));
		return false;
	}
}

static const struct pvfault_test_host kvm_test_host = {
	.backend	= &kvm_apf_backend,
	.not_in_nmi	= true,
	.start		= start,
	.stop		= stop,
	.enabled	= enabled,
	.mistakes	= nr_mistakes,
	.token		= token,
	.nr_tokens	= PVFAULT_MAX_OUTSTANDING,
	.not_present	= not_present,
	.ready		= ready,
	.ready_all	= ready_all,
	.fail_online	= fail_online,
	.lie		= lie,
};

PVFAULT_CONFORMANCE(kvm, &kvm_test_host);
