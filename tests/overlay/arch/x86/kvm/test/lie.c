// SPDX-License-Identifier: GPL-2.0
/*
 * For tests of guests only: a host that says anything about missing pages.
 *
 * A lie is what the protocol lets a host say: a #PF with error code 0 and a
 * token in CR2, flags, a token in the slot, the vector of READY. What pages are
 * really missing, and when they come, goes on beside it. A host can also say
 * what no guest can tell from its own faults, or survive; that is left out:
 * see may_lie_in_kernel(), and docs/proof.rst.
 */
#include <linux/kvm_host.h>
#include <linux/ktime.h>
#include <linux/minmax.h>
#include <linux/moduleparam.h>
#include <linux/prandom.h>
#include <linux/spinlock.h>

#include <asm/kvm_para.h>

#include "hooks.h"
#include "kvm_cache_regs.h"
#include "lapic.h"
#include "x86.h"

enum lie {
	LIE_USER,		/* NOT_PRESENT in user mode, whatever the flags */
	LIE_STRANGER,		/* the same, for another vCPU */
	LIE_KERNEL,		/* in kernel mode */
	LIE_IRQS_OFF,		/* in kernel mode, with interrupts off */
	LIE_READY,		/* READY for any token */
	LIE_ALL,		/* READY for all */
	LIE_EMPTY,		/* the vector of READY, and nothing in the slot */
	LIE_FLAGS,		/* flags, and no #PF */
	LIE_NMI,
	LIES
};

#define VCPUS		8
#define TOKENS		32

/* So many a second to each vCPU, from this seed. */
static unsigned int lie;
module_param(lie, uint, 0644);
static unsigned int lie_seed;
module_param(lie_seed, uint, 0644);

/* Its entry code, where no lie is told with interrupts off: START, END, START, END. */
static unsigned long lie_not[4];
module_param_array(lie_not, ulong, NULL, 0644);

/* What no guest survives: a fault that is its own. For the test of the test. */
static unsigned int lie_error_code;
module_param(lie_error_code, uint, 0644);

static unsigned int lied[LIES];
module_param_array(lied, uint, NULL, 0444);

/* Guards what follows, and @lied. */
static DEFINE_SPINLOCK(lie_lock);
static u32 tokens[TOKENS];	/* that were said, or are true */
static unsigned int next_token;
static struct liar {
	unsigned int seed;
	bool shown;		/* its vCPU knows its id */
	struct rnd_state dice;
	u64 next_ns;
} liars[VCPUS];

static void remember(u32 token)
{
	tokens[next_token++ % TOKENS] = token;
}

/* A NOT_PRESENT that is true. */
void kvm_lie_heard(u32 token)
{
	spin_lock(&lie_lock);
	remember(token);
	spin_unlock(&lie_lock);
}

/* Is it time for the next one? Draw when the one after it is due. */
static bool due(struct liar *l, unsigned int vcpu)
{
	unsigned int rate = READ_ONCE(lie);
	u64 now = ktime_get_ns();

	if (!rate || !lie_seed)
		return false;
	if (l->seed != lie_seed) {
		l->seed = lie_seed;
		l->shown = false;
		prandom_seed_state(&l->dice, ((u64)lie_seed << 8) + vcpu);
	}
	if (now < l->next_ns)
		return false;
	l->next_ns = now + prandom_u32_state(&l->dice) % (2 * NSEC_PER_SEC / rate);
	return true;
}

/* One that was said or is true, one that never was, or a special one. */
static u32 any_token(struct liar *l)
{
	u32 dice = prandom_u32_state(&l->dice);

	if (dice % 16 == 0)
		return 0;
	if (dice % 2)
		return tokens[dice / 2 % TOKENS];
	return prandom_u32_state(&l->dice);
}

/*
 * With interrupts off a #PF is survived where the kernel may have a fault of its
 * own: not before its entry code has got a stack, GS, and CR2 of the fault it is
 * entered for; and not in an NMI, where it would be taken for a genuine one. Where
 * GIF holds back NMIs, GS is that of a guest of the guest's.
 */
static bool may_lie_in_kernel(struct kvm_vcpu *vcpu)
{
	unsigned long ip = kvm_rip_read(vcpu);

	if (kvm_x86_call(get_interrupt_shadow)(vcpu) ||
	    kvm_x86_call(nmi_allowed)(vcpu, false) <= 0)
		return false;
	if (kvm_get_rflags(vcpu) & X86_EFLAGS_IF)
		return true;
	return (long)kvm_x86_call(get_segment_base)(vcpu, VCPU_SREG_GS) < 0 &&
	       (long)kvm_rsp_read(vcpu) < 0 && (long)ip < 0 && lie_not[0] && lie_not[2] &&
	       !(ip >= lie_not[0] && ip < lie_not[1]) &&
	       !(ip >= lie_not[2] && ip < lie_not[3]);
}

static void put_flags(struct kvm_vcpu *vcpu, u32 flags)
{
	kvm_write_guest_cached(vcpu->kvm, &vcpu->arch.apf.data, &flags, sizeof(flags));
}

static void put_token(struct kvm_vcpu *vcpu, u32 token)
{
	kvm_write_guest_offset_cached(vcpu->kvm, &vcpu->arch.apf.data, &token,
				      offsetof(struct kvm_vcpu_pv_apf_data, token),
				      sizeof(token));
}

static void interrupt(struct kvm_vcpu *vcpu)
{
	struct kvm_lapic_irq irq = {
		.delivery_mode = APIC_DM_FIXED,
		.vector = vcpu->arch.apf.vec
	};

	kvm_apic_set_irq(vcpu, &irq, NULL);
}

static bool not_present(struct kvm_vcpu *vcpu, u32 token, u32 flags)
{
	struct x86_exception fault = {
		.vector = PF_VECTOR,
		.error_code_valid = true,
		.error_code = lie_error_code,
		.async_page_fault = true,
	};

	if (kvm_x86_call(get_cpl)(vcpu) == 0) {
		if (!may_lie_in_kernel(vcpu))
			return false;
		/* Without this it is a fault of the guest's own. */
		flags |= KVM_PV_REASON_PAGE_NOT_PRESENT;
	}
	fault.address = token;
	put_flags(vcpu, flags);
	kvm_inject_page_fault(vcpu, &fault, false);
	return true;
}

static enum lie what_lie(struct kvm_vcpu *vcpu, u32 dice, bool shown)
{
	switch (dice % 32) {
	case 0 ... 13:
		if (kvm_x86_call(get_cpl)(vcpu))
			return shown && dice % 8 == 0 ? LIE_STRANGER : LIE_USER;
		return kvm_get_rflags(vcpu) & X86_EFLAGS_IF ? LIE_KERNEL : LIE_IRQS_OFF;
	case 14 ... 23:
		return LIE_READY;
	case 24:
		return LIE_ALL;
	case 25 ... 27:
		return LIE_EMPTY;
	case 28 ... 29:
		return LIE_FLAGS;
	default:
		return LIE_NMI;
	}
}

static void tell_lie(struct kvm_vcpu *vcpu, struct liar *l, enum lie what, u32 token,
		     u32 flags)
{
	switch (what) {
	case LIE_USER:
	case LIE_KERNEL:
	case LIE_IRQS_OFF:
		/* The first one in user mode shows the guest the id for all others. */
		token = (token & ~0xfffU) | (vcpu->vcpu_id & 0xfff);
		fallthrough;
	case LIE_STRANGER:
		if (!not_present(vcpu, token, flags))
			return;
		break;
	case LIE_READY:
	case LIE_ALL:
		put_token(vcpu, what == LIE_ALL ? ~0U : token);
		interrupt(vcpu);
		break;
	case LIE_EMPTY:
		interrupt(vcpu);
		break;
	case LIE_FLAGS:
		put_flags(vcpu, flags);
		break;
	default:
		kvm_inject_nmi(vcpu);
	}
	spin_lock(&lie_lock);
	lied[what]++;
	if (what < LIE_READY)
		remember(token);
	if (what == LIE_USER)
		l->shown = true;
	spin_unlock(&lie_lock);
}

/* Before @vcpu is entered: now and then, lie to it. */
void kvm_lie(struct kvm_vcpu *vcpu)
{
	struct liar *l = &liars[min(vcpu->vcpu_id, VCPUS - 1)];
	u32 dice, token, flags;

	if (!(vcpu->arch.apf.msr_en_val & KVM_ASYNC_PF_ENABLED)) {
		l->shown = false;
		return;
	}
	if (is_guest_mode(vcpu) || !is_paging(vcpu))
		return;
	/* KVM steps over an exception to an NMI, and TF lands on the guest's stack. */
	if (kvm_is_exception_pending(vcpu) || kvm_event_needs_reinjection(vcpu) ||
	    vcpu->arch.nmi_pending || atomic_read(&vcpu->arch.nmi_queued))
		return;
	spin_lock(&lie_lock);
	if (!due(l, vcpu->vcpu_id)) {
		spin_unlock(&lie_lock);
		return;
	}
	dice = prandom_u32_state(&l->dice);
	token = any_token(l);
	flags = prandom_u32_state(&l->dice);
	spin_unlock(&lie_lock);
	tell_lie(vcpu, l, what_lie(vcpu, dice, l->shown), token, flags);
}
