/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_JIFFIES_H
#define _SIM_LINUX_JIFFIES_H

#include <linux/types.h>

#define HZ			1000
#define jiffies			READ_ONCE(sim_jiffies)
#define jiffies_to_msecs(j)	((unsigned int)(j))
#define msecs_to_jiffies(ms)	((unsigned long)(ms))
#define time_after_eq(a, b)	((long)((a) - (b)) >= 0)

#endif
