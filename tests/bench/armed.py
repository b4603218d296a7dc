# SPDX-License-Identifier: GPL-2.0
"""armed: what the hooks of touching ahead cost while nothing is missing, in instructions:
read() of 4 and of 128 KiB from the page cache, and a page fault that gets a cleared page.

A guest of a KVM host under -icount measures before a hook is armed. Then the host takes its
memory once, so that tasks wait at both hooks, and lets it have all of it again. The guest
measures once more, with 0 and with 16 pages touched ahead."""

import pathlib

import counted
import life
import report
import rig
from kvm import L2, slow_disk

HERE = pathlib.Path(__file__).resolve().parent

UNARMED, ALONE, TOGETHER = "unarmed", "0", "16"
# In the order of the guest's line.
FIGURES = ("read() of 4 KiB", "read() of 128 KiB", "a cleared page")


def armed(v):
    rig.say("armed: a boot of the host under -icount, one minute, and 6 more, cold, for "
            "building the kernel")
    rig.run(rig.ROOT / "scripts/kernel.sh", "pvfault", "main")
    initrd = rig.archive("armed", {
        "proc": None, "sys": None, "dev": None, "tmp": None,
        "init": rig.guest_program("armed", HERE / "guest/armed.c", HERE / "guest/minor.c")})
    guest = counted.run(v, lambda: L2("armed", "pvfault=on transparent_hugepage=never", mib=160,
                                      limit=900, steps=lambda g: life.squeeze(g, 1)),
                        memory="max", reads=0, l1_line=slow_disk(8), initrd=initrd)
    v.check("ended", guest.done and not guest.all("error"), guest.all("error")[:3])
    for what in ("alloc", "read"):
        v.check(f"tasks waited at the hook: {what}", guest.get(f"waits_{what}", 0) > 0,
                guest.get(f"waits_{what}"))
    costs = {words[0]: [int(word) for word in words[1:]]
             for words in map(str.split, guest.all("cost"))}
    v.check("measured three times, and nothing was missing meanwhile",
            sorted(costs) == sorted((UNARMED, ALONE, TOGETHER)) and
            not any(cost[-1] for cost in costs.values()), costs)
    if len(costs) < 3:
        return
    for i, what in enumerate(FIGURES):
        before, alone, together = (costs[hooks][i] for hooks in (UNARMED, ALONE, TOGETHER))
        v.metrics[what] = {UNARMED: before, f"ahead={ALONE}": alone,
                           f"ahead={TOGETHER}": together}
        report.note(v, f"{what}, hooks armed", "instructions", True,
                    f"ahead={ALONE}'s", 0 < together <= alone, off=[alone], pvfault=[together])
