# SPDX-License-Identifier: GPL-2.0
"""ahead: how long one task takes to get memory back that the host has taken, with nothing
touched ahead (as stock Linux has it, and with pvfault_ahead=0) and with 16 pages at once;
with a disk of 8 and of 1 ms that serves 64 reads at once, and with a host that reads one
page, or eight pages around it (Linux' default).

All values for one latency come from one boot of the host: each guest's memory is taken
again before each way. Of pvfault's guests each goes all ways with both windows, in turns.

ahead-same: the same for ways in which nothing can be touched ahead: it costs nothing there.
"""

import os
import pathlib

import life
import overlap
import report
import rig
from checks import chance
from kvm import L2, REPEATED_FAULTS, TRACING, run_guests, slow_disk

HERE = pathlib.Path(__file__).resolve().parent

ROUNDS = int(os.environ.get("AHEAD_ROUNDS", "2"))
LATENCIES = [int(ms) for ms in os.environ.get("AHEAD_MS", "8,1").split(",")]     # ms
CLUSTERS = (0, 3)               # vm.page-cluster of the host
WINDOWS = (0, 16)
MIB = 4                         # that are walked
SECTORS = 8                     # of a page
STOCK_WAYS = ("fresh", "read", "touch")
AHEAD_WAYS = ("fresh", "read")
SAME_WAYS = ("random", "pairs", "threads")
# Both windows in such an order that neither has the better places.
TURNS = [WINDOWS[i] for i in (0, 1, 1, 0)] * 3

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
            *(f"{way}:{n}" for way in AHEAD_WAYS for n in windows)]


def guest(kind, number, cluster, steps):
    def look():
        """Count for each step what the host reads, and what is touched again meanwhile."""
        sectors = g.host.read("/sys/block/nullb0/stat").split()[2]
        g.tell("read_in", int(sectors) // SECTORS)
        g.tell("again", int(g.host.run(
            f"grep -c {REPEATED_FAULTS[0]}: {TRACING}/trace; echo >{TRACING}/trace")))

    def run(g):
        g.host.write("/proc/sys/vm/page-cluster", cluster)
        life.squeeze(g, len(steps), look)
        g.until_phase("over")
        look()

    mode = {"stock": "", "off": "pvfault=off ", "pvfault": "pvfault=on "}[kind]
    # A huge page would lie in memory that the guest has never used, and the host never taken.
    g = L2(f"{kind}{cluster}-{number}", f"{mode}transparent_hugepage=never bench.mb={MIB} "
           f"bench.plan={','.join(steps)}",
           kernel=rig.kernel("stock/main") if kind == "stock" else None, mib=160, limit=900,
           steps=run)
    g.kind, g.cluster, g.ways, g.trace = kind, cluster, len(steps), REPEATED_FAULTS
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
    touched, warmed = took(ours, "touch", alone), took(ours, "warm", together)
    if touched and warmed:
        times = report.median(touched) / report.median(warmed)
        least = WARM_LEAST if (ms, cluster) == (8, 0) else 1
        v.metrics[f"warm, {where}"] = {"touch": touched, "warm": warmed,
                                       "warmed": [g.get("warmed") for g in ours],
                                       "times": round(times, 2)}
        report.note(v, f"pvfault-warm, {where}", "s", True, f"{least} x touching", times >= least,
                    stock=took(kinds["stock"], "touch", 0), pvfault=warmed)


def check_ways(v, where, g):
    said = [line.split() for line in g.all("took")]
    v.check(f"{where}{g.name}: went all ways, memory verified",
            g.done and not g.all("error") and len(said) == g.ways and
            all(s[3] == "0" for s in said), g.all("took"))
    v.metrics[f"{where}{g.name}"] = {"took": g.all("took"), "again": g.all("again")[2::2]}


def ahead(v):
    rig.say(f"ahead: a boot of the host for each of {len(LATENCIES)} latencies, with "
            f"{6 * ROUNDS} guests each, 40 minutes in all, and 7 more, cold, for building "
            "the kernels")
    overlap.build()
    files = initrd()
    for ms in LATENCIES:
        guests = [guest(kind, n, cluster, plan(kind, n)) for cluster in CLUSTERS
                  for n in range(ROUNDS)
                  for kind in (report.KINDS if n % 2 else report.KINDS[::-1])]
        run_guests(f"ahead-{ms}", guests, memory="max", reads=0, l1_line=slow_disk(ms),
                   initrd=files)
        for g in guests:
            check_ways(v, f"{ms} ms, ", g)
        for cluster in CLUSTERS:
            compare(v, ms, cluster, guests)


def each_step(g):
    """For each step its way and window, seconds, pages read, and pages touched again. The
    host is looked at before and after taking the memory, so twice a step."""
    reads, again = g.all("read_in")[1:], g.all("again")[1:]
    for i, said in enumerate(g.all("took")):
        way, window, seconds = said.split()[:3]
        yield way, int(window), (float(seconds), reads[2 * i + 1] - reads[2 * i],
                                 again[2 * i + 1])


def compare_same(v, g):
    """Time, by its median, within the spread of that without; counts at most 2 % more than
    chance explains."""
    steps, where = list(each_step(g)), "8 pages a read" if g.cluster else "1 page"
    for way in SAME_WAYS:
        seconds, reads, again = (
            [[values[i] for w, n, values in steps if (w, n) == (way, window)]
             for window in WINDOWS] for i in range(3))
        v.metrics[f"{way}, {where}"] = {"seconds": seconds, "reads": reads, "again": again}
        v.check(f"{way}, {where}: time within the spread of that with ahead=0",
                seconds[0] and report.median(seconds[1]) <= max(seconds[0]),
                " against ".join(map(report.spread, seconds[::-1])))
        for what, (before, after) in (("pages read", reads), ("touched again", again)):
            most = 1.02 * sum(before) + chance(before, after) * len(before)
            v.check(f"{way}, {where}: {what}, at most 2 % more than with ahead=0",
                    sum(after) <= most,
                    f"{sum(after):.0f} against {sum(before):.0f}, so at most {most:.0f}")


def same(v):
    rig.say("ahead-same: a boot of the host with a guest for each kind of readahead, 12 times "
            f"{len(SAME_WAYS)} ways in each, 15 minutes in all")
    overlap.build()
    steps = [f"{way}:{window}" for way in SAME_WAYS for window in TURNS]
    guests = [guest("pvfault", 0, cluster, steps) for cluster in CLUSTERS]
    run_guests("ahead-same", guests, memory="max", reads=0, l1_line=slow_disk(LATENCIES[0]),
               initrd=initrd())
    for g in guests:
        check_ways(v, "", g)
        compare_same(v, g)
