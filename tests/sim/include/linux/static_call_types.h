/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_STATIC_CALL_TYPES_H
#define _SIM_LINUX_STATIC_CALL_TYPES_H

#define DECLARE_STATIC_CALL(name, func)	extern typeof(func) *sim_static_call_##name

#endif
