# SPDX-License-Identifier: GPL-2.0
"""Memory that is touched ahead: free pages, and what read() copies."""

import kvm
import xen
from checks import READS, check_guest, least
from kvm import L2, REPEATED_FAULTS
from registry import scenario, show_sabotages
from xen import check_paged, domu, preloaded
from xenguests import SCRIPTS, with_disk, with_files

WAYS = ("fresh", "read", "fresh", "read", "pread", "touch")
LOAD = f"load.way={','.join(WAYS)} load.tasks={len(WAYS)}"
SABOTAGES = {"flip": "memory verified", "alone": "free pages were touched ahead",
             "user": "free pages were touched ahead"}


def line(sabotage):
    if sabotage == "user":
        return "pvfault=user"
    if sabotage == "alone":
        return "pvfault_ahead=0"
    return f"load.sabotage={sabotage}" if sabotage else "pvfault_ahead=16"


def check_ahead(v, guest):
    """Checks of a guest that touches ahead."""
    name, c = guest.name, guest.counter
    v.check(f"{name}: free pages were touched ahead", c("ahead_back") > 50, c("ahead_back"))
    v.check(f"{name}: and waited for together", c("ahead") > 100, c("ahead"))
    v.check(f"{name}: what read() copies, too", c("sleep_read") > 100, c("sleep_read"))
    v.metrics[name] = {k: c(k) for k in ("sleep", "sleep_kernel", "sleep_alloc", "sleep_read",
                                         "ahead", "ahead_present", "ahead_back", "rejected",
                                         "retry", "abandoned")}


@scenario(minutes=3, sabotages=SABOTAGES, shown_by="ahead-sabotage")
def kvm_ahead(v, sabotage):
    """Tasks that allocate memory which the host took while it was free, and that read()
    files, with memory touched ahead: 1 vCPU; and 2 vCPUs, of which one goes offline and
    online all the while."""
    secs = "load.secs=6 load.alone=1" if sabotage else "load.secs=20 load.alone=2"
    one = L2("one", f"{line(sabotage)} {LOAD} {secs}")
    one.trace = REPEATED_FAULTS
    guests = [one]
    if not sabotage:
        guests.append(L2("hotplug", f"{line('')} {LOAD} {secs} load.hotplug=1", vcpus=2))
    yield kvm.host(*guests, reads=4 * READS)
    for guest in guests:
        check_guest(v, guest)
        check_ahead(v, guest)
        v.metrics[guest.name]["repeated_faults"] = guest.get("repeated_faults")
    if not sabotage:
        v.check("one: no wait ran into its deadline", one.counter("retry") == 0,
                one.counter("retry"))
        # After a READY for all, as when a CPU goes, READYs come that nobody waits for.
        v.check("one: nothing that was remembered was pushed out",
                not one.counter("overwritten"), one.counter("overwritten"))


@scenario(minutes=3)
def ahead_sabotage(v):
    """The checks of kvm-ahead can fail: its sabotages, in one boot of the host."""
    yield from show_sabotages(v)


@scenario(kernels=("main", "xen"), minutes=4, sabotages=SABOTAGES, shown_by="xen-sabotage")
def xen_ahead(v, sabotage):
    """kvm-ahead under Xen: the pager fetches at once what a guest touches ahead, free pages,
    too, because this pager doesn't see that nobody needs what is in them. The files lie on a
    disk of dom0's, because the page cache of others can't be taken."""
    load = (f"{LOAD} load.disk_files=/dev/xvda load.alone=1 "
            f"load.secs={6 if sabotage else 30}")
    guests = [with_disk("ahead", f"{line(sabotage)} {load}", steps=with_files)]
    if not sabotage:
        guests.append(with_disk("hotplug", f"{line('')} {load} load.hotplug=1", vcpus=2,
                                steps=with_files))
    for guest in guests:
        guest.pager_env = "LD_PRELOAD=/blind.so"
    yield xen.host(*guests, reads=4 * READS, files={**SCRIPTS, **preloaded()}, data_mib=64)
    for guest in guests:
        check_paged(v, guest)
        check_ahead(v, guest)
        v.metrics[guest.name]["page_ins"] = guest.get("pager.page_ins")


def count_reads(guest):
    """Note how many pages its pager reads while it walks."""
    def reads():
        status = guest.pager_status()
        return status["page_ins"] - status["clear_ins"] - status["zero_ins"]

    guest.walk()
    before = reads()
    guest.until_phase("verify")
    guest.tell("read", reads() - before)


@scenario(kernels=("main", "xen"), minutes=4, sabotages={"careless": "memory verified"},
          shown_by="xen-sabotage")
def xen_clear(v, sabotage):
    """Tasks that allocate memory which the pager took while it was free: it gives zeroes, and
    reads nothing. Beside it the same with a pager that doesn't see which touches these are;
    20 reads/s. Sabotage "careless": it takes every touch for one of them."""
    load = f"load.way=fresh,fresh,fresh,touch load.alone=2 load.secs={6 if sabotage else 30}"
    clear = domu("clear", load, limit=200 if sabotage else 600, steps=count_reads)
    blind = domu("blind", load, limit=600, steps=count_reads)
    clear.pager_env = "LD_PRELOAD=/careless.so" if sabotage else ""
    blind.pager_env = "LD_PRELOAD=/blind.so"
    guests = [clear] if sabotage else [clear, blind]
    yield xen.host(*guests, reads=20, files=preloaded())
    for guest in guests:
        check_paged(v, guest)
    least(v, clear, "pages came back without being read", "pager.clear_ins", 100)
    if sabotage:
        return
    v.check("blind: each page was read", blind.get("pager.clear_ins") == 0,
            blind.get("pager.clear_ins"))
    waits = [guest.counter("sleep_alloc") for guest in guests]
    v.check("clear: hardly a task waited for a page that it had allocated",
            waits[1] >= 100 and 10 * waits[0] <= waits[1], waits)
    v.check("clear: more touches for each page that was read",
            clear.get("read", 0) * blind.get("touches", 0) <
            blind.get("read", 0) * clear.get("touches", 0),
            [(guest.get("read"), guest.get("touches")) for guest in guests])
    v.metrics.update({guest.name: {
        "touches": guest.get("touches"), "read": guest.get("read"),
        "clear_ins": guest.get("pager.clear_ins"), "sleep_alloc": guest.counter("sleep_alloc"),
        "overlap": guest.get("overlap"), "worst_touch_ms": guest.get("worst_touch_ms"),
        "corrupt": guest.get("corrupt")} for guest in guests})
