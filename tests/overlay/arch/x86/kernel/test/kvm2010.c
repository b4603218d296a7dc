// SPDX-License-Identifier: GPL-2.0
/*
 * KVM's async page faults as of 2010, for tests: NOT_PRESENT and READY are both a #PF
 * with error code 0 and the token in CR2, and a word in memory says which. No interrupt,
 * no acknowledgment, and nothing to look for if one is lost.
 */
#include <linux/hardirq.h>
#include <linux/init.h>
#include <linux/kvm_para.h>
#include <linux/limits.h>
#include <linux/percpu.h>
#include <linux/pvfault.h>

#include <asm/hypervisor.h>
#include <asm/msr.h>
#include <asm/pgtable_types.h>

#define TOKEN_ALL	(~0U)

static DEFINE_PER_CPU(struct kvm_vcpu_pv_apf_data, area) __aligned(64);

static noinstr enum pvfault_kind recognise(struct pt_regs *regs, unsigned long error_code,
					   unsigned long address, pvfault_token_t *token)
{
	u32 reason;

	if (likely(error_code) || address > U32_MAX || in_nmi())
		return PVFAULT_GENUINE;
	reason = __this_cpu_read(area.flags);
	if (!reason)
		return PVFAULT_GENUINE;
	__this_cpu_write(area.flags, 0);
	*token = address;
	if (reason == KVM_PV_REASON_PAGE_NOT_PRESENT)
		return PVFAULT_NOT_PRESENT;
	return address == TOKEN_ALL ? PVFAULT_READY_ALL : PVFAULT_READY;
}

static int cpu_on(unsigned int cpu)
{
	u64 en = slow_virt_to_phys(this_cpu_ptr(&area)) | KVM_ASYNC_PF_ENABLED;

	if (pvfault_kernel_mode())
		en |= KVM_ASYNC_PF_SEND_ALWAYS;
	__this_cpu_write(area.flags, 0);
	return wrmsrl_safe(MSR_KVM_ASYNC_PF_EN, en);
}

static void cpu_off(unsigned int cpu)
{
	wrmsrl_safe(MSR_KVM_ASYNC_PF_EN, 0);
}

static const struct pvfault_backend kvm_2010 = {
	.name		= "kvm-2010",
	.recognise	= recognise,
	.cpu_online	= cpu_on,
	.cpu_offline	= cpu_off,
};

static int __init kvm_2010_init(void)
{
	if (!hypervisor_is_type(X86_HYPER_KVM) || !kvm_para_has_feature(KVM_FEATURE_ASYNC_PF))
		return 0;
	return pvfault_register(&kvm_2010);
}
subsys_initcall(kvm_2010_init);
