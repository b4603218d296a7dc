# SPDX-License-Identifier: GPL-2.0
"""KVM guests in company: what else moves their memory while the host takes it."""

import os

import kvm
import life
from checks import READS, check_guest, least
from kvm import ANSWERS, L2
from registry import scenario, show_sabotages

MIB = 256
# So often the balloon takes half of it and gives it back.
ROUNDS = 3


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
    20 s. Sabotage "small": there are no huge pages."""
    thp = "transparent_hugepage=never" if sabotage else "transparent_hugepage=always"
    guest = L2("thp", f"{thp} load.collapse=1 load.secs={5 if sabotage else 40} load.alone=1 "
               "load.mb=120 load.tasks=4 sysctl.kernel.hung_task_timeout_secs=20 "
               "sysctl.kernel.hung_task_panic=1", mib=MIB, limit=400)
    yield kvm.host(guest, reads=4 * READS)
    check_guest(v, guest)
    least(v, guest, "huge pages were put together while the host swapped", "collapsed", 5)
    v.check("thp: what was put together holds what it held",
            guest.get("collapse_wrong") == 0, guest.get("collapse_wrong"))
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"),
                     collapsed=guest.get("collapsed"))


@scenario(minutes=4)
def company_sabotage(v):
    """Each of kvm-balloon, kvm-reporting and kvm-thp, sabotaged, turns red."""
    yield from show_sabotages(v)
