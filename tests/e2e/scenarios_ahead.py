# SPDX-License-Identifier: GPL-2.0
"""Memory that is touched ahead: free pages, and what read() copies."""

import kvm
import xen
from checks import READS, check_guest
from kvm import L2, REPEATED_FAULTS
from registry import scenario, show_sabotages
from xen import check_paged, preloaded
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
    """kvm-ahead under Xen: the pager fetches at once what a guest touches ahead. The files
    lie on a disk of dom0's, because the page cache of others can't be taken."""
    load = (f"{LOAD} load.disk_files=/dev/xvda load.alone=1 "
            f"load.secs={6 if sabotage else 30}")
    guests = [with_disk("ahead", f"{line(sabotage)} {load}", steps=with_files)]
    if not sabotage:
        guests.append(with_disk("hotplug", f"{line('')} {load} load.hotplug=1", vcpus=2,
                                steps=with_files))
    for guest in guests:
        # Else the pager would give zeroes at once, and nobody would wait.
        guest.pager_env = "LD_PRELOAD=/blind.so"
    yield xen.host(*guests, reads=4 * READS, files={**SCRIPTS, **preloaded()}, data_mib=64)
    for guest in guests:
        check_paged(v, guest)
        check_ahead(v, guest)
        v.metrics[guest.name]["page_ins"] = guest.get("pager.page_ins")
