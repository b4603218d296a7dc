/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_TYPES_H
#define _SIM_LINUX_TYPES_H

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef int s32;
typedef long long s64;
typedef unsigned int gfp_t;

/* For headers of the kernel's that the C library includes, maybe from below. */
typedef u8 __u8;
typedef u16 __u16;
typedef u32 __u32;
typedef u64 __u64;
typedef s32 __s32;
typedef s64 __s64;

#include <linux/compiler.h>

#endif
