/* SPDX-License-Identifier: GPL-2.0 */
/* For tests of guests only: where KVM calls the files of this folder. */
#ifndef __KVM_X86_TEST_HOOKS_H
#define __KVM_X86_TEST_HOOKS_H

#include <linux/kvm_host.h>

#ifdef CONFIG_KVM_TEST_HOST

/* lie.c */
void kvm_lie(struct kvm_vcpu *vcpu);
void kvm_lie_heard(u32 token);

/* lose.c */
bool kvm_lose_token(void);
bool kvm_lose_interrupt(void);

/* ready_by_fault.c */
bool kvm_wants_ready_by_fault(struct kvm_vcpu *vcpu);
bool kvm_may_inject_ready(struct kvm_vcpu *vcpu);
void kvm_inject_ready(struct kvm_vcpu *vcpu, u32 token);

#else

static inline void kvm_lie(struct kvm_vcpu *vcpu) { }
static inline void kvm_lie_heard(u32 token) { }
static inline bool kvm_lose_token(void) { return false; }
static inline bool kvm_lose_interrupt(void) { return false; }
static inline bool kvm_wants_ready_by_fault(struct kvm_vcpu *vcpu) { return false; }
static inline bool kvm_may_inject_ready(struct kvm_vcpu *vcpu) { return false; }
static inline void kvm_inject_ready(struct kvm_vcpu *vcpu, u32 token) { }

#endif

#endif
