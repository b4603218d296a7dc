# SPDX-License-Identifier: GPL-2.0
"""An outage: for a while a host fetches nothing for its guest. How much the guest computes
meanwhile, and how long its vCPU runs, with pvfault and with stock Linux."""

import collections
import os
import re
import statistics
import time

import rig
from checks import chance, check_guest
from kvm import ANSWERS, L2, REPEATED_FAULTS, TRACING
from touched import PAGE_FAULTS, check_own_code, tell_faults, touched_at

# A guest of each kind: its command line and its kernel.
KINDS = {"stock": "stock/main", "pvfault": None}
LOAD = "load.tick=1 load.told=ttyS1 load.secs=2 load.alone=2"
# A line for each second of an outage would be too much; so is one for each task.
LINES = 3


def size(sabotage, seconds, pairs):
    """How long it lasts, and how many guests of each kind there are; little of a sabotage."""
    if sabotage:
        return 20, 1
    return (int(os.environ.get("OUTAGE_S", seconds)),
            int(os.environ.get("OUTAGE_PAIRS", pairs)))


def in_turns(pairs, line, steps, seconds, **how):
    """So many guests of each kind, in turns."""
    guests = []
    for pair in range(pairs):
        for kind in list(KINDS)[::-1 if pair % 2 else 1]:
            guest = L2(f"{kind}{pair}", line, limit=2 * seconds + 600, steps=steps(seconds),
                       kernel=rig.kernel(KINDS[kind]) if KINDS[kind] else None, **how)
            guest.trace = REPEATED_FAULTS
            guests.append(guest)
    return guests


def of_kind(guests, kind):
    return [guest for guest in guests if guest.name.startswith(kind)]


def computed(guest):
    """How much its computing task has done, as far as it has said so."""
    return int(guest.get("tick", "0 0").split()[1])


def next_tick(guest):
    heard = len(guest.all("tick"))
    guest.until(lambda: len(guest.all("tick")) > heard)


def vcpu_runs(guest, thread):
    """Does its vCPU's THREAD run now? A vCPU that stops for a page sleeps in the host."""
    return guest.host.read(f"/proc/{thread}/stat").rpartition(")")[2].split()[0] == "R"


def standing_still(guest, begin, seconds, end):
    """What it does from BEGIN on, which is called, for so long, until END is: how much its
    task computes, and in which share of all looks its vCPU runs. Because that task never
    sleeps, the vCPU runs unless the host stops it."""
    guest.qemu.connect()
    thread = guest.qemu.qmp("query-cpus-fast")[0]["thread-id"]
    next_tick(guest)
    guest.host.write(f"{TRACING}/trace", "")
    # The host's own threads may wait for its disk for as long, khugepaged for one.
    guest.host.write("/proc/sys/kernel/hung_task_timeout_secs", 0)
    begin()
    guest.host.write(PAGE_FAULTS, 1)
    began, done, runs = time.monotonic(), computed(guest), []
    plugged = len(guest.all("plugged"))
    while time.monotonic() - began < seconds:
        guest.pause(0.7)
        runs.append(vcpu_runs(guest, thread))
    guest.host.write(PAGE_FAULTS, 0)
    again = tell_faults(guest)
    end()
    next_tick(guest)
    guest.tell("outage_s", time.monotonic() - began)
    guest.tell("outage_units", computed(guest) - done)
    # A page that a rejected task needs is touched again at each interrupt.
    guest.tell("outage_faults", len({gfn for gfn, _ in again}))
    guest.tell("outage_user_faults", len({gfn for gfn, rip in again if not rip >> 63}))
    guest.tell("outage_touches", len(again))
    guest.tell("outage_runs", sum(runs) / len(runs))
    guest.tell("outage_plugging", len(guest.all("plugging")) - plugged)
    guest.tell("outage_plugged", len(guest.all("plugged")) - plugged)


def of_disk(seconds):
    """After some walking the host's disk stands still for so long."""
    def steps(guest):
        guest.walk(6)
        standing_still(guest, lambda: guest.tell("phase", "outage"), seconds,
                       lambda: guest.tell("phase", "walk"))
        guest.host.write(ANSWERS, "enough")

    return steps


def speed(guest):
    """What the computing task did in the outage, as a part of what it does alone."""
    alone = guest.get("compute_alone", 0) * guest.get("outage_s", 0)
    return guest.get("outage_units", 0) / alone if alone else 0


# What a watchdog prints about a vCPU that stands still for long.
WATCHDOG = {"pvfault": re.compile(r"watchdog: BUG: soft lockup|rcu: .*stall|^Call Trace:")}
# A task of stock Linux that waits for a page can't be killed, so another one speaks, too.
WATCHDOG["stock"] = re.compile(f"{WATCHDOG['pvfault'].pattern}|hung_task|blocked for more")


def check_guests(v, guests):
    """What holds of every guest. A watchdog of the guest may say that the host has stopped
    its vCPU, as it does with stock Linux: check_running() compares how long that was."""
    for kind in KINDS:
        for guest in of_kind(guests, kind):
            guest.trouble = [line for line in guest.trouble if not WATCHDOG[kind].search(line)]
            check_guest(v, guest, asynchronous=kind == "pvfault")


def check_running(v, guests):
    """The vCPU of a guest with pvfault stops no more than that of stock Linux. It stops when
    the kernel touches a missing page where no task may sleep, so when it does is chance:
    more than two standard errors below stock's mean isn't. How much is computed meanwhile is
    only shown: it depends on what else the machine does."""
    runs = {}
    for kind in KINDS:
        mine = of_kind(guests, kind)
        places = sum((touched_at(guest) for guest in mine), collections.Counter())
        runs[kind] = [guest.get("outage_runs", 0) for guest in mine]
        v.metrics[f"runs_{kind}"] = [round(share, 3) for share in runs[kind]]
        v.metrics[f"speed_{kind}"] = [round(speed(guest), 3) for guest in mine]
        v.metrics[f"touched_at_{kind}"] = dict(places.most_common(5))
        v.metrics[f"pages_again_{kind}"] = [guest.get("outage_faults") for guest in mine]
        v.metrics[f"touches_again_{kind}"] = [guest.get("outage_touches") for guest in mine]
        v.metrics[f"lockups_{kind}"] = [guest.console.count("soft lockup") for guest in mine]
    stock, ours = (statistics.fmean(runs[kind]) for kind in ("stock", "pvfault"))
    error = chance(*runs.values())
    v.check("the vCPU goes on as with stock Linux", ours >= 0.95 * stock - error,
            f"{ours:.3f} against {stock:.3f}, two standard errors are {error:.3f}")


def check_ready(v, guest):
    """Every READY came, and the log is short."""
    v.check(f"{guest.name}: no READY was lost", guest.counter("retry") == 0,
            guest.counter("retry"))
    lines = [line for line in guest.console.splitlines() if "pvfault: the host has needed" in
             line or "pvfault: kvm: READY was lost" in line]
    v.check(f"{guest.name}: the log says it in few lines", len(lines) <= LINES, len(lines))


def check_waits(v, guest):
    """Its tasks have waited on, and nothing of pvfault's was missing."""
    check_own_code(v, guest)
    check_ready(v, guest)


def check_touches(v, guest):
    """A page on its way was touched again only to probe, or by a task that may not sleep."""
    probes, rejected = guest.counter("probe"), guest.counter("rejected")
    faults, user = (guest.get(f"outage_{which}faults", 1e9) for which in ("", "user_"))
    # In user mode nothing is rejected.
    v.check(f"{guest.name}: pages on their way were touched only to probe",
            user <= probes and faults <= probes + rejected,
            f"{faults}, in user mode {user}; {probes} probes, {rejected} rejected")
