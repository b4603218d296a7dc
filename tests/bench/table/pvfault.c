// SPDX-License-Identifier: GPL-2.0
/* The table of pvfault. It is included, because the part before the sleep is static. */

#include "../../../arch/x86/kernel/pvfault/table.c"
#include "../../../arch/x86/kernel/pvfault/marks.c"
#include "../../../arch/x86/kernel/pvfault/batch.c"
#include "../../../arch/x86/kernel/pvfault/scan.c"

#include "table.h"

DEFINE_PER_CPU(struct pvfault_counters, pvfault_counters);
DEFINE_PER_CPU(struct pvfault_waits, pvfault_waits);

/* The watch: nothing is due, and READY for all is done at once. */

unsigned long pvfault_deadline = ~0UL >> 2;

void pvfault_watch_arm(void)
{
}

void pvfault_watch_kick(void)
{
	struct cpumask repair = {};
	struct pvfault_scan scan = {
		.repair = &repair, .repair_age = ~0UL, .budget = 4096,
	};

	while (!pvfault_table_scan(&scan))
		;
}

void pvfault_probe_offer(const struct pvfault_told *told, struct task_struct *task)
{
}

enum pvfault_turn pvfault_probe_turn(const struct pvfault_told *told)
{
	return PVFAULT_SLEEP_ON;
}

void pvfault_probe_over(const struct pvfault_told *told)
{
}

void pvfault_probe_keep_warm(int cpu)
{
}

void pvfault_probe_cancel(const struct pvfault_told *told)
{
}

static void init(void)
{
	if (pvfault_table_init())
		abort();
}

static bool told(void *node, uint32_t token)
{
	struct pvfault_sleeper *s = node;

	*s = (struct pvfault_sleeper) {
		.node = { .token = token, .state = PVFAULT_SLEEPING },
		.task = current,
		.told = {
			.token = token,
			.cpu = sim_cpu,
			.generation = pvfault_generation(),
			.since = jiffies,
		},
	};
	return pvfault_queue(s);
}

static void ready(uint32_t token)
{
	pvfault_ready(token);
}

const struct table pvfault_table = {
	.name = "pvfault",
	.node_size = sizeof(struct pvfault_sleeper),
	.init = init,
	.told = told,
	.ready = ready,
	.ready_all = pvfault_ready_all,
};
