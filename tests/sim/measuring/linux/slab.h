/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_SLAB_H
#define _SIM_LINUX_SLAB_H

#include <linux/types.h>

#define GFP_KERNEL		0
#define GFP_ATOMIC		0
#define kvcalloc(n, size, gfp)	calloc(n, size)
#define kzalloc(size, gfp)	calloc(1, size)
#define kvfree(p)		free(p)
#define kfree(p)		free(p)

#endif
