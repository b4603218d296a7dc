# SPDX-License-Identifier: GPL-2.0
"""KVM guests in company: what else moves their memory while the host takes it."""

import os

import kvm
import life
import rig
from checks import READS, check_guest, least
from kvm import ANSWERS, GROUP, L2
from registry import scenario, show_sabotages

MIB = 256
# So often the balloon takes half of it and gives it back.
ROUNDS = 3
# Seconds' worth of computing that a guest with half of a CPU has to do after its restore.
ALONE = 2
# Seconds until it is given up.
PATIENCE = 90


def inflate(guest, mib):
    """Let the guest keep so much of its memory, and wait until it does."""
    guest.qemu.qmp("balloon", value=mib << 20)
    guest.until(lambda: guest.qemu.qmp("query-balloon")["actual"] == mib << 20)
    guest.tell("balloon_mib", mib)


def balloon(guest):
    """It breathes while the guest walks; then the guest is saved and restored with half of
    its memory in the balloon, and gets it back."""
    guest.walk(2)
    for _ in range(ROUNDS):
        for mib in (MIB // 2, MIB):
            inflate(guest, mib)
            guest.pause(2)
    inflate(guest, MIB // 2)
    life.restore(guest)
    guest.tell("restored", 1)
    guest.pause(5)
    inflate(guest, MIB)
    guest.pause(3)
    guest.host.write(ANSWERS, "enough")


@scenario(minutes=4, shown_by="company-sabotage",
          sabotages={"still": "the balloon took half of its memory, again and again"})
def kvm_balloon(v, sabotage):
    """A balloon that takes half of the guest's memory and gives it back, again and again
    while the host swaps the rest, and that is inflated when the guest is saved and restored.
    Sabotage "still": it doesn't move."""
    def still(guest):
        guest.walk(2)
        guest.host.write(ANSWERS, "enough")

    guest = L2("balloon", "load.mb=64 load.secs=5 load.told=ttyS1 load.alone=1 "
               "load.way=touch,fresh", mib=MIB, limit=600, steps=still if sabotage else balloon)
    guest.devices, guest.memory, guest.strict = ("balloon",), "80M", False
    yield kvm.host(guest, reads=20 * READS)
    check_guest(v, guest)
    moved = guest.all("balloon_mib")
    v.check("balloon: the balloon took half of its memory, again and again",
            moved.count(MIB // 2) > ROUNDS, len(moved))
    if not sabotage:
        least(v, guest, "restored with its balloon inflated", "restored", 1)
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"))


@scenario(minutes=12, shown_by="company-sabotage",
          sabotages={"kept": "the host got free pages back"})
def kvm_reporting(v, sabotage):
    """Free page reporting for ten minutes (``REPORTING_S=`` seconds), with tasks that
    allocate memory, look that it is zero, write to it and free it, while the host swaps: a
    free page that the host has forgotten and one that it fetches must not be taken for each
    other. Sabotage "kept": no page is reported."""
    seconds = 10 if sabotage else int(os.environ.get("REPORTING_S", 600))
    guest = L2("reporting", f"load.mb=120 load.way=fresh load.secs={seconds} load.alone=1 "
               "load.rest=50 page_reporting.page_reporting_order=0", mib=MIB,
               limit=300 + 2 * seconds)
    guest.devices, guest.memory = () if sabotage else ("balloon",), "100M"
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    least(v, guest, "the host got free pages back", "balloon_interrupts", 5)
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"),
                     touches=guest.get("touches"))


@scenario(minutes=3, shown_by="company-sabotage",
          sabotages={"small": "huge pages were put together while the host swapped"})
def kvm_thp(v, sabotage):
    """Transparent huge pages with khugepaged at full speed, and a task that calls
    MADV_COLLAPSE all the time, while the host swaps; the guest panics if a task hangs for
    20 s. Sabotage "small": nothing asks for huge pages."""
    thp = ("transparent_hugepage=never" if sabotage else
           "transparent_hugepage=always load.collapse=1")
    guest = L2("thp", f"{thp} load.secs={5 if sabotage else 40} load.alone=1 "
               "load.mb=120 load.tasks=4 sysctl.kernel.hung_task_timeout_secs=20 "
               "sysctl.kernel.hung_task_panic=1", mib=MIB, limit=400)
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    least(v, guest, "huge pages were put together while the host swapped", "collapsed", 5)
    v.check("thp: what was put together holds what it held",
            guest.get("collapse_wrong") == 0, guest.get("collapse_wrong"))
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"),
                     collapsed=guest.get("collapsed"))


def nmis(guest):
    """Four NMIs to each vCPU five times a second, as long as it walks."""
    guest.walk()
    while ("phase", "verify") not in guest.heard:
        guest.qemu.qmp("inject-nmi", times=4)
        guest.pause(0.2)


@scenario(kernels=("main", "hostile"), minutes=3, shown_by="company-sabotage",
          sabotages={"none": "NMIs read the processes' memory"})
def kvm_nmi(v, sabotage):
    """NMIs with a handler that reads memory of the process that they interrupt, as profilers do:
    memory that the host has taken, and addresses that look like tokens, where nothing is
    mapped (``tests/overlay``). Sabotage "none": no NMI is sent."""
    guest = L2("nmi", f"load.secs={5 if sabotage else 30} load.alone=1 load.common=1 "
               "load.mb=120 load.nmi=1", vcpus=2, limit=300)
    if not sabotage:
        guest.steps = nmis
    yield kvm.host(guest, reads=4 * READS, memory="110M", l2_kernel=rig.kernel("hostile"))
    check_guest(v, guest)
    least(v, guest, "NMIs read the processes' memory", "nmi_reads", 50)
    least(v, guest, "some had to wait for the host", "nmi_slow", 1)
    least(v, guest, "NMIs faulted where nothing is mapped", "nmi_refused", 50)
    v.check("nmi: no READY was lost on the way", guest.counter("retry") == 0,
            guest.counter("retry"))
    v.metrics.update(async_faults=guest.counter("sleep"), reads=guest.get("nmi_reads"),
                     slow=guest.get("nmi_slow"), refused=guest.get("nmi_refused"),
                     corrupt=guest.get("corrupt"))


# The guests' group runs for half of each tenth of a second, as under a quota of its CPU that
# is used up by then. L1's kernel has no quotas; a deadline class of 50 ms in 100, as the
# nearest thing, makes nested TCG stand still.
TURNS = "/tmp/turns"
HALVE = (f"n=0; while echo 1 >{GROUP}/cgroup.freeze; usleep 50000; "
         f"echo 0 >{GROUP}/cgroup.freeze; usleep 50000; "
         f"n=$((n + 1)); echo $n >{TURNS}; do :; done")


def restored_on_half_a_cpu(guest):
    """Saved, and restored by a host that takes all of its memory before it goes on, and lets
    it have half of a CPU from then on, until the load is back."""
    def loaded():
        for _ in range(4):
            life.reclaim(guest, "1G")
        guest.throttle = guest.host.spawn(HALVE)

    guest.walk(5)
    life.restore(guest, loaded=loaded)
    guest.until(lambda: life.until_done(guest, ALONE), PATIENCE)
    guest.throttle.kill(9)
    guest.throttle.wait()       # or it freezes them once more
    guest.host.write(f"{GROUP}/cgroup.freeze", 0)
    guest.tell("throttled", int(guest.host.read(TURNS)))
    guest.host.write(ANSWERS, "enough")


def restored(guest):
    guest.walk(5)
    life.restore(guest)
    guest.host.write(ANSWERS, "enough")


@scenario(kernels=("main", "stock/main"), minutes=8, shown_by="company-sabotage",
          sabotages={"whole": "its QEMUs had to wait for their CPU"})
def kvm_quota(v, sabotage):
    """Restored by a host that has all of its memory in swap, and lets it run for half of
    each tenth of a second: without pvfault, of stock Linux, with pvfault, and with
    init_on_alloc=0; the seconds until two seconds' worth of computing is done, 90 at most, are
    for people to read. Sabotage "whole": it may run all the time."""
    kinds = {"off": "pvfault=off", "stock": "", "on": "pvfault=on",
             "on-as-is": "pvfault=on init_on_alloc=0"}
    guests = [L2(f"quota-{kind}", f"{line} load.way=touch,pread load.mb=32 load.secs=2 "
                 "load.told=ttyS1 load.tick=1 load.alone=2", mib=160, limit=700,
                 steps=restored if sabotage else restored_on_half_a_cpu,
                 kernel=rig.kernel("stock/main") if kind == "stock" else None)
              for kind, line in kinds.items() if not sabotage or kind == "on"]
    yield kvm.host(*guests, reads=4 * READS, memory="max")
    for guest in guests:
        check_guest(v, guest, asynchronous="-on" in guest.name)
        least(v, guest, "its QEMUs had to wait for their CPU", "throttled", 20)
        v.metrics[f"{guest.name}_until_done_s"] = life.until_done(guest, ALONE)
        v.metrics[f"{guest.name}_worst_touch_ms"] = guest.get("worst_touch_ms")


@scenario(minutes=6)
def company_sabotage(v):
    """Each of kvm-balloon, kvm-reporting, kvm-thp, kvm-nmi and kvm-quota, sabotaged, turns
    red."""
    yield from show_sabotages(v)
