/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The domain's other devices.
 *
 * A backend that is handed a page which is out asks Xen for it, and waits: netback does
 * so where it mustn't sleep, and Xen lets the domain crash if that falls into a takeover.
 * QEMU may write to a page on its way out without anybody's notice. So only such devices
 * are allowed as never hand out a page of the guest's programs: those that share pages
 * of their own, and network cards and disks whose drivers copy everything, which the
 * toolstack makes them do ("untrusted" in xl.cfg).
 */
#ifndef PVFAULT_NEIGHBOURS_H
#define PVFAULT_NEIGHBOURS_H

#include <stdbool.h>
#include <stddef.h>

struct pager;

/**
 * neighbours_allow() - whether the domain may be paged beside its other devices
 * @p: the pager
 * @why: if not: a sentence
 * @size: of @why
 *
 * Return: true also if XenStore doesn't say.
 */
bool neighbours_allow(struct pager *p, char *why, size_t size);

#endif /* PVFAULT_NEIGHBOURS_H */
