/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_HASH_H
#define _SIM_LINUX_HASH_H

#include <linux/types.h>

static inline u32 hash_32(u32 value, unsigned int bits)
{
	return (value * 0x61c88647U) >> (32 - bits);
}

static inline u32 hash_64(u64 value, unsigned int bits)
{
	return (value * 0x61c8864680b583ebULL) >> (64 - bits);
}

#endif
