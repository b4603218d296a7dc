/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_HASH_H
#define _SIM_LINUX_HASH_H

#include <linux/types.h>

static inline u32 hash_64(u64 value, unsigned int bits)
{
	u32 all = (1U << bits) - 1;

	switch (sim_hash) {
	case SIM_HASH_PLAIN:
		return value & all;
	case SIM_HASH_FEW:
		return value & 3;
	case SIM_HASH_ONE:
		return 1;
	default:
		return (value * 0x9e3779b97f4a7c15ULL) >> (64 - bits);
	}
}

#endif
