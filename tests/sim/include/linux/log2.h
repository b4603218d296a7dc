/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_LOG2_H
#define _SIM_LINUX_LOG2_H

#include <linux/types.h>

static inline unsigned int ilog2(unsigned long n)
{
	return 8 * sizeof(n) - 1 - __builtin_clzl(n);
}

static inline unsigned long roundup_pow_of_two(unsigned long n)
{
	return n > 1 ? 2UL << ilog2(n - 1) : 1;
}

#endif
