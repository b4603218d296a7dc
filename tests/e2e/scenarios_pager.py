# SPDX-License-Identifier: GPL-2.0
"""What happens to the pager of a Xen guest, and must not happen to the guest."""

import rig
from scenarios import READS, scenario
from scenarios_xen import check_paged, domu, held
from xen import run_guests

KILLS = 24

# What a page file must not survive; see tools/pvfault/pagefile.h for where it hits.
SPOIL = {
    "no-table": "dd if=/dev/zero of=/pages/$name bs=4096 seek=2 count=400 conv=notrunc",
    "no-file": "rm /pages/$name",
}

# A pager that leaves without bringing anything back.
KILLED = {"kill": "sleep 5; killall -9 pvfault-pager"}

DRAIN = ("sleep 8; pvfault-pager --drain --domain $name 2>>/tmp/$name.pager; "
         "tell drained $?")


def spoiled(name, sabotage, known):
    if sabotage and sabotage not in known:
        raise rig.Failure(f"{name} knows no sabotage '{sabotage}', but {', '.join(known)}.")
    return known.get(sabotage, "")


@scenario("xen-pager-crash")
def xen_pager_crash(sabotage):
    """kill -9, again and again, under load and at whatever moment: the next pager
    takes the guest over with the same page file."""
    v = rig.Verdict("xen-pager-crash")
    # When several takeovers in a row are killed, it stands still for all of them.
    guest = domu("crash", "load.secs=120 load.alone=1 watchdog_thresh=60",
                 pager="--target 212", vcpus=2, limit=420)
    guest.kills, guest.kill_within = KILLS, 80
    guest.spoil = spoiled("xen-pager-crash", sabotage, SPOIL)
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-pager-crash", [guest], reads=4 * READS))
    check_paged(v, guest)
    v.check(f"the pager was killed {KILLS} times", guest.get("kills") == KILLS,
            guest.get("kills"))
    v.check("no pager ended by itself", guest.get("own_ends") == 0, guest.get("own_ends"))
    v.check("most of those that were killed had taken over before",
            guest.get("takeovers", 0) >= KILLS * 2 // 3, guest.get("takeovers"))
    v.metrics.update(kills=guest.get("kills"), takeovers=guest.get("takeovers"),
                     still_ms=guest.get("still_ms"),
                     async_faults=guest.counter("sleep"), retries=guest.counter("retry"),
                     held=held(guest), corrupt=guest.get("corrupt"),
                     worst_touch_ms=guest.get("worst_touch_ms"))
    return v


def left(v, guest):
    """What holds when the pager was asked to leave under load."""
    name = guest.name
    v.check(f"{name}: --drain waited for the pager's end", guest.get("drained") == 0,
            guest.get("drained"))
    v.check(f"{name}: tasks slept when it was asked to leave",
            guest.get("pager.told", 0) > 100, guest.get("pager.told"))
    v.check(f"{name}: no page is left out or nominated", guest.get("pager.away") == 0,
            guest.get("pager.away"))


@scenario("xen-pager-term")
def xen_pager_term(sabotage):
    """The pager is asked to leave while Xen lacks the memory for that: it says how
    much, serves on, and leaves when there is enough."""
    v = rig.Verdict("xen-pager-term")
    guest = domu("term", "load.secs=60 load.alone=1", limit=360)
    guest.at_walk = spoiled("xen-pager-term", sabotage, KILLED) or "sleep 5; lack"
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-pager-term", [guest], reads=4 * READS))
    check_paged(v, guest)
    left(v, guest)
    v.check("Xen lacked memory, and the pager said how much",
            guest.get("missing_kib", 0) > 1000, guest.get("missing_kib"))
    v.check("it served on meanwhile",
            guest.get("requests_lacking", 0) > guest.get("told_before", 0) > 0,
            f"{guest.get('told_before')}, {guest.get('requests_lacking')}")
    v.check("it runs with no privilege of root's but its files",
            guest.get("privileges") == "CapEff:0000000000000000NoNewPrivs:1",
            guest.get("privileges"))
    v.check("nobody answers after its end", guest.get("status_after") == 11,
            guest.get("status_after"))
    v.metrics.update(missing_kib=guest.get("missing_kib"), held=held(guest),
                     corrupt=guest.get("corrupt"))
    return v


@scenario("xen-detach")
def xen_detach(sabotage):
    """The pager leaves for good while tasks sleep; the guest goes on without."""
    v = rig.Verdict("xen-detach")
    guest = domu("detach", "load.secs=25 load.alone=1", vcpus=2)
    guest.at_walk = spoiled("xen-detach", sabotage, KILLED) or DRAIN
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-detach", [guest], reads=4 * READS))
    check_paged(v, guest)
    left(v, guest)
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"))
    return v


@scenario("xen-save-restore")
def xen_save_restore(sabotage):
    """xl save and xl restore with pages out: the guest's suspend waits for them, and
    it goes on as another domain with another pager."""
    v = rig.Verdict("xen-save-restore")
    guest = domu("restore", "load.secs=60 load.alone=1", vcpus=2, limit=420)
    guest.lives, guest.again = 2, True
    guest.at_walk = "sleep 8; restore /tmp/save"
    if sabotage:
        guest.line += f" load.sabotage={sabotage}"
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-save-restore", [guest], reads=10 * READS))
    check_paged(v, guest)
    v.check("it was saved, restored, and runs on",
            [guest.get(k) for k in ("saved", "restored", "unpaused")] == [0, 0, 0],
            [guest.get(k) for k in ("saved", "restored", "unpaused")])
    for life in (1, 2):
        prefix = f"pager.life{life}."
        v.check(f"pager {life} paged it, and ended well",
                guest.get(f"{prefix}pager_exit") == 0 and
                guest.get(f"{prefix}told", 0) > 100,
                [guest.get(prefix + k) for k in ("pager_exit", "told")])
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"))
    return v
