# SPDX-License-Identifier: GPL-2.0
"""A host that lies about which pages are out. Nothing may break, and no task may sleep
beyond its deadline.

docs/proof.rst has what the host says, and which lies no guest could survive.
"""

import life
import rig
from checks import check_guest
from kernelmode import check_reasons
from kvm import L2

# As numbered in lie.c of tests/overlay.
LIES = ("user", "stranger", "kernel", "irqs_off", "ready", "all", "empty", "flags", "nmi")

# So many a second to each vCPU.
RATE = 20
DEADLINE_MS = 2000

# A retry comes within a second of the deadline; the rest is for a slow machine.
OLDEST_MS = DEADLINE_MS + 1000 + 3000


def entry_text(kernel):
    """The entry code of KERNEL, and other noinstr text: START,END,START,END."""
    names = ("__entry_text_start", "__entry_text_end",
             "__noinstr_text_start", "__noinstr_text_end")
    symbols = {}
    for line in (kernel.parents[3] / "System.map").read_text().splitlines():
        address, _, name = line.split()
        symbols[name] = int(address, 16)
    return ",".join(str(symbols[name]) for name in names)


def lied_to(name, vcpus, seed, sabotage="", secs=25, **more):
    """A guest under a usual load whose host lies; SABOTAGE changes that."""
    load = "load.sabotage=flip " if sabotage == "flip" else ""
    guest = L2(name, f"pvfault=on pvfault_deadline_ms={DEADLINE_MS} {load}"
               f"load.secs={secs} load.alone=1 load.oldest=1", vcpus=vcpus,
               **{"limit": 600, **more}, steps=life.lie)
    guest.lies = {"lie_not": entry_text(rig.kernel()), "lie_seed": seed,
                  "lie_error_code": 4 if sabotage == "forged" else 0,
                  "lie": 0 if sabotage == "honest" else RATE}
    return guest


def check_lied_to(v, guest):
    check_guest(v, guest)
    name, lied = guest.name, [int(n) for n in str(guest.get("lied", "")).split(",") if n]
    v.check(f"{name}: was lied to in every way", len(lied) == len(LIES) and min(lied) > 0,
            dict(zip(LIES, lied)))
    c = guest.counter
    v.check(f"{name}: lies with interrupts off were refused", c("rejected_irqs") > 0,
            c("rejected_irqs"))
    check_reasons(v, guest)
    v.check(f"{name}: READY for nobody was dropped or remembered",
            c("dropped") > 0 and c("early") > 0, f"{c('dropped')}, {c('early')}")
    v.check(f"{name}: nobody slept beyond the deadline",
            0 < guest.get("oldest_ms", 0) < OLDEST_MS, guest.get("oldest_ms"))
    gone = abs(guest.get("slab.after", 1e9) - guest.get("slab.before", 0))
    v.check(f"{name}: slab is back where it began", gone < 4096, f"{gone} KiB")
    v.metrics[name] = {"lied": dict(zip(LIES, lied)), "slab_change_kib": gone,
                       "oldest_ms": guest.get("oldest_ms"), "async_faults": c("sleep"),
                       "retries": c("retry"), "rejected": c("rejected"),
                       "overwritten": c("overwritten"), "corrupt": guest.get("corrupt")}
