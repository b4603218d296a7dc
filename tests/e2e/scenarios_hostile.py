# SPDX-License-Identifier: GPL-2.0
"""A host that lies: it says what it likes about missing pages. Nothing may break,
and nobody may sleep beyond the deadline.

What a host may say, and what no guest survives: Documentation/virt/pvfault/proof.rst.
"""

import os
import random

import rig
from kvm import L2, run_guests
from scenarios import READS, check_guest, judge_sabotages, known_sabotage, scenario

# As tests/patches' lie.c numbers them.
LIES = ("user", "stranger", "kernel", "irqs_off", "ready", "all", "empty", "flags", "nmi")

# So many a second to each vCPU.
RATE = 20
DEADLINE_MS = 2000

# A retry comes within a second of the deadline; the rest is for a slow machine.
OLDEST_MS = DEADLINE_MS + 1000 + 3000

# A sabotage, and the check that it must turn red.
TURNS_RED = {
    "honest": "was lied to in every way",
    "forged": "consoles are clean",     # a #PF of its own, as far as it can tell
    "flip": "memory verified",
}


def entry_text(kernel):
    """Where KERNEL is entered, and what is like it: START,END,START,END."""
    names = ("__entry_text_start", "__entry_text_end",
             "__noinstr_text_start", "__noinstr_text_end")
    symbols = {}
    for line in (kernel.parents[3] / "System.map").read_text().splitlines():
        address, _, name = line.split()
        symbols[name] = int(address, 16)
    return ",".join(str(symbols[name]) for name in names)


def lied_to(name, vcpus, seed, sabotage="", secs=25):
    """A guest under a usual load whose host lies, but for SABOTAGE."""
    load = "load.sabotage=flip " if sabotage == "flip" else ""
    guest = L2(name, f"pvfault=on pvfault_deadline_ms={DEADLINE_MS} {load}"
               f"load.secs={secs} load.alone=1 load.oldest=1", vcpus=vcpus, limit=600)
    guest.before = (f"lie_not={entry_text(rig.kernel())}; "
                    f"lie_error_code={4 if sabotage == 'forged' else 0}")
    guest.steps = f"lie {0 if sabotage == 'honest' else RATE} {seed}"
    return guest


def check_lied_to(v, guest):
    check_guest(v, guest)
    name, lied = guest.name, [int(n) for n in str(guest.get("lied", "")).split(",") if n]
    v.check(f"{name}: was lied to in every way", len(lied) == len(LIES) and min(lied) > 0,
            dict(zip(LIES, lied)))
    c = guest.counter
    v.check(f"{name}: lies with interrupts off were refused", c("rejected_irqs") > 0,
            c("rejected_irqs"))
    v.check(f"{name}: every rejection has its reason",
            c("rejected") == sum(c(f"rejected_{why}") for why in
                                 ("irqs", "mode", "no_mm", "insn", "atomic", "state")),
            c("rejected"))
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


def lie_to(name, guests):
    return run_guests(name, guests, reads=4 * READS, l1_kernel=rig.kernel("hostile"))


def seed_of_today():
    seed = int(os.environ.get("LIE_SEED", random.randrange(1, 1 << 31)))
    rig.say(f"LIE_SEED={seed}")
    return seed


@scenario("kvm-hostile")
def kvm_hostile(sabotage):
    """1 and 2 vCPUs, and guests in a guest; LIE_SEED."""
    known_sabotage("kvm-hostile", sabotage, usual=TURNS_RED)
    v, seed = rig.Verdict("kvm-hostile"), seed_of_today()
    guests = [lied_to(f"hostile{n}", n, seed, sabotage) for n in (1, 2)]
    nested = lied_to("nested", 1, seed, sabotage)
    nested.line += " load.mb=128 load.tasks=2 load.guest=2"
    nested.before += "; cpu=$cpu,migratable=off"
    nested.memory = "130M"
    guests.append(nested)
    v.check("the host's console is clean", not lie_to("kvm-hostile", guests))
    for guest in guests:
        check_lied_to(v, guest)
    v.check("nested: its guests ran, their memory verified",
            nested.get("nested_walks", 0) > 0 and nested.get("nested_wrong") == 0,
            [nested.get(k) for k in ("nested_walks", "nested_wrong")])
    v.metrics["seed"] = seed
    return v


@scenario("kvm-hostile-sabotage")
def kvm_hostile_sabotage(sabotage):
    """The checks of kvm-hostile can fail: sabotage them one by one, in one boot."""
    seed = seed_of_today()
    guests = [lied_to(what, 1, seed, what, secs=5) for what in TURNS_RED]
    guests[list(TURNS_RED).index("forged")].limit = 60     # it may not even panic
    lie_to("kvm-hostile-sabotage", guests)
    return judge_sabotages(rig.Verdict("kvm-hostile-sabotage"), guests, check_lied_to,
                           TURNS_RED)
