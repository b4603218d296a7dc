# SPDX-License-Identifier: GPL-2.0
"""Ends and failures of a Xen guest's pager, which must not harm the guest."""

import re

import xen
from checks import READS
from registry import scenario, show_sabotages
from xen import check_paged, domu, held, preloaded
from xenguests import (check_not_saved, drain, kill, kill_often, lack, migrate, restored,
                       restored_late, save_refused)

# Pagers that are killed after they have taken over; half as many while they do.
KILLS = 16

# Damage of a page file that the next pager must notice; pagefile.h has the layout.
SPOIL = {
    "no-table": "dd if=/dev/zero of=/pages/{} bs=4096 seek=2 count=400 conv=notrunc",
    "no-file": "rm /pages/{}",
}


def limit(sabotage, seconds, sabotaged=100):
    """Without its pager a guest hangs, and is destroyed when its time is over."""
    return {"limit": sabotaged if sabotage else seconds}


@scenario(kernels=("main", "xen"), minutes=20)
def xen_pager_sabotage(v):
    """The scenarios of the pager's leaving and coming can fail: their sabotages, in one
    boot of Xen."""
    yield from show_sabotages(v)


@scenario(kernels=("main", "xen"), minutes=6, shown_by="xen-pager-sabotage",
          sabotages=dict.fromkeys(SPOIL, "no pager ended by itself"))
def xen_pager_crash(v, sabotage):
    """``kill -9`` under load of 16 pagers after they have taken over, and of 8 at a random
    moment of the takeover, which takes as long as the last one did; the next pager goes on
    with the same page file. Sabotages damage that file."""
    # If several takeovers in a row are killed, the guest stands still for all of them.
    guest = domu("crash", "load.secs=5 load.told=hvc0 load.alone=1 watchdog_thresh=60",
                 pager="--target 212", vcpus=2, **limit(sabotage, 900),
                 steps=lambda guest: kill_often(
                     guest, KILLS, SPOIL.get(sabotage, "").format(guest.name)))
    yield xen.host(guest, reads=4 * READS)
    check_paged(v, guest)
    name = guest.name
    v.check(f"{name}: {KILLS} pagers were killed after they had taken over",
            guest.get("kills", 0) >= KILLS, guest.get("kills"))
    v.check(f"{name}: {KILLS // 2} were killed while they took over",
            guest.get("midway", 0) >= KILLS // 2,
            f"{guest.get('midway')}, and {guest.get('early')} before that")
    v.check(f"{name}: no pager ended by itself", guest.get("own_ends") == 0,
            guest.get("own_ends"))
    still = re.findall(r"stood still for (\d+) ms", "\n".join(guest.pager_said))
    v.metrics.update(kills=guest.get("kills"), midway=guest.get("midway"),
                     takeovers=len(still), still_ms=" ".join(still),
                     async_faults=guest.counter("sleep"), retries=guest.counter("retry"),
                     held=held(guest), corrupt=guest.get("corrupt"),
                     worst_touch_ms=guest.get("worst_touch_ms"))


def check_left(v, guest):
    """Checks of a pager that was asked to leave under load."""
    name = guest.name
    check_paged(v, guest)
    v.check(f"{name}: --drain waited for the pager's end", guest.get("drained") == 0,
            guest.get("drained"))
    v.check(f"{name}: tasks slept when it was asked to leave",
            guest.get("pager.told", 0) > 100, guest.get("pager.told"))
    v.check(f"{name}: no page is left out or nominated", guest.get("pager.away") == 0,
            guest.get("pager.away"))


@scenario(kernels=("main", "xen"), minutes=3, shown_by="xen-pager-sabotage",
          sabotages={"kill": "--drain waited for the pager's end"})
def xen_pager_term(v, sabotage):
    """The pager is asked to leave while Xen lacks the memory for that: it says how much,
    serves on, and leaves when there is enough. Sabotage "kill": it is killed."""
    guest = domu("term", "load.secs=60 load.alone=1", **limit(sabotage, 360),
                 steps=kill if sabotage else lack)
    yield xen.host(guest, reads=4 * READS)
    check_left(v, guest)
    name = guest.name
    v.check(f"{name}: Xen lacked memory, and the pager said how much",
            guest.get("missing_kib", 0) > 1000, guest.get("missing_kib"))
    v.check(f"{name}: it served on meanwhile",
            guest.get("requests_lacking", 0) > guest.get("told_before", 0) > 0,
            f"{guest.get('told_before')}, {guest.get('requests_lacking')}")
    v.check(f"{name}: it ran with no privilege of root's but its files",
            guest.get("privileges") == "CapEff:0000000000000000NoNewPrivs:1",
            guest.get("privileges"))
    v.check(f"{name}: nobody answers after its end", guest.get("status_after") == 11,
            guest.get("status_after"))
    v.metrics.update(missing_kib=guest.get("missing_kib"), held=held(guest),
                     corrupt=guest.get("corrupt"))


@scenario(kernels=("main", "xen"), minutes=2, quick=True, shown_by="xen-pager-sabotage",
          sabotages={"kill": "no page is left out or nominated"})
def xen_detach(v, sabotage):
    """The pager leaves for good while tasks sleep; the guest goes on without. Sabotage
    "kill": it is killed."""
    guest = domu("detach", "load.secs=25 load.alone=1", vcpus=2, **limit(sabotage, 300),
                 steps=kill if sabotage else drain)
    yield xen.host(guest, reads=4 * READS)
    check_left(v, guest)
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"))


def check_refused(v, guest):
    check_paged(v, guest)
    check_not_saved(v, guest)
    active = guest.console.count("backend xen active")
    v.check(f"{guest.name}: it connected again and went on", active == 2, active)


def check_restored(v, guest):
    check_paged(v, guest)
    steps = [guest.get(k) for k in ("saved", "restored", "unpaused")]
    v.check(f"{guest.name}: it was saved, restored, and runs on", steps == [0, 0, 0], steps)
    check_lives(v, guest)


def check_lives(v, guest):
    """A pager served it before it was saved or moved, and another one afterwards."""
    for life in (1, 2):
        prefix = f"pager.life{life}."
        v.check(f"{guest.name}: pager {life} paged it, and ended well",
                guest.get(f"{prefix}pager_exit") == 0 and
                guest.get(f"{prefix}told", 0) > 100,
                [guest.get(prefix + k) for k in ("pager_exit", "told")])


@scenario(kernels=("main", "xen"), minutes=7, shown_by="xen-pager-sabotage",
          sabotages={"flip": "memory verified", "quick": "it was not saved, and said why"})
def xen_save_restore(v, sabotage):
    """``xl save`` and ``xl restore`` with pages out: the guest's suspend waits for them,
    and it goes on as another domain with another pager, which is there before it, or comes
    when the guest's bus has given up the device; and a guest that refuses because its
    pager's disk is slow. Sabotage "quick": it isn't."""
    saved = [restored("restore"), restored_late("late")]
    refused = [save_refused("refused")]
    if sabotage == "flip":
        saved = [restored("restore", "load.secs=60 load.sabotage=flip", limit=400)]
    if sabotage:
        refused = []
    if sabotage == "quick":
        saved, refused = [], [save_refused("refused", quick=True, **limit(sabotage, 500))]
    yield xen.host(*saved, *refused, reads=10 * READS)
    for guest in saved:
        check_restored(v, guest)
    for guest in refused:
        check_refused(v, guest)
    guests = (*saved, *refused)
    v.metrics.update(async_faults={g.name: g.counter("sleep") for g in guests},
                     corrupt=sum(g.get("corrupt", -1) for g in guests))


@scenario(kernels=("main", "xen"), minutes=4, shown_by="xen-pager-sabotage",
          also={"flip": "memory verified"}, sabotages={"unmarked": "memory verified"})
def xen_migrate(v, sabotage):
    """``xl migrate`` of the running guest to its own host, with pages out, two pagers: what
    comes back meanwhile is sent again, and at its end the guest's suspend waits for the
    rest. Sabotage "unmarked": pages that come back aren't sent."""
    # It walks on until it has been moved, however long that takes.
    flip = " load.sabotage=flip" if sabotage == "flip" else ""
    guest = restored("migrate", f"load.secs=5 load.told=hvc0{flip}",
                     **limit(sabotage, 600, sabotaged=400), steps=migrate)
    if sabotage == "unmarked":
        guest.pager_env = "LD_PRELOAD=/unmarked.so"
    yield xen.host(guest, reads=10 * READS, files=preloaded())
    check_paged(v, guest)
    check_lives(v, guest)
    name = guest.name
    v.check(f"{name}: pages were out when it began", guest.get("away_before", 0) > 1000,
            guest.get("away_before"))
    steps = [guest.get(k) for k in ("migrated", "unpaused")]
    v.check(f"{name}: it was migrated, and runs on", steps == [0, 0], steps)
    v.metrics.update(away_before=guest.get("away_before"),
                     async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"))
