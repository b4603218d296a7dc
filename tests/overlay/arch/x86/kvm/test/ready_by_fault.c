// SPDX-License-Identifier: GPL-2.0
/* For tests of guests only: READY is a #PF, as KVM had it before Linux 5.8. */
#include <linux/kvm_host.h>
#include <linux/moduleparam.h>

#include <asm/kvm_para.h>

#include "hooks.h"
#include "mmu.h"
#include "x86.h"

static bool ready_by_fault;
module_param(ready_by_fault, bool, 0644);

/* Is READY a #PF for this guest? */
bool kvm_wants_ready_by_fault(struct kvm_vcpu *vcpu)
{
	u64 mask = KVM_ASYNC_PF_ENABLED | KVM_ASYNC_PF_DELIVERY_AS_INT;

	return READ_ONCE(ready_by_fault) &&
	       (vcpu->arch.apf.msr_en_val & mask) == KVM_ASYNC_PF_ENABLED;
}

/* Only where a #PF may come, and the guest has read the reason of the last one. */
bool kvm_may_inject_ready(struct kvm_vcpu *vcpu)
{
	u32 reason;

	return !kvm_read_guest_cached(vcpu->kvm, &vcpu->arch.apf.data, &reason,
				      sizeof(reason)) && !reason &&
	       !is_guest_mode(vcpu) && is_paging(vcpu) && kvm_can_do_async_pf(vcpu);
}

void kvm_inject_ready(struct kvm_vcpu *vcpu, u32 token)
{
	u32 reason = KVM_PV_REASON_PAGE_READY;
	struct x86_exception fault = {
		.vector = PF_VECTOR,
		.error_code_valid = true,
		.address = token,
		.async_page_fault = true,
	};

	if (!kvm_write_guest_cached(vcpu->kvm, &vcpu->arch.apf.data, &reason, sizeof(reason)))
		kvm_inject_page_fault(vcpu, &fault, false);
}
