/* SPDX-License-Identifier: GPL-2.0 */
/* What the KVM backend shows to its test, which plays the host. */
#ifndef PVFAULT_KVM_H
#define PVFAULT_KVM_H

#include <linux/pvfault.h>
#include <linux/types.h>

/**
 * struct kvm_apf_host - a KVM host that isn't there
 * @read: rdmsr; sets *@value. Context: interrupts off. Return: 0 or a negative error
 * @write: wrmsr. Context: as @read. Return: as @read
 */
struct kvm_apf_host {
	int (*read)(u32 msr, u64 *value);
	int (*write)(u32 msr, u64 value);
};

/* In the host's place; NULL: the host itself. */
#ifdef CONFIG_PVFAULT_KIT
extern const struct kvm_apf_host *kvm_apf_played;
#else
#define kvm_apf_played	((const struct kvm_apf_host *)NULL)
#endif

extern const struct pvfault_backend kvm_apf_backend;

#endif /* PVFAULT_KVM_H */
