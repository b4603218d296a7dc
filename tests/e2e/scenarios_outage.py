# SPDX-License-Identifier: GPL-2.0
"""A host that can't fetch anything for a while: the guest should lose what is missing, and
not the rest."""

import os
import time

import kvm
import rig
from checks import READS, check_guest, least
from kvm import ANSWERS, L2, REPEATED_FAULTS, TRACING
from registry import scenario

# A guest of each kind: its command line and its kernel.
KINDS = {"stock": "stock/main", "pvfault": None}
# A line for each second of an outage would be too much; so is one for each task.
LINES = 3


def computed(guest):
    """How much its computing task has done, as far as it has said so."""
    return int(guest.get("tick", "0 0").split()[1])


def next_tick(guest):
    heard = len(guest.all("tick"))
    guest.until(lambda: len(guest.all("tick")) > heard)


def outage(seconds):
    """After some walking the host's disk stands still for so long."""
    def steps(guest):
        guest.walk(6)
        next_tick(guest)
        guest.host.write(f"{TRACING}/trace", "")
        guest.tell("phase", "outage")
        began, done = time.monotonic(), computed(guest)
        guest.pause(seconds)
        faults = guest.host.run(f"grep -c {REPEATED_FAULTS[0]}: {TRACING}/trace || true")
        guest.tell("phase", "walk")
        next_tick(guest)
        guest.tell("outage_s", time.monotonic() - began)
        guest.tell("outage_units", computed(guest) - done)
        guest.tell("outage_faults", int(faults))
        guest.host.write(ANSWERS, "enough")

    return steps


def speed(guest):
    """What the computing task did in the outage, as a part of what it does alone."""
    alone = guest.get("compute_alone", 0) * guest.get("outage_s", 0)
    return guest.get("outage_units", 0) / alone if alone else 0


def lines_about_waits(guest):
    return [line for line in guest.console.splitlines() if "pvfault: the host has needed" in
            line or "pvfault: kvm: READY was lost" in line]


@scenario(kernels=("main", "stock/main"), minutes=40,
          sabotages={"stampede": "pvfault: pages on their way were touched only to probe"})
def kvm_outage(v, sabotage):
    """The host's disk stands still for five minutes (``OUTAGE_S=`` seconds) under load, for
    guests of stock Linux and of pvfault in turns, three of each (``OUTAGE_PAIRS=``). A task
    that computes goes on as fast as with stock Linux, tasks past their deadline don't try
    all by themselves, and every task goes on afterwards. Sabotage "stampede": the deadline
    is so short that a probe goes out every second."""
    seconds = 20 if sabotage else int(os.environ.get("OUTAGE_S", 300))
    pairs = 1 if sabotage else int(os.environ.get("OUTAGE_PAIRS", 3))
    line = "load.tick=1 load.told=ttyS1 load.secs=2 load.alone=2 load.mb=144 load.tasks=6"
    guests = []
    for pair in range(pairs):
        for kind in list(KINDS)[::-1 if pair % 2 else 1]:
            guest = L2(f"{kind}{pair}", line, limit=seconds + 300, steps=outage(seconds),
                       kernel=rig.kernel(KINDS[kind]) if KINDS[kind] else None)
            guest.trace = REPEATED_FAULTS
            guests.append(guest)
    yield kvm.host(*guests, reads=4 * READS)
    mean = {}
    for kind in KINDS:
        mine = [guest for guest in guests if guest.name.startswith(kind)]
        mean[kind] = sum(map(speed, mine)) / len(mine)
        v.metrics[f"speed_{kind}"] = [round(speed(guest), 3) for guest in mine]
        v.metrics[f"faults_{kind}"] = [guest.get("outage_faults") for guest in mine]
        for guest in mine:
            check_guest(v, guest, asynchronous=kind == "pvfault")
            if kind == "stock":
                continue
            probes = guest.counter("probe")
            v.check("pvfault: pages on their way were touched only to probe",
                    guest.get("outage_faults", 1e9) <= probes + guest.counter("rejected"),
                    f"{guest.get('outage_faults')}, {probes} probes")
            v.check(f"{guest.name}: no READY was lost", guest.counter("retry") == 0,
                    guest.counter("retry"))
            v.check(f"{guest.name}: the log says it in few lines",
                    len(lines_about_waits(guest)) <= LINES, len(lines_about_waits(guest)))
            if seconds > 120:
                least(v, guest, "tasks past their deadline tried", "counter.probe", 1)
    v.check("the computing task is as fast as with stock Linux",
            mean["pvfault"] >= 0.95 * mean["stock"], mean)
