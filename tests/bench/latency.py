# SPDX-License-Identifier: GPL-2.0
"""latency: how long redis-server takes to answer while neighbours in the same guest
walk memory that the host swaps, all of them in user mode, and half of them by pread().
Debian's redis, both ends in the guest, 1 vCPU."""

import pathlib

import overlap
import report
import rig
from guests import redis_server

HERE = pathlib.Path(__file__).resolve().parent

ROUNDS = 3
READS = 100
# Requests of 4 clients at once, some 15 seconds. A guest whose vCPU is held gets fewer, because
# it would take minutes.
REQUESTS = {"off": 12000, "stock": 60000, "pvfault": 60000}
# Of the eight neighbours, how many read()
READERS = {0: "touching", 4: "half reading"}
# name, unit, less is better, target
FIGURES = (("rps", "a second", False, "stock's"), ("p50", "ms", True, "stock's"),
           ("p99", "ms", True, "better than stock"), ("p99.9", "ms", True, "stock's"))


def guest_initrd():
    return rig.archive("latency-l2", {
        **rig.busybox(), **redis_server(),
        **rig.with_libraries("redis-benchmark", "bin/redis-benchmark"),
        "proc": None, "sys": None, "dev": None, "tmp": None,
        "init": rig.guest_program("latency", HERE / "guest/latency.c")})


def met(name, ours, stock):
    if name == "p99":
        return ours < stock
    return ours >= stock if name == "rps" else ours <= stock


def beside(v, readers, initrd):
    """Redis beside so many neighbours that read, and the others."""
    load = {kind: f"bench.requests={n} bench.readers={readers}"
            for kind, n in REQUESTS.items()}
    guests, turns = overlap.run_in_turns(f"latency{readers}", load, ROUNDS, memory="150M",
                                         reads=READS, initrd=initrd,
                                         guest_options={"limit": 600})
    for g in turns:
        v.check(f"{g.name}, {READERS[readers]}: ended, redis answered all",
                g.done and g.get("benchmark") == 0, g.get("touches"))
        v.metrics[f"{g.name}-{readers}"] = {
            k: g.get(k) for k in ("rps", "p50", "p99", "p99.9", "max", "touches")}
    for name, unit, less, target in FIGURES:
        rows = {kind: [g.get(name) for g in guests[kind] if g.get(name) is not None]
                for kind in guests}
        if rows["stock"] and rows["pvfault"]:
            report.note(v, f"redis, {READERS[readers]}, {name}", unit, less, target,
                        met(name, *(report.median(rows[k]) for k in ("pvfault", "stock"))),
                        **rows)


def latency(v):
    rig.say(f"latency: two boots of the host with {3 * ROUNDS} guests each, 15 minutes, "
            "and 7 more, cold, for building the kernels")
    overlap.build()
    initrd = guest_initrd()
    for readers in READERS:
        beside(v, readers, initrd)
