# SPDX-License-Identifier: GPL-2.0
"""Guests whose tasks sleep in kernel mode: in system calls that touch pages that are
out."""

import kvm
import xen
from checks import READS, check_guest
from guests import guest_initrd

# So many tasks, each on a way of its own.
WAYS = ("pread", "pwrite", "pipe", "socket", "futex", "fresh", "uring", "sqlite", "redis",
        "touch")
# Each of them makes some steps, however slow the machine is.
STEPS = 10
LOAD = (f"load.way={','.join(WAYS)} load.tasks={len(WAYS)} load.places=1 "
        f"load.steps={STEPS}")

# All there are; see internal.h.
REASONS = ("irqs", "mode", "no_mm", "insn", "atomic", "state")

SABOTAGES = {"flip": "memory verified", "user": "slept in kernel mode"}

# For Xen: some 15 MiB are out. With so many tasks each page takes the pager 20 ms.
PAGER = "--target 205"


def rejections(guest):
    return {r: guest.counter(f"rejected_{r}") for r in REASONS}


def check_kernel(v, guest, ways=WAYS):
    """Checks of a guest that sleeps in kernel mode, under any hypervisor."""
    name, c = guest.name, guest.counter
    v.check(f"{name}: slept in kernel mode", c("sleep_kernel") > 50, c("sleep_kernel"))
    check_reasons(v, guest)
    v.check(f"{name}: no rejection that must not be",
            not c("rejected_mode") and not c("rejected_irqs"), rejections(guest))
    idle = [w for i, w in enumerate(ways) if guest.get(f"steps.{w}{i}", 0) < STEPS]
    v.check(f"{name}: every way was walked", not idle, idle)


def check_reasons(v, guest):
    c = guest.counter
    v.check(f"{guest.name}: every rejection has its reason",
            c("rejected") == sum(rejections(guest).values()),
            f"{c('rejected')}: {rejections(guest)}")


def places(guest):
    """The functions in which notifications were rejected, and how often."""
    prefix = "place."
    return {k.removeprefix(prefix): int(n) for k, n in guest.said.items()
            if k.startswith(prefix)}


def report_kernel(v, guest):
    v.metrics.update(corrupt=guest.get("corrupt", -1), overlap=guest.get("overlap"),
                     async_faults=guest.counter("sleep"),
                     sleeps_in_kernel=guest.counter("sleep_kernel"),
                     rejected=guest.counter("rejected"), rejections=rejections(guest),
                     rejected_at=places(guest), retries=guest.counter("retry"),
                     worst_touch_ms=guest.get("worst_touch_ms"))


def mode(sabotage):
    """The command line with one thing broken, or none."""
    if sabotage == "user":
        return "pvfault=user"
    return f"pvfault=kernel load.sabotage={sabotage}" if sabotage else "pvfault=kernel"


def check_l2(v, guest):
    check_guest(v, guest)
    check_kernel(v, guest)


def usual(**more):
    """How these guests are run."""
    return {"reads": 2 * READS, "initrd": guest_initrd(libs=True), **more}


def under_kvm(v, guest, check=check_l2, **more):
    """A scenario's steps: boot GUEST alone, call CHECK, and check what it did in kernel
    mode."""
    yield kvm.host(guest, **usual(**more))
    check(v, guest)
    report_kernel(v, guest)


def under_xen(v, guest, check=check_kernel, **more):
    """The same under Xen."""
    yield xen.host(guest, **usual(**more))
    xen.check_paged(v, guest)
    check(v, guest)
    report_kernel(v, guest)
