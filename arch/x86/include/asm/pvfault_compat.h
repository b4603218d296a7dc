/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pvfault is one source for several versions of Linux, and uses the names of the latest.
 * Here is what older ones call them. What differs in one place only is said there.
 */
#ifndef _ASM_X86_PVFAULT_COMPAT_H
#define _ASM_X86_PVFAULT_COMPAT_H

#include <linux/hrtimer.h>

#include <asm/msr.h>

/* Before Linux 6.16. */
#ifndef rdmsrq
#define rdmsrq_safe	rdmsrl_safe
#define wrmsrq		wrmsrl
#define wrmsrq_safe	wrmsrl_safe

#define hrtimer_setup(timer, callback, clock, mode)	\
do {							\
	struct hrtimer *__timer = (timer);		\
							\
	hrtimer_init(__timer, clock, mode);		\
	__timer->function = (callback);			\
} while (0)
#endif

/* Linux 7.3 has struct folio_batch in a header of its own. */
#if __has_include("linux/folio_batch.h")
#include <linux/folio_batch.h>
#else
#include <linux/pagevec.h>
#endif

#endif /* _ASM_X86_PVFAULT_COMPAT_H */
