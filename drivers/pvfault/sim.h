/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the simulated hypervisor (sim_host.c) and its backend (sim.c) share: what a
 * page says that both see, for each CPU, and three calls.
 */
#ifndef PVFAULT_SIM_H
#define PVFAULT_SIM_H

#include <linux/percpu.h>
#include <linux/pvfault.h>
#include <linux/types.h>

#define SIM_RING	64	/* READYs; no less than PVFAULT_MAX_OUTSTANDING */

/**
 * struct sim_page - what the host and a CPU share
 * @ring: tokens that are READY
 * @prod: how many the host has put there
 * @cons: how many the backend has taken; all others are the host's to write
 * @all: how often there was READY for all
 */
struct sim_page {
	u64 ring[SIM_RING];
	u32 prod;
	u32 cons;
	u32 all;
};

extern const struct pvfault_backend sim_backend;

/* The host's interrupt: it has written something for this CPU. */
void sim_interrupt(void);

/* Hypercalls: notify this CPU, by this page, or not any more. */
int sim_host_on(struct sim_page *page);
void sim_host_off(void);

/* Stands in for the hypervisor's look at a fault, before the guest sees it. */
bool sim_host_withholds(struct pt_regs *regs, unsigned long address, pvfault_token_t *token);

/* The host's other doings, for debugfs and for the test. */
void sim_host_withhold(unsigned long start, unsigned long pages, pid_t pid);
void sim_host_say(unsigned int cpu, pvfault_token_t token, bool all);
void sim_host_notify(unsigned int cpu);
struct sim_page *sim_host_page(unsigned int cpu);

#endif /* PVFAULT_SIM_H */
