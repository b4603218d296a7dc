/* SPDX-License-Identifier: GPL-2.0 */
#ifndef TINYGUEST_H
#define TINYGUEST_H

#include <sys/types.h>

/* A guest of our own on /dev/kvm, in a process of its own. */
pid_t tiny_guest_start(void);
void tiny_guest_stop(pid_t pid);

#endif
