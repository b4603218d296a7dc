#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run one benchmark: run.py NAME, which builds the kernels that it compares; the
suite: run.py, or all: run.py --full, which goes on where it stopped; both end with
one table and one picture. run.py --report prints them from what is there; run.py
--list names the benchmarks."""

import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "rig"), str(HERE.parent / "e2e")]
import rig  # noqa: E402
import steps  # noqa: E402
import ahead  # noqa: E402
import armed  # noqa: E402
import depth  # noqa: E402
import fresh  # noqa: E402
import hotpath  # noqa: E402
import kernbench  # noqa: E402
import latency  # noqa: E402
import overlap  # noqa: E402
import paged  # noqa: E402
import ready  # noqa: E402
import report  # noqa: E402
import restore  # noqa: E402
import roundtrip  # noqa: E402
import table  # noqa: E402
import work  # noqa: E402

# NAME: the function, and the minutes it takes once the kernels are built.
SUITE = {
    "hotpath": (hotpath.hotpath, 4),
    "roundtrip": (roundtrip.roundtrip, 6),
    "table": (table.table, 2),
    "overlap-user": (overlap.user, 17),
    "overlap-kernel": (overlap.kernel, 9),
}
MORE = {
    "overlap-user-60": (overlap.user_60, 17),
    "overlap-user-400": (overlap.user_400, 17),
    "overlap-alloc": (overlap.alloc, 9),
    "fresh-memory": (fresh.fresh, 12),
    "total-work": (work.total_work, 20),
    "kernbench-swap": (kernbench.kernbench_swap, 26),
    "xen": (paged.xen, 12),
    "xen-depth": (depth.depth, 14),
    "latency": (latency.latency, 15),
    "ahead": (ahead.ahead, 30),
    "ahead-same": (ahead.same, 15),
    "armed": (armed.armed, 1),
    "restore": (restore.restore, 15),
    "kernbench": (kernbench.kernbench, 12),
    "ready": (ready.ready, 1),
}
ALL = SUITE | MORE
KERNELS = ("stock/main", "main", "off")


def suite(names, resume):
    """A step each, as for the tests; the kernels first."""
    plan = [*map(steps.build, KERNELS),
            *(steps.Step(name, (sys.executable, __file__, name), ALL[name][1])
              for name in names)]
    failed = steps.run_all(plan, rig.BUILD / "benched.json", resume)
    report.report(names)
    return 1 if failed else 0


def one(name):
    try:
        verdict = rig.judge(name, ALL[name][0])
    except subprocess.CalledProcessError as failure:
        sys.exit(f"make bench: {failure}")
    if verdict.ok:
        return 0
    return steps.SHORT if verdict.metrics.get("figures") else 1


def main():
    name = sys.argv[1] if len(sys.argv) == 2 else ""
    if name == "--list":
        print("\n".join(f"{name:<16}{minutes:>3} min{', make bench' * (name in SUITE)}"
                        for name, (_, minutes) in ALL.items()))
        return 0
    if name == "--report":
        return report.report(ALL)
    if name not in (*ALL, "", "--full"):
        sys.exit(f"make bench: there is no {name}; there are {', '.join(sorted(ALL))}.")
    steps.prepare(())
    if name in ALL:
        return one(name)
    return suite(ALL if name else SUITE, resume=bool(name))


if __name__ == "__main__":
    rig.program(main)
