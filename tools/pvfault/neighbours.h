/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The domain's other devices.
 *
 * A backend that gets a page which is out asks Xen for it, and waits. netback does so
 * where it mustn't sleep, and Xen crashes the domain if that falls into a takeover. QEMU
 * may write to a page on its way out, and Xen doesn't notice. So a device is allowed only
 * if it never hands out a page of the guest's programs: devices that share pages of their
 * own, and network cards and disks whose drivers copy everything, which the toolstack
 * makes them do: by "untrusted" in xl.cfg, or by the node "trusted".
 */
#ifndef PVFAULT_NEIGHBOURS_H
#define PVFAULT_NEIGHBOURS_H

#include <stdbool.h>
#include <stddef.h>

struct pager;

/**
 * neighbours_allow() - may the domain be paged beside its other devices?
 * @p: the pager
 * @why: if not: a sentence
 * @size: of @why
 *
 * Return: true also if XenStore doesn't say.
 */
bool neighbours_allow(struct pager *p, char *why, size_t size);

#endif /* PVFAULT_NEIGHBOURS_H */
