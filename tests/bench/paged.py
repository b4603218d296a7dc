# SPDX-License-Identifier: GPL-2.0
"""xen: a guest that the pager holds at each page that is out, as Xen's own paging does,
and one that it notifies; in user mode and in kernel mode (pread), in turns in one boot."""

import report
import rig
from kernelmode import rejections
from xen import PAGER, domu, held, run_guests

ROUNDS = 2
READS = 100
WAYS = (("user", ""), ("kernel", "load.way=pread"))


def xen(v):
    rig.say(f"xen: a boot of Xen with {4 * ROUNDS} guests, 12 minutes, "
            "and 5 more, cold, for building kernel and hypervisor")
    rig.run(rig.ROOT / "scripts/kernel.sh", "pvfault", "main")
    rig.run(rig.ROOT / "scripts/xen.sh")
    guests = {}
    for i in range(ROUNDS):
        for way, load in WAYS:
            for kind, pager in (("off", f"{PAGER} --hold"), ("pvfault", PAGER)):
                guests[way, kind, i] = domu(f"{way}-{kind}{i}", load, pager)
    run_guests("xen-bench", guests.values(), reads=READS)
    for g in guests.values():
        v.check(f"{g.name}: ended, memory verified", g.done and g.get("corrupt") == 0,
                g.get("overlap"))
        v.metrics[g.name] = {"overlap": g.get("overlap"), "sleeps": g.counter("sleep"),
                             "page_ins": g.get("pager.page_ins"), "held": held(g),
                             "rejections": rejections(g)}
    for way, _ in WAYS:
        rows = {kind: [g.get("overlap", 0) for (w, k, _), g in guests.items()
                       if (w, k) == (way, kind)] for kind in ("off", "pvfault")}
        off, ours = (report.median(rows[k]) for k in ("off", "pvfault"))
        report.note(v, f"{way}, overlap at {READS} reads/s", "of alone", False,
                    "3 x held", ours >= 3 * off > 0, **rows)
