/* SPDX-License-Identifier: GPL-2.0 */
/* Messages to the service manager, if there is one: see sd_notify(3). */
#ifndef PVFAULT_NOTIFY_H
#define PVFAULT_NOTIFY_H

/**
 * notify() - report the state to the service manager
 * @fmt: lines of NAME=VALUE, as sd_notify(3) has them
 *
 * Context: never waits. Without $NOTIFY_SOCKET it does nothing.
 */
void notify(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif /* PVFAULT_NOTIFY_H */
