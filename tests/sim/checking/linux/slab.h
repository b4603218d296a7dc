/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_SLAB_H
#define _SIM_LINUX_SLAB_H

#include <linux/types.h>

#define GFP_KERNEL			0
#define kvcalloc(n, size, gfp)		((void)(gfp), sim_alloc(n, size))
#define kvfree(p)			sim_free(p)

#endif
