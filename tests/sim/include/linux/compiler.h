/* SPDX-License-Identifier: GPL-2.0 */
#ifndef _SIM_LINUX_COMPILER_H
#define _SIM_LINUX_COMPILER_H

#include "sim.h"

#define noinstr
#define __percpu
#define __read_mostly
#define __maybe_unused		__attribute__((unused))
#define EXPORT_SYMBOL_GPL(name)	extern int sim_exported_##name

#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))

#define READ_ONCE(x)		__atomic_load_n(&(x), SIM_RELAXED)
/* Annotations for KCSAN alone. */
#define data_race(x)		(x)
#define WRITE_ONCE(x, v)						\
do {									\
	__atomic_store_n(&(x), v, SIM_RELAXED);				\
	sim_point(SIM_STORED);						\
} while (0)

#define container_of(ptr, type, member) \
	((type *)((char *)(ptr) - offsetof(type, member)))

#define max_t(type, a, b)						\
({									\
	type __a = (a), __b = (b);					\
	__a > __b ? __a : __b;						\
})
#define min_t(type, a, b)						\
({									\
	type __a = (a), __b = (b);					\
	__a < __b ? __a : __b;						\
})

#ifndef pr_fmt
#define pr_fmt(fmt) fmt
#endif
#define pr_warn(fmt, ...)		sim_warn(pr_fmt(fmt), ##__VA_ARGS__)
#define pr_warn_once			pr_warn
#define pr_warn_ratelimited		pr_warn

#endif
