/* SPDX-License-Identifier: GPL-2.0 */
/* The events are declared by the kernel's own header, and do nothing. */
#ifndef _SIM_LINUX_TRACEPOINT_H
#define _SIM_LINUX_TRACEPOINT_H

#include <linux/types.h>

#define TP_PROTO(...)	__VA_ARGS__
#define TP_ARGS(...)	__VA_ARGS__

#define DECLARE_EVENT_CLASS(name, ...)	struct sim_trace_class_##name
#define DEFINE_EVENT(class, name, proto, args)				\
	static inline void trace_##name(proto) { }			\
	struct sim_trace_class_##class

#endif
