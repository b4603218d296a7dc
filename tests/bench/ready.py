# SPDX-License-Identifier: GPL-2.0
"""ready: READY where it costs most, in instructions."""

import pathlib

import rig

HERE = pathlib.Path(__file__).resolve().parent


def ready(v):
    rig.run(rig.ROOT / "scripts/kernel.sh", "pvfault", "main")
    program = rig.guest_program("ready", HERE / "guest/ready.c")
    initrd = rig.archive("ready", {"sys": None, "dev": None, "init": program})
    said = {}
    with rig.Boot("ready", rig.kernel(), [initrd],
                  options=("-m", "512", "-icount", "shift=0,sleep=off"),
                  accel=("-accel", "tcg", "-cpu", "max")) as boot:
        for line in boot.lines(240):
            key, _, value = line.partition(" ")
            if value:
                said[key] = int(value)
    v.check("the guest finished", said.get("done") == 1)
    if not v.ok:
        return
    least = said["ready_least"] - said["refused_least"]
    most = said["ready_most"] - said["refused_least"]
    print("\n  READY that nobody waits for, with all 64 marks of its CPU in use, beyond a\n"
          f"  refused write to the simulated backend: {least} to {most} instructions")
    v.check("at most 800 instructions", 0 < most <= 800, most)
    v.metrics.update(least=least, most=most)
