/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_ERRNO_H
#define _SIM_LINUX_ERRNO_H

#include <asm/errno.h>

#endif
