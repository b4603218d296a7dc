/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For every program that runs as a guest's /init.
 *
 * Results go to the second serial port, or where guest.results= on the kernel
 * command line says. A Xen guest has no second serial port; it writes them to
 * /dev/kmsg, where each is a record that stays in one piece on the console;
 * there "guest: " comes before the key.
 */
#ifndef GUEST_H
#define GUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Mount what a guest needs and open the port for results. */
void guest_start(void);

/* Say that it came to its end, and end. */
void guest_end(void) __attribute__((noreturn));

/* Results go to /dev/TTY from here on, in lines as before. */
void report_to(const char *tty);

/* Write one line of results, "key value". */
void report(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Wait for a line of the host's on /dev/TTY. */
void await_line(const char *tty);

/* CLOCK_MONOTONIC in nanoseconds. */
uint64_t now_ns(void);

/* Write TEXT to a file that exists; false if that doesn't work, see errno. */
bool write_file(const char *path, const char *text);

/* The number at the beginning of a file; -1 if it can't be read. */
long read_number(const char *path);

/* The value of NAME=value on the kernel command line; false if it isn't there. */
bool parameter_text(const char *name, char *value, size_t size);
long parameter(const char *name, long fallback);

#endif
