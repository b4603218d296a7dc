/* SPDX-License-Identifier: GPL-2.0 */
#ifndef PVLOAD_H
#define PVLOAD_H

#include <stdint.h>
#include <sys/types.h>

/* Writes one line of results. */
void report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* The number given as NAME=value on the kernel command line. */
long parameter(const char *name, long fallback);

/* A guest of our own on /dev/kvm, in a process of its own. */
pid_t tiny_guest_start(void);
void tiny_guest_stop(pid_t pid);

#endif
