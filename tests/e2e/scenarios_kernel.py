# SPDX-License-Identifier: GPL-2.0
"""Faults in kernel mode: system calls that touch what the host has taken away."""

import re

import rig
from checks import READS, check_guest, least
from kernelmode import (LOAD, PAGER, SABOTAGES, check_kernel, mode, places, under_kvm,
                        under_xen)
from kvm import KCSAN, L2
from registry import scenario, show_sabotages
from xen import domu

# Ways to sleep with a lock held that the other tasks want; see locks.c.
LOCKS = ("lockfile", "lockpipe", "lockdir")


@scenario(minutes=2, quick=True, sabotages=SABOTAGES, shown_by="kernel-sabotage")
def kvm_kernel(v, sabotage):
    """Ten tasks with system calls on swapped memory: pread, pwrite, pipe, socket, futex,
    io_uring, SQLite, redis, or that allocate what was swapped while free; 1 vCPU."""
    secs = "load.secs=4 load.alone=1" if sabotage else "load.secs=15 load.alone=2"
    yield from under_kvm(v, L2("kernel", f"{mode(sabotage)} {LOAD} {secs}"))


@scenario(minutes=2)
def kernel_sabotage(v):
    """The checks of kvm-kernel can fail: its sabotages, in one boot of the host."""
    yield from show_sabotages(v)


@scenario(minutes=2)
def kvm_kernel_smp(v):
    """kvm-kernel with 2 vCPUs, and without preemption in the kernel."""
    yield from under_kvm(v, L2(
        "smp", f"{mode('')} {LOAD} load.secs=8 load.alone=1 preempt=none", vcpus=2))


def check_locks(v, guest):
    check_guest(v, guest)
    check_kernel(v, guest, LOCKS)
    for where in ("generic_perform_write", "pipe_write", "pipe_read", "iterate_dir"):
        seen = guest.get(f"asleep_in.{where}", 0)
        v.check(f"{guest.name}: seen asleep in {where}(), with its lock", seen > 0, seen)
        v.metrics[f"asleep_in {where}"] = seen
    v.check(f"{guest.name}: no wait ran into its deadline", guest.counter("retry") == 0,
            guest.counter("retry"))


@scenario(minutes=2, also=SABOTAGES)
def kvm_kernel_locks(v, sabotage):
    """Twelve tasks on one file, one pipe, one directory: they are seen asleep with its
    lock, and none waits until its deadline, because READY needs none of these locks."""
    guest = L2("locks", f"{mode(sabotage)} load.way={','.join(LOCKS)} load.tasks=12 "
               "load.mb=240 load.locks=1 load.secs=20 load.alone=1", vcpus=2)
    yield from under_kvm(v, guest, check_locks, memory="110M", reads=4 * READS, initrd=None)


def check_alloc(v, guest, times=20):
    """It slept so many TIMES as often as its vCPU stood still where pages are cleared."""
    check_guest(v, guest)
    check_kernel(v, guest, ("fresh",))
    slept, not_slept = guest.counter("sleep_kernel"), places(guest).get("clear_page_erms", 0)
    v.check(f"{guest.name}: where new pages are cleared it hardly stood still",
            not_slept * times < slept, f"{not_slept} times; slept {slept} times")


@scenario(minutes=2, quick=True, also=SABOTAGES)
def kvm_kernel_alloc(v, sabotage):
    """Eight tasks that allocate memory which the host took while it was free."""
    guest = L2("alloc", f"{mode(sabotage)} load.way=fresh load.places=1 load.secs=15 "
               "load.alone=2")
    yield from under_kvm(v, guest, check_alloc, initrd=None)


@scenario(minutes=2, also=SABOTAGES)
def kvm_kernel_alloc_plain(v, sabotage):
    """kvm-kernel-alloc with init_on_alloc=0: the allocator leaves processes' huge pages as
    they are, and folio_zero_user() clears them. The first one, of 512 pages, is what arms
    the hook there."""
    guest = L2("plain", f"{mode(sabotage)} init_on_alloc=0 load.way=fresh load.huge=1 "
               "load.tasks=2 load.places=1 load.secs=15 load.alone=2")
    yield from under_kvm(v, guest, lambda v, guest: check_alloc(v, guest, 5), initrd=None,
                         reads=4 * READS)
    least(v, guest, "huge pages were cleared", "huge_pages.after", 50)
    v.metrics["huge_pages"] = guest.get("huge_pages.after")


def check_tortured(v, guest):
    """Checks of rcutorture's reports: its writer made versions, and no reader saw one that
    was over."""
    made = [int(n) for n in re.findall(r"rcu-torture: .*ver: (\d+) ", guest.console)]
    v.check(f"{guest.name}: RCU was tortured", len(made) > 2 and made[-1] > made[0] > 0, made)
    bad = [line for line in guest.console.splitlines() if "torture" in line and "!!!" in line]
    v.check(f"{guest.name}: no reader saw too much", not bad, bad[:3])
    v.metrics["torture_versions"] = made[-1] if made else 0
    check_kernel(v, guest)


def check_l2_tortured(v, guest):
    check_guest(v, guest)
    check_tortured(v, guest)


# If its writer makes nothing for so many seconds, rcutorture reports a stall. Its other
# checks against the clock (callbacks, and grace periods when it pauses) are off, because an
# emulated machine whose vCPUs are held can't pass them.
TORTURE = "rcutorture.stat_interval=15 rcutorture.fwd_progress=0 rcutorture.stutter=0"


@scenario(kernels=("main", "torture"), minutes=4, also=SABOTAGES)
def kvm_kernel_torture(v, sabotage):
    """kvm-kernel under rcutorture, with strict grace periods, lockdep, atomic-sleep
    checks."""
    guest = L2("torture", f"{mode(sabotage)} {LOAD} {TORTURE} "
               "load.secs=60 load.alone=1 load.mb=128", vcpus=2, limit=500)
    yield from under_kvm(v, guest, check_l2_tortured, memory="130M",
                         l2_kernel=rig.kernel("torture"))


@scenario(kernels=("main", "torture", "xen"), minutes=4, also=SABOTAGES)
def xen_kernel_torture(v, sabotage):
    """xen-kernel under rcutorture, as kvm-kernel-torture."""
    guest = domu("torture", f"{mode(sabotage)} {LOAD} {TORTURE} load.secs=60 load.alone=1",
                 pager=PAGER, vcpus=2, limit=500)
    yield from under_xen(v, guest, check_tortured, domu_kernel=rig.kernel("torture"))


@scenario(kernels=("main", "xen"), minutes=2, also=SABOTAGES)
def xen_kernel(v, sabotage):
    """kvm-kernel under Xen, 1 vCPU, on a processor without SMAP."""
    yield from under_xen(v, domu(
        "kernel", f"{mode(sabotage)} {LOAD} load.secs=15 load.alone=2", pager=PAGER))


@scenario(kernels=("main", "kcsan"), minutes=3, also=SABOTAGES)
def kvm_kernel_kcsan(v, sabotage):
    """kvm-kernel with KCSAN of pvfault's files in L2."""
    guest = L2("kcsan", f"{mode(sabotage)} {LOAD} {KCSAN} load.secs=20 load.alone=1 "
               "load.mb=128", vcpus=2)
    yield from under_kvm(v, guest, memory="130M", l2_kernel=rig.kernel("kcsan"))


@scenario(kernels=("main", "debug"), minutes=6)
def kvm_kernel_debug(v):
    """kvm-kernel with lockdep, raw-lock nesting, atomic-sleep checks and KASAN in L2."""
    guest = L2("debug", f"{mode('')} {LOAD} load.secs=60 load.alone=1 load.mb=128",
               vcpus=2, mib=512, limit=500)
    yield from under_kvm(v, guest, memory="150M", l2_kernel=rig.kernel("debug"))


@scenario(kernels=("main", "rt"), minutes=4, also=SABOTAGES)
def kvm_kernel_rt(v, sabotage):
    """kvm-kernel with PREEMPT_RT, lockdep and atomic-sleep checks in L2."""
    guest = L2("rt", f"{mode(sabotage)} {LOAD} load.secs=30 load.alone=1 load.mb=128",
               vcpus=2, limit=500)
    yield from under_kvm(v, guest, memory="130M", l2_kernel=rig.kernel("rt"))
