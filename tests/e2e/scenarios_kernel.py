# SPDX-License-Identifier: GPL-2.0
"""Faults in kernel mode: system calls that touch what the host has taken away."""

import re

import kvm
import rig
import scenarios_life
import xen
from guests import guest_initrd
from scenarios import KCSAN, READS, check_guest, judge_sabotages, known_sabotage, scenario
from scenarios_xen import check_paged, domu

# So many tasks, each on a way of its own.
WAYS = ("pread", "pwrite", "pipe", "socket", "futex", "fresh", "uring", "sqlite", "redis",
        "touch")
LOAD = f"load.way={','.join(WAYS)} load.tasks={len(WAYS)} load.places=1"

# Ways on what all tasks share, whose lock is held where they sleep; see locks.c.
LOCKS = ("lockfile", "lockpipe", "lockdir")

# All there are; see internal.h.
REASONS = ("irqs", "mode", "no_mm", "insn", "atomic", "state")

# A sabotage, and the check that it must turn red.
TURNS_RED = {"flip": "memory verified", "user": "slept in kernel mode"}


def rejections(guest):
    return {r: guest.counter(f"rejected_{r}") for r in REASONS}


def check_kernel(v, guest, ways=WAYS):
    """What holds for a guest that sleeps in kernel mode, whatever runs it."""
    name, c = guest.name, guest.counter
    v.check(f"{name}: slept in kernel mode", c("sleep_kernel") > 50, c("sleep_kernel"))
    v.check(f"{name}: every rejection has its reason",
            c("rejected") == sum(rejections(guest).values()),
            f"{c('rejected')}: {rejections(guest)}")
    v.check(f"{name}: no rejection that must not be",
            not c("rejected_mode") and not c("rejected_irqs"), rejections(guest))
    idle = [w for i, w in enumerate(ways) if guest.get(f"steps.{w}{i}", 0) < 10]
    v.check(f"{name}: every way was walked", not idle, idle)


def places(guest):
    """The kernel's functions in which tasks could not sleep, and how often."""
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


def alone(name, guest, check=check_l2, **more):
    """As scenarios_life.alone(), with what this guest did in kernel mode."""
    v = scenarios_life.alone(name, guest, check, **usual(**more))
    report_kernel(v, guest)
    return v


@scenario("kvm-kernel")
def kvm_kernel(sabotage):
    """System calls on memory that the host swaps, 1 vCPU."""
    known_sabotage("kvm-kernel", sabotage, usual=TURNS_RED)
    return alone("kvm-kernel", kvm.L2(
        "kernel", f"{mode(sabotage)} {LOAD} load.secs=15 load.alone=2"))


@scenario("kvm-kernel-smp")
def kvm_kernel_smp(sabotage):
    """The same with 2 vCPUs, and without preemption in the kernel."""
    return alone("kvm-kernel-smp", kvm.L2(
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


@scenario("kvm-kernel-locks")
def kvm_kernel_locks(sabotage):
    """Tasks fall asleep with locks that all others want: READY needs none of them."""
    known_sabotage("kvm-kernel-locks", sabotage, usual=TURNS_RED)
    guest = kvm.L2("locks", f"{mode(sabotage)} load.way={','.join(LOCKS)} load.tasks=12 "
                   "load.mb=240 load.locks=1 load.secs=20 load.alone=1", vcpus=2)
    return alone("kvm-kernel-locks", guest, check_locks, memory="110M", reads=4 * READS,
                 initrd=None)


def check_alloc(v, guest):
    check_guest(v, guest)
    check_kernel(v, guest, ("fresh",))
    slept, not_slept = guest.counter("sleep_kernel"), places(guest).get("clear_page_erms", 0)
    v.check(f"{guest.name}: where new pages are cleared it hardly stood still",
            not_slept * 20 < slept, f"{not_slept} times; slept {slept} times")


@scenario("kvm-kernel-alloc")
def kvm_kernel_alloc(sabotage):
    """Tasks that allocate memory which the host took while it was free."""
    known_sabotage("kvm-kernel-alloc", sabotage, usual=TURNS_RED)
    guest = kvm.L2("alloc", f"{mode(sabotage)} load.way=fresh load.places=1 load.secs=15 "
                   "load.alone=2")
    return alone("kvm-kernel-alloc", guest, check_alloc, initrd=None)


def check_tortured(v, guest):
    """What rcutorture says while it runs: versions that its writer made, and marks where
    a reader saw one that was over."""
    made = [int(n) for n in re.findall(r"rcu-torture: .*ver: (\d+) ", guest.console)]
    v.check(f"{guest.name}: RCU was tortured", len(made) > 2 and made[-1] > made[0] > 0, made)
    bad = [line for line in guest.console.splitlines() if "torture" in line and "!!!" in line]
    v.check(f"{guest.name}: no reader saw too much", not bad, bad[:3])
    v.metrics["torture_versions"] = made[-1] if made else 0
    check_kernel(v, guest)


def check_l2_tortured(v, guest):
    check_guest(v, guest)
    check_tortured(v, guest)


# Where its writer makes nothing for so many seconds, it tells of a stall. What it holds
# against the clock beside that, callbacks, and grace periods when it pauses, isn't for
# an emulated machine whose vCPUs are held.
TORTURE = "rcutorture.stat_interval=15 rcutorture.fwd_progress=0 rcutorture.stutter=0"


@scenario("kvm-kernel-torture")
def kvm_kernel_torture(sabotage):
    """Under rcutorture, with strict grace periods, lockdep, and atomic-sleep checks."""
    known_sabotage("kvm-kernel-torture", sabotage, usual=TURNS_RED)
    guest = kvm.L2("torture", f"{mode(sabotage)} {LOAD} {TORTURE} "
                   "load.secs=60 load.alone=1 load.mb=128", vcpus=2, limit=500)
    return alone("kvm-kernel-torture", guest, check_l2_tortured, memory="130M",
                 l2_kernel=rig.kernel("torture"))


@scenario("kernel-sabotage")
def kernel_sabotage(sabotage):
    """The checks of kvm-kernel can fail: sabotage them one by one, in one boot."""
    guests = [kvm.L2(what, f"{mode(what)} {LOAD} load.secs=4 load.alone=1")
              for what in TURNS_RED]
    kvm.run_guests("kernel-sabotage", guests, **usual())
    return judge_sabotages(rig.Verdict("kernel-sabotage"), guests, check_l2, TURNS_RED)


def xen_alone(name, guest, check, **more):
    """The same under Xen."""
    v = rig.Verdict(name)
    v.check("the consoles of Xen and dom0 are clean",
            not xen.run_guests(name, [guest], **usual(**more)))
    check_paged(v, guest)
    check(v, guest)
    report_kernel(v, guest)
    return v


# Some 15 MiB are out: each page takes the pager 20 ms among so many tasks.
PAGER = "--target 205"


@scenario("xen-kernel")
def xen_kernel(sabotage):
    """The same under Xen."""
    known_sabotage("xen-kernel", sabotage, usual=TURNS_RED)
    return xen_alone("xen-kernel", domu(
        "kernel", f"{mode(sabotage)} {LOAD} load.secs=15 load.alone=2", pager=PAGER),
        check_kernel)


@scenario("xen-kernel-torture")
def xen_kernel_torture(sabotage):
    """kvm-kernel-torture under Xen."""
    known_sabotage("xen-kernel-torture", sabotage, usual=TURNS_RED)
    guest = domu("torture", f"{mode(sabotage)} {LOAD} {TORTURE} load.secs=60 load.alone=1",
                 pager=PAGER, vcpus=2, limit=500)
    return xen_alone("xen-kernel-torture", guest, check_tortured,
                     domu_kernel=rig.kernel("torture"))


@scenario("kvm-kernel-kcsan")
def kvm_kernel_kcsan(sabotage):
    """With KCSAN of pvfault's files in L2."""
    known_sabotage("kvm-kernel-kcsan", sabotage, usual=TURNS_RED)
    guest = kvm.L2("kcsan", f"{mode(sabotage)} {LOAD} {KCSAN} load.secs=20 load.alone=1 "
                   "load.mb=128", vcpus=2)
    return alone("kvm-kernel-kcsan", guest, memory="130M", l2_kernel=rig.kernel("kcsan"))


@scenario("kvm-kernel-debug")
def kvm_kernel_debug(sabotage):
    """With lockdep, raw-lock nesting, atomic-sleep checks and KASAN in L2."""
    guest = kvm.L2("debug", f"{mode('')} {LOAD} load.secs=60 load.alone=1 load.mb=128",
                   vcpus=2, mib=512, limit=500)
    return alone("kvm-kernel-debug", guest, memory="150M", l2_kernel=rig.kernel("debug"))


@scenario("kvm-kernel-rt")
def kvm_kernel_rt(sabotage):
    """With PREEMPT_RT, lockdep and atomic-sleep checks in L2."""
    known_sabotage("kvm-kernel-rt", sabotage, usual=TURNS_RED)
    guest = kvm.L2("rt", f"{mode(sabotage)} {LOAD} load.secs=30 load.alone=1 load.mb=128",
                   vcpus=2, limit=500)
    return alone("kvm-kernel-rt", guest, memory="130M", l2_kernel=rig.kernel("rt"))
