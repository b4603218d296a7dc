# SPDX-License-Identifier: GPL-2.0
"""What operators, disks and other pagers do to a pager of a Xen guest, and a guest that is
not trusted."""

import xen
from checks import READS, least
from registry import scenario
from xen import STANDS_STILL, check_paged, domu, preloaded
from xenguests import (fail_disk, freeze_disk, mem_set, second_pager, spoil_records, stop_pager,
                       trust_later)

# It walks its memory until it is told to go on.
TOLD = "load.secs=5 load.told=hvc0 load.alone=1"


def said(guest, text):
    return any(text in line for line in guest.pager_said)


@scenario(kernels=("main", "xen"), minutes=2, shown_by="xen-pager-sabotage",
          sabotages={"trusted": "its pager refused it, and took nothing"})
def xen_hostile(v, sabotage):
    """A guest that nobody has called trusted: its pager refuses it, and takes nothing; then
    the toolstack writes that it is trusted, where the guest can't write. Sabotage
    "trusted": it is from the beginning."""
    guest = domu("hostile", "load.secs=15 load.alone=1", steps=trust_later, limit=500)
    if not sabotage:
        guest.trust = ""
    yield xen.host(guest, reads=READS)
    name = guest.name
    v.check(f"{name}: its pager refused it, and took nothing",
            guest.get("refused") == 13 and guest.get("paged_then") == 0,
            [guest.get(k) for k in ("refused", "paged_then")])
    v.check(f"{name}: the guest can't write where that is said",
            guest.get("permissions") == "n0,rGUEST", guest.get("permissions"))
    check_paged(v, guest)


@scenario(kernels=("main", "xen"), minutes=2, shown_by="xen-pager-sabotage",
          sabotages={"claimed": "the next one has taken over"})
def xen_two_pagers(v, sabotage):
    """A second pager with another page file, beside one that serves: it is refused, and the
    first one can be killed and replaced afterwards. Sabotage "claimed": XenStore says that
    the second one's file is the domain's."""
    guest = domu("two", f"{TOLD} {STANDS_STILL}", vcpus=2,
                 limit=150 if sabotage else 700,
                 steps=lambda guest: second_pager(guest, claimed=bool(sabotage)))
    yield xen.host(guest, reads=4 * READS)
    name = guest.name
    v.check(f"{name}: the second one was refused", guest.get("refused") == 6,
            guest.get("refused"))
    v.check(f"{name}: it changed nothing in XenStore", guest.get("node_changed") == 0)
    v.check(f"{name}: the next one has taken over", said(guest, "is taken over"))
    check_paged(v, guest)


@scenario(kernels=("main", "xen"), minutes=3, shown_by="xen-pager-sabotage",
          sabotages={"kept": "the next pager refused to go on"})
def xen_bad_records(v, sabotage):
    """A pager is killed, and some of the records in its page file are damaged: the next one
    says so and leaves the guest paused. When they are mended, it goes on, and nothing was
    lost. Sabotage "kept": they are not damaged."""
    guest = domu("records", f"{TOLD} {STANDS_STILL}",
                 vcpus=2, limit=700,
                 steps=lambda guest: spoil_records(guest, kept=bool(sabotage)))
    yield xen.host(guest, reads=4 * READS)
    name = guest.name
    v.check(f"{name}: the next pager refused to go on",
            guest.get("refused") == 12 and said(guest, "of which page file"),
            guest.get("refused"))
    v.check(f"{name}: it was paused, and had not crashed", guest.get("state") == "p",
            guest.get("state"))
    check_paged(v, guest)


@scenario(kernels=("main", "xen"), minutes=3, shown_by="xen-pager-sabotage",
          sabotages={"limit": "came to its end"})
def xen_disk_fails(v, sabotage):
    """For 15 seconds no page can be read from the page file: the guest waits, and the pager
    says so; then all goes on. Sabotage "limit": ``--disk-limit 3``."""
    guest = domu("faulty", f"load.secs=20 load.alone=1 {STANDS_STILL}", vcpus=2, limit=700,
                 steps=fail_disk)
    guest.pager_env = "LD_PRELOAD=/faulty.so"
    guest.pager += " --sync-io" + (" --disk-limit 3" if sabotage else "")
    yield xen.host(guest, reads=4 * READS, files=preloaded())
    name = guest.name
    check_paged(v, guest)
    least(v, guest, "pages could not be read for a while", "pager.read_errors", 10)
    v.check(f"{name}: no page was lost", guest.get("pager.lost") == 0,
            guest.get("pager.lost"))
    v.check(f"{name}: the pager said when it began, and when it was over",
            said(guest, "can't be read") and said(guest, "can be read again"))


@scenario(kernels=("main", "xen"), minutes=4, shown_by="xen-pager-sabotage",
          sabotages={"kept": "the limit left no memory for a while"})
def xen_mem_set(v, sabotage):
    """``xl mem-set`` down and up under load, and a pager that begins in between. Sabotage
    "kept": the limit stays."""
    guest = domu("limit", TOLD, vcpus=2, limit=700,
                 steps=lambda guest: mem_set(guest, guest.mib if sabotage else 160))
    yield xen.host(guest, reads=4 * READS)
    name = guest.name
    v.check(f"{name}: the limit left no memory for a while",
            said(guest, "the domain's limit"))
    v.check(f"{name}: its offer was taken all the while",
            guest.get("pager.frontend_errors") == 0 and guest.get("pager.lost") == 0,
            [guest.get(f"pager.{k}") for k in ("frontend_errors", "lost")])
    check_paged(v, guest)


@scenario(kernels=("main", "xen"), minutes=4, shown_by="xen-pager-sabotage",
          sabotages={"kill": "came to its end"})
def xen_stopped_pager(v, sabotage):
    """The pager stands still for a minute (SIGSTOP) under load, then goes on. Sabotage
    "kill": it is killed, and no other one begins."""
    seconds = 60
    guest = domu("stopped", f"load.secs=15 load.alone=1 {STANDS_STILL}", vcpus=2,
                 limit=150 if sabotage else 700,
                 steps=lambda guest: stop_pager(guest, 9 if sabotage else 19, seconds))
    yield xen.host(guest, reads=4 * READS)
    check_paged(v, guest)
    least(v, guest, "a touch took as long as that", "worst_touch_ms", 1000 * (seconds - 10))


@scenario(kernels=("main", "xen"), minutes=4, shown_by="xen-pager-sabotage",
          sabotages={"moving": "a touch took as long as that"})
def xen_frozen_dom0_disk(v, sabotage):
    """The disk of the page file stands still for a minute, for reading and writing: tasks
    and the pager wait, dom0 goes on and the pager answers, and all is well afterwards.
    Sabotage "moving": it doesn't stand still."""
    seconds = 0 if sabotage else 60
    guest = domu("frozen", f"{TOLD} {STANDS_STILL}", vcpus=2, limit=700,
                 steps=lambda guest: freeze_disk(guest, seconds))
    yield xen.host(guest, reads=4 * READS)
    check_paged(v, guest)
    v.check("frozen: its pager answered meanwhile", guest.get("status_frozen") == 0,
            guest.get("status_frozen"))
    v.check("frozen: no page was lost", guest.get("pager.lost") == 0, guest.get("pager.lost"))
    least(v, guest, "a touch took as long as that", "worst_touch_ms", 1000 * 50)
