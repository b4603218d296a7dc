/* SPDX-License-Identifier: GPL-2.0 */
/* The pager's messages: whole sentences, to stderr. */
#ifndef PVFAULT_LOG_H
#define PVFAULT_LOG_H

#include <stdbool.h>

extern bool log_verbose;
extern bool log_quiet;		/* tests: remember only */
/* Number of lines that could not be written. */
extern unsigned long log_unsaid;

/* Say something that the administrator must know. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Say something that helps only to find a fault: with --verbose. */
void chat(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Say why this ends. Return: @code */
int give_up(int code, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The last sentence that was said. */
const char *log_last(void);

#endif /* PVFAULT_LOG_H */
