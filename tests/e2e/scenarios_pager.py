# SPDX-License-Identifier: GPL-2.0
"""What happens to the pager of a Xen guest, and must not happen to the guest."""

import pathlib

import rig
from scenarios import READS, judge_sabotages, scenario
from scenarios_xen import check_not_saved, check_paged, domu, held
from xen import run_guests

HERE = pathlib.Path(__file__).resolve().parent

# Pagers that are killed after they have taken over; half as many while they do.
KILLS = 16

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


def crash(name, sabotage):
    # When several takeovers in a row are killed, it stands still for all of them.
    guest = domu(name, "load.secs=5 load.told=hvc0 load.alone=1 watchdog_thresh=60",
                 pager="--target 212", vcpus=2, limit=900)
    guest.kills = KILLS
    guest.spoil = spoiled("xen-pager-crash", sabotage, SPOIL)
    return guest


def check_crash(v, guest):
    name = guest.name
    check_paged(v, guest)
    v.check(f"{name}: {KILLS} pagers were killed after they had taken over",
            guest.get("kills", 0) >= KILLS, guest.get("kills"))
    v.check(f"{name}: {KILLS // 2} were killed while they took over",
            guest.get("midway", 0) >= KILLS // 2,
            f"{guest.get('midway')}, and {guest.get('early')} before that")
    v.check(f"{name}: no pager ended by itself", guest.get("own_ends") == 0,
            guest.get("own_ends"))


@scenario("xen-pager-crash")
def xen_pager_crash(sabotage):
    """kill -9, again and again, under load: while pagers serve, and while they take
    over; the next one takes the guest over with the same page file."""
    v = rig.Verdict("xen-pager-crash")
    guest = crash("crash", sabotage)
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-pager-crash", [guest], reads=4 * READS))
    check_crash(v, guest)
    v.metrics.update(kills=guest.get("kills"), midway=guest.get("midway"),
                     takeovers=guest.get("takeovers"), still_ms=guest.get("still_ms"),
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


def term(name, sabotage):
    guest = domu(name, "load.secs=60 load.alone=1", limit=360)
    guest.at_walk = spoiled("xen-pager-term", sabotage, KILLED) or "sleep 5; lack"
    return guest


def check_term(v, guest):
    name = guest.name
    check_paged(v, guest)
    left(v, guest)
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


@scenario("xen-pager-term")
def xen_pager_term(sabotage):
    """The pager is asked to leave while Xen lacks the memory for that: it says how
    much, serves on, and leaves when there is enough."""
    v = rig.Verdict("xen-pager-term")
    guest = term("term", sabotage)
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-pager-term", [guest], reads=4 * READS))
    check_term(v, guest)
    v.metrics.update(missing_kib=guest.get("missing_kib"), held=held(guest),
                     corrupt=guest.get("corrupt"))
    return v


def detach(name, sabotage):
    guest = domu(name, "load.secs=25 load.alone=1", vcpus=2)
    guest.at_walk = spoiled("xen-detach", sabotage, KILLED) or DRAIN
    return guest


def check_detach(v, guest):
    check_paged(v, guest)
    left(v, guest)


@scenario("xen-detach")
def xen_detach(sabotage):
    """The pager leaves for good while tasks sleep; the guest goes on without."""
    v = rig.Verdict("xen-detach")
    guest = detach("detach", sabotage)
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-detach", [guest], reads=4 * READS))
    check_detach(v, guest)
    v.metrics.update(async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"))
    return v


def restored(name, sabotage, walk="load.secs=60"):
    guest = domu(name, f"{walk} load.alone=1", vcpus=2, limit=600)
    guest.lives, guest.again = 2, True
    guest.at_walk = "sleep 8; restore /tmp/save"
    if sabotage:
        guest.line += f" load.sabotage={sabotage}"
    return guest


def restored_late(name, sabotage):
    guest = restored(name, sabotage)
    guest.at_walk = "sleep 8; restore /tmp/save 5"
    return guest


def save_refused(name, sabotage):
    """Its pager's disk is so slow that the guest gives up waiting and refuses."""
    guest = domu(name, "load.secs=90 load.alone=1", vcpus=2, limit=500)
    guest.early = True
    slow = "" if sabotage == "quick" else 'tell "phase starve"; sleep 3;'
    guest.at_walk = f'sleep 5; {slow} save /tmp/save; tell "phase walk"'
    return guest


def check_refused(v, guest):
    name = guest.name
    check_paged(v, guest)
    check_not_saved(v, guest)
    active = guest.console.count("backend xen active")
    v.check(f"{name}: it connected again and went on", active == 2, active)


def check_restored(v, guest):
    name = guest.name
    check_paged(v, guest)
    steps = [guest.get(k) for k in ("saved", "restored", "unpaused")]
    v.check(f"{name}: it was saved, restored, and runs on", steps == [0, 0, 0], steps)
    check_lives(v, guest)


def check_lives(v, guest):
    """One pager before, and one after it."""
    name = guest.name
    for life in (1, 2):
        prefix = f"pager.life{life}."
        v.check(f"{name}: pager {life} paged it, and ended well",
                guest.get(f"{prefix}pager_exit") == 0 and
                guest.get(f"{prefix}told", 0) > 100,
                [guest.get(prefix + k) for k in ("pager_exit", "told")])


@scenario("xen-save-restore")
def xen_save_restore(sabotage):
    """xl save and xl restore with pages out: the guest's suspend waits for them, and
    it goes on as another domain with another pager, which is there before it, or comes
    when the guest's bus has given up the device. One whose pages don't come back in
    time is not saved."""
    v = rig.Verdict("xen-save-restore")
    saved = [restored("restore", sabotage), restored_late("late", sabotage)]
    refused = save_refused("refused", sabotage)
    guests = [*saved, refused]
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-save-restore", guests, reads=10 * READS))
    for guest in saved:
        check_restored(v, guest)
    check_refused(v, refused)
    v.metrics.update(async_faults={g.name: g.counter("sleep") for g in guests},
                     corrupt=sum(g.get("corrupt", -1) for g in guests))
    return v


def migrated(name, sabotage):
    # It walks on until it has been moved, however long that takes.
    guest = restored(name, sabotage if sabotage != "unmarked" else "",
                     walk="load.secs=5 load.told=hvc0")
    guest.at_walk = "sleep 8; migrate"
    if sabotage == "unmarked":
        guest.before = "export LD_PRELOAD=/unmarked.so"
    return guest


def unmarked():
    """For dom0: what keeps the pager from marking pages that come back."""
    out = rig.BUILD / "bin" / "unmarked.so"
    out.parent.mkdir(parents=True, exist_ok=True)
    rig.run("gcc", "-O2", "-shared", "-fPIC", "-o", out, HERE / "unmarked.c")
    return {"unmarked.so": out}


def check_migrated(v, guest):
    name = guest.name
    check_paged(v, guest)
    check_lives(v, guest)
    v.check(f"{name}: pages were out when it began", guest.get("away_before", 0) > 1000,
            guest.get("away_before"))
    steps = [guest.get(k) for k in ("migrated", "unpaused")]
    v.check(f"{name}: it was migrated, and runs on", steps == [0, 0], steps)


@scenario("xen-migrate")
def xen_migrate(sabotage):
    """xl migrate of a guest that runs, with pages out: what comes back meanwhile is
    sent again, and at its end the guest's suspend waits for the rest."""
    v = rig.Verdict("xen-migrate")
    guest = migrated("migrate", sabotage)
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-migrate", [guest], reads=10 * READS, files=unmarked()))
    check_migrated(v, guest)
    v.metrics.update(away_before=guest.get("away_before"),
                     async_faults=guest.counter("sleep"), corrupt=guest.get("corrupt"))
    return v


# What each scenario's sabotage must turn red.
SABOTAGED = {
    "no-table": (crash, "no-table", check_crash, "no pager ended by itself"),
    "no-file": (crash, "no-file", check_crash, "no pager ended by itself"),
    "term": (term, "kill", check_term, "--drain waited for the pager's end"),
    "detach": (detach, "kill", check_detach, "no page is left out or nominated"),
    "restore": (restored, "flip", check_restored, "memory verified"),
    "refused": (save_refused, "quick", check_refused, "it was not saved, and said why"),
    # The last one: its preloading stays.
    "unmarked": (migrated, "unmarked", check_migrated, "memory verified"),
}


@scenario("xen-pager-sabotage")
def xen_pager_sabotage(sabotage):
    """The checks of the scenarios above can fail: sabotage them, in one boot. Without
    its pager a guest hangs, and is destroyed when its time is over."""
    guests = [make(name, what) for name, (make, what, *_) in SABOTAGED.items()]
    for guest in guests:
        guest.limit = 400 if guest.again else 100
    run_guests("xen-pager-sabotage", guests, reads=10 * READS, files=unmarked())
    return judge_sabotages(rig.Verdict("xen-pager-sabotage"), guests,
                           lambda v, guest: SABOTAGED[guest.name][2](v, guest),
                           {name: red for name, (*_, red) in SABOTAGED.items()})
