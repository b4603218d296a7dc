// SPDX-License-Identifier: GPL-2.0
/*
 * KVM backend: NOT_PRESENT is a #PF with the token in CR2, READY an interrupt
 * with the token in an area shared with the host. The protocol is described in
 * Documentation/virt/kvm/x86/msr.rst.
 *
 *	MSR_KVM_ASYNC_PF_EN	where this CPU's area is, and what it takes
 *	MSR_KVM_ASYNC_PF_INT	the vector of READY
 *	MSR_KVM_ASYNC_PF_ACK	"the token slot is empty again"
 *
 * Three parts stay in arch/x86/kernel/kvm.c: the interrupt's entry, because the
 * IDT is sealed long before initcalls run; the decryption of the area, because it has
 * to be done before the first secondary CPU copies its mapping; and the calls of
 * kvm_apf_suspend() and kvm_apf_resume(), which belong among those of its own.
 */

#define pr_fmt(fmt) "pvfault: kvm: " fmt

#include <linux/cc_platform.h>
#include <linux/cpufeature.h>
#include <linux/errno.h>
#include <linux/hardirq.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kvm_para.h>
#include <linux/limits.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/pvfault.h>
#include <linux/workqueue.h>

#include <asm/apic.h>
#include <asm/hypervisor.h>
#include <asm/irq_vectors.h>
#include <asm/msr.h>
#include <asm/pgtable_types.h>
#include <asm/ptrace.h>
#include <asm/pvfault_compat.h>

#include "kvm.h"

/* The low bits of a token, which hold the id of the notified vCPU. */
#define KVM_APF_VCPU_ID_MASK	0xfffU
/* READY for all on the vCPU that reads it. */
#define KVM_APF_TOKEN_ALL	(~0U)

/*
 * kvm_read_and_reset_apf_flags() returns, when it has found NOT_PRESENT: the flag,
 * above it the notified CPU, and above that the generation. All come back to
 * kvm_async_pf_task_wait_schedule() later, maybe on another CPU, when any number of
 * READY for all may have passed.
 */
#define KVM_APF_CPU_SHIFT		1
#define KVM_APF_CPU_BITS		13
#define KVM_APF_GENERATION_SHIFT	(KVM_APF_CPU_SHIFT + KVM_APF_CPU_BITS)
static_assert(CONFIG_NR_CPUS <= 1 << KVM_APF_CPU_BITS);

static DEFINE_PER_CPU_DECRYPTED(struct kvm_vcpu_pv_apf_data, kvm_apf_area) __aligned(64);

static DEFINE_PER_CPU_READ_MOSTLY(bool, kvm_apf_enabled);
/* The value of EN now. Written on its CPU, with interrupts off. */
static DEFINE_PER_CPU_READ_MOSTLY(u64, kvm_apf_en);
/* The host's answer to the last write of EN has not come yet. */
static DEFINE_PER_CPU(bool, kvm_apf_answer_due);
static DEFINE_PER_CPU(unsigned long, kvm_apf_en_written);	/* jiffies */
/* The id of this vCPU, once it is known. */
static DEFINE_PER_CPU_READ_MOSTLY(u32, kvm_apf_vcpu_id);
static DEFINE_PER_CPU_READ_MOSTLY(bool, kvm_apf_vcpu_id_known);
/* A later token had another id, so the id can't be relied on. */
static DEFINE_PER_CPU_READ_MOSTLY(bool, kvm_apf_vcpu_id_doubtful);

#ifdef CONFIG_PVFAULT_KIT
const struct kvm_apf_host *kvm_apf_played;
#endif

static int kvm_apf_read(u32 msr, u64 *value)
{
	if (kvm_apf_played)
		return kvm_apf_played->read(msr, value);
	return rdmsrq_safe(msr, value);
}

/* _safe, because the guest may have been restored on a host without these MSRs. */
static int kvm_apf_write(u32 msr, u64 value)
{
	if (kvm_apf_played)
		return kvm_apf_played->write(msr, value);
	return wrmsrq_safe(msr, value);
}

/* Does the host still offer it? */
static bool kvm_apf_offered(void)
{
	return kvm_apf_played || kvm_para_has_feature(KVM_FEATURE_ASYNC_PF_INT);
}

static bool kvm_apf_wanted __initdata = true;

static int __init kvm_apf_no_param(char *arg)
{
	kvm_apf_wanted = false;
	return 0;
}
early_param("no-kvmapf", kvm_apf_no_param);

/**
 * kvm_apf_area_of() - the area that @cpu shares with the host
 * @cpu: any possible CPU
 *
 * For arch/x86/kernel/kvm.c to decrypt in a confidential guest.
 *
 * Context: boot; this function is __init.
 * Return: the area.
 */
struct kvm_vcpu_pv_apf_data * __init kvm_apf_area_of(int cpu)
{
	return &per_cpu(kvm_apf_area, cpu);
}

/* Consume the flags of a NOT_PRESENT that is about to be dealt with. */
static __always_inline u32 kvm_apf_take_flags(void)
{
	u32 flags = __this_cpu_read(kvm_apf_area.flags);

	if (flags)
		__this_cpu_write(kvm_apf_area.flags, 0);
	return flags;
}

/* A token in user mode is genuine for sure, so it shows the id that the host uses. */
static __always_inline void kvm_apf_learn_vcpu_id(u32 id)
{
	if (!__this_cpu_read(kvm_apf_vcpu_id_known)) {
		__this_cpu_write(kvm_apf_vcpu_id, id);
		__this_cpu_write(kvm_apf_vcpu_id_known, true);
	} else if (__this_cpu_read(kvm_apf_vcpu_id) != id) {
		__this_cpu_write(kvm_apf_vcpu_id_doubtful, true);
	}
}

/*
 * An injected #PF has error code 0 and a 32-bit token in CR2.
 *
 * In user mode that is enough: a genuine fault has the user bit set, and the
 * processor's own accesses on behalf of user mode (descriptor tables) go to
 * kernel addresses, which on 64-bit are above any token. The flags may be
 * stale or already eaten, it makes no difference.
 *
 * In kernel mode a read of a low user address looks the same, so everything must
 * agree: the flags, the vCPU's id in the token, and that this is no NMI. A fault of an
 * NMI handler's own may find flags that belong to the #PF which the NMI interrupted.
 *
 * What if they agree by accident? Flags are stale if a notification for a nested
 * guest got lost. Then a genuine read below 4 GiB whose offset in its page is our id
 * is taken for a notification. It consumes the flags, waits until its deadline at
 * most, and is retried. It is late, nothing worse.
 *
 * A notification taken for a genuine fault would be worse: -EFAULT, or an oops. So
 * notifications in kernel mode are enabled only while the id is sure, see
 * kvm_apf_choose_mode(). The id is the vCPU's x2APIC id, which can be read in that mode
 * alone. Otherwise the first notification in user mode, where the id doesn't matter,
 * shows it. A later one with another id makes the first id doubtful, but doesn't
 * replace it, because a single wrong token would make all good ones unknown.
 */
static noinstr bool kvm_apf_is_token(struct pt_regs *regs, unsigned long address)
{
	if (!__this_cpu_read(kvm_apf_enabled))
		return false;

	if (!IS_ENABLED(CONFIG_X86_64) || !user_mode(regs)) {
		if (!(__this_cpu_read(kvm_apf_area.flags) & KVM_PV_REASON_PAGE_NOT_PRESENT))
			return false;
	}
	if (user_mode(regs)) {
		kvm_apf_learn_vcpu_id(address & KVM_APF_VCPU_ID_MASK);
	} else {
		if (!__this_cpu_read(kvm_apf_vcpu_id_known) ||
		    (address & KVM_APF_VCPU_ID_MASK) != __this_cpu_read(kvm_apf_vcpu_id))
			return false;
		if (in_nmi())
			return false;
	}

	kvm_apf_take_flags();
	return true;
}

static noinstr enum pvfault_kind kvm_apf_recognise(struct pt_regs *regs,
						   unsigned long error_code,
						   unsigned long address,
						   pvfault_token_t *token)
{
	if (likely(error_code) || address > U32_MAX)
		return PVFAULT_GENUINE;
	*token = address;
	return kvm_apf_is_token(regs, address) ? PVFAULT_NOT_PRESENT : PVFAULT_GENUINE;
}

/*
 * READY for all: the host's answer to a write of EN. If this CPU waits for none, the
 * host's own program has written EN, with what was saved of the guest. KVM gives no answer
 * while READYs queue, so none is waited for longer than a second.
 */
static void kvm_apf_take_all(void)
{
	if (!__this_cpu_read(kvm_apf_answer_due) ||
	    time_after(jiffies, __this_cpu_read(kvm_apf_en_written) + HZ))
		pvfault_restored();
	__this_cpu_write(kvm_apf_answer_due, false);
	pvfault_ready_all();
}

/*
 * Empty the token slot and let the host fill it again. An empty slot counts as token
 * 0: hosts before Linux 5.18 use 0 as a token, and for others it costs one mark. The
 * acknowledgment is due in any case, because a host that believes a READY to be
 * outstanding delivers nothing more.
 */
static void kvm_apf_take_token(void)
{
	/* Once: the host may write it at any time. */
	u32 token = this_cpu_read(kvm_apf_area.token);

	if (token == KVM_APF_TOKEN_ALL)
		kvm_apf_take_all();
	else
		pvfault_ready(token);
	__this_cpu_write(kvm_apf_area.token, 0);
	kvm_apf_write(MSR_KVM_ASYNC_PF_ACK, 1);
}

/* The host answers each write of EN with READY for all, so nothing is lost. */
static int kvm_apf_write_en(u64 en)
{
	__this_cpu_write(kvm_apf_en, en);
	__this_cpu_write(kvm_apf_en_written, jiffies);
	__this_cpu_write(kvm_apf_answer_due, true);
	return kvm_apf_write(MSR_KVM_ASYNC_PF_EN, en);
}

/*
 * @en with notifications in kernel mode, too, as long as this vCPU's id is sure.
 *
 * Never with encrypted state (SEV, TDX), because the host then can neither read the mode
 * nor write CR2.
 */
static u64 kvm_apf_choose_mode(u64 en)
{
	en &= ~KVM_ASYNC_PF_SEND_ALWAYS;
	if (__this_cpu_read(kvm_apf_vcpu_id_known) &&
	    !__this_cpu_read(kvm_apf_vcpu_id_doubtful) &&
	    pvfault_kernel_mode() && !cc_platform_has(CC_ATTR_GUEST_STATE_ENCRYPT) &&
	    !cpu_feature_enabled(X86_FEATURE_TDX_GUEST))
		en |= KVM_ASYNC_PF_SEND_ALWAYS;
	return en;
}

static void kvm_apf_ask_kernel(void)
{
	u64 was = __this_cpu_read(kvm_apf_en), en = kvm_apf_choose_mode(was);

	if (en != was)
		kvm_apf_write_en(en);
}

/**
 * kvm_apf_interrupt() - the host says READY
 *
 * For sysvec_kvm_asyncpf_interrupt().
 *
 * Context: that interrupt, after its EOI.
 */
void kvm_apf_interrupt(void)
{
	if (__this_cpu_read(kvm_apf_enabled)) {
		kvm_apf_take_token();
		kvm_apf_ask_kernel();
	}
}

static void kvm_apf_give_up(struct work_struct *unused);
static DECLARE_WORK(kvm_apf_give_up_work, kvm_apf_give_up);

/*
 * Write the vector and EN again if a restore has lost them; QEMU saves neither for a CPU
 * model without async page faults. The host answers the write of EN with READY for all,
 * because it has forgotten its tokens.
 *
 * Return: 0; a negative error if this host no longer offers or accepts them.
 */
static int kvm_apf_restore_msrs(void)
{
	u64 en = __this_cpu_read(kvm_apf_en), now;
	int err;

	if (!kvm_apf_offered())
		return -ENODEV;
	err = kvm_apf_write(MSR_KVM_ASYNC_PF_INT, HYPERVISOR_CALLBACK_VECTOR) ?:
	      kvm_apf_read(MSR_KVM_ASYNC_PF_EN, &now);
	if (err || now == en)
		return err;
	pr_warn_once("MSR_KVM_ASYNC_PF_EN was lost, most likely by a restore; set again\n");
	pvfault_restored();
	return kvm_apf_write_en(en);
}

/*
 * A READY whose interrupt was lost is still in the slot. If a restore has lost an MSR,
 * no READY comes until the MSR has been written again.
 */
static void kvm_apf_repair(void)
{
	if (kvm_apf_restore_msrs()) {
		/* Until EN has been written, this CPU must recognise NOT_PRESENT. */
		schedule_work(&kvm_apf_give_up_work);
		pvfault_ready_all();
	} else if (__this_cpu_read(kvm_apf_area.token)) {
		kvm_apf_take_token();
	} else {
		kvm_apf_write(MSR_KVM_ASYNC_PF_ACK, 1);
	}
}

/* Take the vCPU's id from its APIC. Return: false if the APIC doesn't show it. */
static bool kvm_apf_read_vcpu_id(void)
{
	u64 id;

	if (!(x2apic_mode || kvm_apf_played) ||
	    kvm_apf_read(APIC_BASE_MSR + (APIC_ID >> 4), &id))
		return false;
	__this_cpu_write(kvm_apf_vcpu_id, id & KVM_APF_VCPU_ID_MASK);
	return true;
}

static int kvm_apf_cpu_online(unsigned int cpu)
{
	u64 en = slow_virt_to_phys(this_cpu_ptr(&kvm_apf_area)) |
		 KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT;

	/* For guests of our own: a vmexit notifies the thread of their vCPU. */
	if (kvm_para_has_feature(KVM_FEATURE_ASYNC_PF_VMEXIT))
		en |= KVM_ASYNC_PF_DELIVERY_AS_PF_VMEXIT;

	__this_cpu_write(kvm_apf_area.flags, 0);
	__this_cpu_write(kvm_apf_area.token, 0);
	__this_cpu_write(kvm_apf_vcpu_id_known, kvm_apf_read_vcpu_id());
	__this_cpu_write(kvm_apf_vcpu_id_doubtful, false);
	__this_cpu_write(kvm_apf_enabled, true);

	/* The vector first: the host uses it from the moment of enabling on. */
	if (kvm_apf_write(MSR_KVM_ASYNC_PF_INT, HYPERVISOR_CALLBACK_VECTOR) ||
	    kvm_apf_write_en(kvm_apf_choose_mode(en))) {
		__this_cpu_write(kvm_apf_enabled, false);
		return -EIO;
	}
	return 0;
}

static void kvm_apf_cpu_offline(unsigned int cpu)
{
	kvm_apf_write(MSR_KVM_ASYNC_PF_EN, 0);
	__this_cpu_write(kvm_apf_enabled, false);
}

const struct pvfault_backend kvm_apf_backend = {
	.name		= "kvm",
	.recognise	= kvm_apf_recognise,
	.cpu_online	= kvm_apf_cpu_online,
	.cpu_offline	= kvm_apf_cpu_offline,
	.repair		= kvm_apf_repair,
};

static void kvm_apf_give_up(struct work_struct *unused)
{
	pvfault_unregister(&kvm_apf_backend);
	pvfault_unavailable("this KVM host no longer offers async page faults");
	pr_warn_once("this host no longer offers async page faults\n");
}

/**
 * kvm_apf_suspend() - this CPU is about to run nothing, or another kernel
 *
 * For a suspend the core has already disabled notifications. A kexec that comes back
 * calls no notifier, so it must be done here.
 *
 * Context: on the last CPU, interrupts off.
 */
void kvm_apf_suspend(void)
{
	if (__this_cpu_read(kvm_apf_enabled))
		kvm_apf_write(MSR_KVM_ASYNC_PF_EN, 0);
}

/**
 * kvm_apf_resume() - undo of kvm_apf_suspend()
 *
 * The host then says READY for all.
 *
 * Context: on the only CPU, interrupts off.
 */
void kvm_apf_resume(void)
{
	if (__this_cpu_read(kvm_apf_enabled))
		kvm_apf_cpu_online(smp_processor_id());
}

/**
 * kvm_read_and_reset_apf_flags() - was the vmexit just taken a NOT_PRESENT?
 *
 * For the kernel's own KVM, when this guest is a host: the notification comes
 * as a #PF vmexit of the nested guest.
 *
 * Context: on the CPU of the vmexit, interrupts off, noinstr.
 * Return: 0 if not; else KVM_PV_REASON_PAGE_NOT_PRESENT and, above it, what
 * kvm_async_pf_task_wait_schedule() needs to know of this moment.
 */
noinstr u32 kvm_read_and_reset_apf_flags(void)
{
	if (!__this_cpu_read(kvm_apf_enabled) ||
	    !(kvm_apf_take_flags() & KVM_PV_REASON_PAGE_NOT_PRESENT))
		return 0;
	return pvfault_generation() << KVM_APF_GENERATION_SHIFT |
	       smp_processor_id() << KVM_APF_CPU_SHIFT | KVM_PV_REASON_PAGE_NOT_PRESENT;
}
EXPORT_SYMBOL_GPL(kvm_read_and_reset_apf_flags);

/**
 * kvm_async_pf_task_wait_schedule() - the vCPU's thread waits for READY
 * @token: from the vmexit
 * @flags: from kvm_read_and_reset_apf_flags()
 *
 * Context: process context that may sleep, but with interrupts off.
 */
void kvm_async_pf_task_wait_schedule(u32 token, u32 flags)
{
	unsigned int cpu = flags >> KVM_APF_CPU_SHIFT & ((1 << KVM_APF_CPU_BITS) - 1);
	u32 told = flags >> KVM_APF_GENERATION_SHIFT;
	u32 now = pvfault_generation();

	/*
	 * @flags has the lower bits of the generation. If they differ from today's, READY
	 * for all has come since: any other generation than today's says that.
	 */
	if (told != (now & (U32_MAX >> KVM_APF_GENERATION_SHIFT)))
		now--;
	pvfault_wait(token, now, cpu);
}
EXPORT_SYMBOL_GPL(kvm_async_pf_task_wait_schedule);

static int __init kvm_apf_register(void)
{
	int err = pvfault_register(&kvm_apf_backend);

	if (!err && (cc_platform_has(CC_ATTR_GUEST_STATE_ENCRYPT) ||
		     cpu_feature_enabled(X86_FEATURE_TDX_GUEST)))
		pr_info("encrypted state: the host may announce nothing, and in kernel mode it can't\n");
	return err;
}

static int __init kvm_apf_init(void)
{
	if (!hypervisor_is_type(X86_HYPER_KVM))
		return 0;
	if (!kvm_apf_wanted)
		pvfault_unavailable("switched off by no-kvmapf");
	else if (!kvm_para_has_feature(KVM_FEATURE_ASYNC_PF_INT))
		pvfault_unavailable(kvm_para_has_feature(KVM_FEATURE_ASYNC_PF) ?
				    "this CPU model of QEMU's lacks kvm-asyncpf-int=on" :
				    "this KVM host offers no async page faults");
	else if (!boot_cpu_has(X86_FEATURE_APIC))
		pvfault_unavailable("no local APIC");
	else
		return kvm_apf_register();
	return 0;
}
subsys_initcall(kvm_apf_init);
