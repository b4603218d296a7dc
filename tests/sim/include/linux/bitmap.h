/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_BITMAP_H
#define _SIM_LINUX_BITMAP_H

#include <linux/bitops.h>

#define DECLARE_BITMAP(name, n)	unsigned long name[BITS_TO_LONGS(n)]

static inline unsigned int bitmap_weight(const unsigned long *bits, unsigned int n)
{
	unsigned int i, weight = 0;

	for (i = 0; i < n; i++)
		weight += test_bit(i, bits);
	return weight;
}

#endif
