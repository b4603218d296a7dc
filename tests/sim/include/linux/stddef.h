/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_STDDEF_H
#define _SIM_LINUX_STDDEF_H

#include <assert.h>
#include <stddef.h>

#endif
