# SPDX-License-Identifier: GPL-2.0
"""A host that lies; see hostile.py."""

import os
import random

import kvm
import rig
from checks import READS
from hostile import check_lied_to, lied_to
from registry import scenario, show_sabotages


@scenario(kernels=("main", "hostile"), minutes=6, shown_by="kvm-hostile-sabotage",
          sabotages={
              "honest": "was lied to in every way",
              "forged": "consoles are clean",     # to the guest it is a #PF of its own
              "flip": "memory verified"})
def kvm_hostile(v, sabotage):
    """An L1 with a KVM that lies some 20 times a second to each of 1 and 2 vCPUs, and to a guest
    with guests of its own (``LIE_SEED=``); proof.rst has the lies."""
    seed = int(os.environ.get("LIE_SEED", random.randrange(1, 1 << 31)))
    rig.say(f"LIE_SEED={seed}")
    if sabotage:
        # A forged fault may end the guest before it can even panic.
        guests = [lied_to("hostile", 1, seed, sabotage, secs=5,
                          limit=60 if sabotage == "forged" else 600)]
    else:
        guests = [lied_to(f"hostile{n}", n, seed) for n in (1, 2)]
        nested = lied_to("nested", 1, seed)
        nested.line += " load.mb=128 load.tasks=2 load.guest=2"
        nested.cpu, nested.memory = kvm.NESTED_CPU, "130M"
        guests.append(nested)
    yield kvm.host(*guests, reads=4 * READS, l1_kernel=rig.kernel("hostile"))
    for guest in guests:
        check_lied_to(v, guest)
    if not sabotage:
        kvm.check_nested(v, nested)
    v.metrics["seed"] = seed


@scenario(kernels=("main", "hostile"), minutes=3)
def kvm_hostile_sabotage(v):
    """The checks of kvm-hostile can fail: its sabotages, in one boot of the host."""
    yield from show_sabotages(v)
