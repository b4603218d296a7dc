/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pvfault

#if !defined(_TRACE_PVFAULT_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PVFAULT_H

#include <linux/tracepoint.h>

/*
 * One event for each counter, all of one class. A wait is the pair
 * sleep ... wake, retry, probe or abandoned with the same token, fired by the
 * sleeping task itself.
 */
DECLARE_EVENT_CLASS(pvfault_token,
	TP_PROTO(u64 token),
	TP_ARGS(token),
	TP_STRUCT__entry(
		__field(u64, token)
	),
	TP_fast_assign(
		__entry->token = token;
	),
	TP_printk("token=%#llx", __entry->token)
);

#define PVFAULT_TRACE_EVENT(event)					\
	DEFINE_EVENT(pvfault_token, pvfault_##event,			\
		     TP_PROTO(u64 token), TP_ARGS(token))

PVFAULT_TRACE_EVENT(not_present);
PVFAULT_TRACE_EVENT(deferred);
PVFAULT_TRACE_EVENT(sleep);
PVFAULT_TRACE_EVENT(sleep_kernel);
PVFAULT_TRACE_EVENT(sleep_alloc);
PVFAULT_TRACE_EVENT(sleep_read);
PVFAULT_TRACE_EVENT(early_hit);
PVFAULT_TRACE_EVENT(wake);
PVFAULT_TRACE_EVENT(retry);
PVFAULT_TRACE_EVENT(probe);
PVFAULT_TRACE_EVENT(probe_held);
PVFAULT_TRACE_EVENT(abandoned);
PVFAULT_TRACE_EVENT(rejected);
PVFAULT_TRACE_EVENT(rejected_irqs);
PVFAULT_TRACE_EVENT(rejected_mode);
PVFAULT_TRACE_EVENT(rejected_no_mm);
PVFAULT_TRACE_EVENT(rejected_insn);
PVFAULT_TRACE_EVENT(rejected_atomic);
PVFAULT_TRACE_EVENT(rejected_state);
PVFAULT_TRACE_EVENT(ready);
PVFAULT_TRACE_EVENT(early);
PVFAULT_TRACE_EVENT(dropped);
PVFAULT_TRACE_EVENT(overwritten);
PVFAULT_TRACE_EVENT(ready_late);
PVFAULT_TRACE_EVENT(wake_all);
PVFAULT_TRACE_EVENT(repair);
PVFAULT_TRACE_EVENT(ahead);
PVFAULT_TRACE_EVENT(ahead_present);
PVFAULT_TRACE_EVENT(ahead_back);

#undef PVFAULT_TRACE_EVENT

/* Follows rejected. */
DECLARE_EVENT_CLASS(pvfault_place,
	TP_PROTO(u64 token, unsigned long ip),
	TP_ARGS(token, ip),
	TP_STRUCT__entry(
		__field(u64, token)
		__field(unsigned long, ip)
	),
	TP_fast_assign(
		__entry->token = token;
		__entry->ip = ip;
	),
	TP_printk("token=%#llx ip=%pS", __entry->token, (void *)__entry->ip)
);

DEFINE_EVENT(pvfault_place, pvfault_rejected_at,
	     TP_PROTO(u64 token, unsigned long ip), TP_ARGS(token, ip));

#endif /* _TRACE_PVFAULT_H */

#include <trace/define_trace.h>
