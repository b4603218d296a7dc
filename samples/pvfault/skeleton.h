/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the skeleton's hypervisor and its guest share: a page for each CPU, and two
 * hypercalls. The hypervisor doesn't exist; skeleton_test.c plays it.
 */
#ifndef SKELETON_H
#define SKELETON_H

#include <linux/types.h>

/*
 * No genuine #PF has an address that isn't canonical: bit 63 set, bits 56 and 47 clear,
 * so that it is none with address masking either.
 */
#define SKEL_CR2	0xd26b656c00000000UL

#define SKEL_NOT_PRESENT	1
#define SKEL_READY		2

#define SKEL_RING	64

/* The host writes all but @kind, which the guest empties, @cons and @kernel_mode. */
struct skel_page {
	u32 kind;		/* of the #PF that comes now; 0: it was taken */
	u32 all;		/* how often there was READY for all */
	u64 token;		/* of the #PF */
	u32 prod;		/* READYs that were put into the ring */
	u32 cons;		/* and that were taken out of it */
	u32 kernel_mode;	/* notify in kernel mode, too */
	u64 ring[SKEL_RING];
};

enum skel_call {
	SKEL_ON,		/* notify this CPU, by this page */
	SKEL_OFF,
};

/* The hypercall. Context: interrupts off. Return: 0, or a negative error. */
extern int (*skel_hypercall)(enum skel_call call, struct skel_page *page);

extern const struct pvfault_backend skel_backend;

void skel_interrupt(void);

#endif /* SKELETON_H */
