# SPDX-License-Identifier: GPL-2.0
"""restore: a guest moved by post-copy over a slow channel. Measures how long a task that
needs no memory of the old host takes for its work of some seconds, and the longest wait
of the other tasks for a page. Half of these touch their memory, half let pread() do it."""

import life
import overlap
import report
import rig

ROUNDS = 2
KBYTES = 2048           # a second, of the channel
ALONE = 5               # seconds' worth of computing
LOAD = "load.way=touch,pread load.mb=64 load.secs=45 load.tick=1"


def restore(v):
    rig.say(f"restore: a boot of the host with {3 * ROUNDS} guests, 15 minutes, "
            "and 7 more, cold, for building the kernels")
    overlap.build()
    guests, turns = overlap.run_in_turns("restore", LOAD, ROUNDS, memory="max", reads=0,
                                         guest_options={"mib": 160, "steps": lambda g:
                                                        life.postcopy(g, KBYTES)})
    for g in turns:
        seconds = g.get("postcopy_end", 0) - g.get("moved", 0)
        v.check(f"{g.name}: moved, memory verified",
                g.done and g.get("corrupt") == 0 and seconds > 5, f"{seconds:.1f} s")
        v.metrics[g.name] = {"postcopy_s": round(seconds, 1),
                             "until_done_s": life.until_done(g, ALONE),
                             "worst_touch_ms": g.get("worst_touch_ms")}
    for what, unit, key in ((f"{ALONE} s of work done after", "s", "until_done_s"),
                            ("worst touch", "ms", "worst_touch_ms")):
        rows = {kind: [v.metrics[g.name][key] for g in guests[kind]
                       if v.metrics[g.name][key] is not None] for kind in guests}
        if rows["stock"] and rows["pvfault"]:
            report.note(v, what, unit, True, "better than stock",
                        report.median(rows["pvfault"]) < report.median(rows["stock"]), **rows)
