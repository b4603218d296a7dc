# SPDX-License-Identifier: GPL-2.0
"""ahead: how long one task takes to get memory back that the host has taken, with nothing
touched ahead (as stock Linux has it, and with pvfault_ahead=0) and with 16 pages at once;
with a disk of 8 and of 1 ms that serves 64 reads at once, and with a host that reads one
page, or eight pages around it (Linux' default).

All values for one latency come from one boot of the host: each guest's memory is taken
again before each way. Of pvfault's guests each goes all ways with both windows, in turns.
"""

import os
import pathlib

import life
import overlap
import report
import rig
from kvm import L2, REPEATED_FAULTS, run_guests, slow_disk

HERE = pathlib.Path(__file__).resolve().parent

ROUNDS = int(os.environ.get("AHEAD_ROUNDS", "2"))
LATENCIES = [int(ms) for ms in os.environ.get("AHEAD_MS", "8,1").split(",")]     # ms
CLUSTERS = (0, 3)               # vm.page-cluster of the host
WINDOWS = (0, 16)
MIB = 4                         # that are walked
STOCK_WAYS = ("fresh", "read", "touch")
AHEAD_WAYS = ("fresh", "read")
# Where nothing is touched ahead, it must cost nothing.
SAME_WAYS = ("random", "pairs", "threads")

# How much faster than with pvfault_ahead=0, at least: by latency, and readahead or not.
LEAST = {(8, 0): 5, (8, 3): 1.5}
WARM_LEAST = 8                  # than its own touches, 8 ms without readahead


def initrd():
    rig.run("make", "-s", "-C", rig.ROOT / "tools/pvfault/warm",
            f"OUT={rig.BUILD / 'warm-static'}", "LDFLAGS=-static")
    return rig.archive("ahead", {
        "proc": None, "dev": None, "sys": None, "tmp": None,
        "bin/pvfault-warm": rig.BUILD / "warm-static/pvfault-warm",
        "init": rig.guest_program("ahead", HERE / "guest/ahead.c")})


def plan(kind, number):
    """WAY:WINDOW,... for the guest's command line."""
    if kind != "pvfault":
        return [f"{way}:0" for way in STOCK_WAYS]
    windows = WINDOWS if number % 2 else WINDOWS[::-1]
    return ["touch:0", f"warm:{WINDOWS[1]}",
            *(f"{way}:{n}" for way in (*AHEAD_WAYS, *SAME_WAYS) for n in windows)]


def guest(kind, number, cluster):
    steps = plan(kind, number)

    def run(g):
        g.host.write("/proc/sys/vm/page-cluster", cluster)
        life.squeeze(g, len(steps))

    mode = {"stock": "", "off": "pvfault=off ", "pvfault": "pvfault=on "}[kind]
    # A huge page would lie in memory that the guest has never used, and the host never taken.
    g = L2(f"{kind}{cluster}-{number}", f"{mode}transparent_hugepage=never bench.mb={MIB} "
           f"bench.plan={','.join(steps)}",
           kernel=rig.kernel("stock/main") if kind == "stock" else None, mib=160, limit=900,
           steps=run)
    g.kind, g.cluster, g.trace = kind, cluster, REPEATED_FAULTS
    return g


def took(guests, way, window):
    """Seconds of each guest for WAY, in their order."""
    said = (line.split() for g in guests for line in g.all("took"))
    return [float(s[2]) for s in said if s[0] == way and int(s[1]) == window]


def compare(v, ms, cluster, guests):
    """Note the figures of one latency, with one kind of readahead."""
    kinds = {k: [g for g in guests if g.kind == k and g.cluster == cluster]
             for k in report.KINDS}
    ours, where = kinds["pvfault"], f"{ms} ms, {'8 pages a read' if cluster else '1 page'}"
    alone, together = WINDOWS
    least = LEAST.get((ms, cluster), 1)
    for way in AHEAD_WAYS:
        before, after = (took(ours, way, n) for n in WINDOWS)
        rows = {k: took(kinds[k], way, 0) for k in ("off", "stock")}
        if not (before and after and rows["stock"]):
            continue
        times = report.median(before) / report.median(after)
        v.metrics[f"{way}, {where}"] = {**rows, "ahead=0": before, f"ahead={together}": after,
                                        "times": round(times, 2)}
        report.note(v, f"{way}, {where}", "s", True, f"{least} x ahead=0", times >= least,
                    **rows, pvfault=after)
    for way in SAME_WAYS:
        v.metrics[f"{way}, {where}"] = {f"ahead={n}": took(ours, way, n) for n in WINDOWS}
    touched, warmed = took(ours, "touch", alone), took(ours, "warm", together)
    if touched and warmed:
        times = report.median(touched) / report.median(warmed)
        least = WARM_LEAST if (ms, cluster) == (8, 0) else 1
        v.metrics[f"warm, {where}"] = {"touch": touched, "warm": warmed,
                                       "warmed": [g.get("warmed") for g in ours],
                                       "times": round(times, 2)}
        report.note(v, f"pvfault-warm, {where}", "s", True, f"{least} x touching", times >= least,
                    stock=took(kinds["stock"], "touch", 0), pvfault=warmed)


def ahead(v):
    rig.say(f"ahead: a boot of the host for each of {len(LATENCIES)} latencies, with "
            f"{6 * ROUNDS} guests each, 40 minutes in all, and 7 more, cold, for building "
            "the kernels")
    overlap.build()
    files = initrd()
    for ms in LATENCIES:
        guests = [guest(kind, n, cluster) for cluster in CLUSTERS for n in range(ROUNDS)
                  for kind in (report.KINDS if n % 2 else report.KINDS[::-1])]
        run_guests(f"ahead-{ms}", guests, memory="max", reads=0, l1_line=slow_disk(ms),
                   initrd=files)
        for g in guests:
            said = [line.split() for line in g.all("took")]
            v.check(f"{ms} ms, {g.name}: went all ways, memory verified",
                    g.done and not g.all("error") and
                    len(said) == len(plan(g.kind, 0)) and all(s[3] == "0" for s in said),
                    g.all("took"))
            v.metrics[f"{ms} ms, {g.name}"] = {
                "took": g.all("took"), "repeated_faults": g.get("repeated_faults")}
        for cluster in CLUSTERS:
            compare(v, ms, cluster, guests)
