# SPDX-License-Identifier: GPL-2.0
"""What "make demo" answers about this machine's KVM."""

import hardware
from registry import scenario

# L1 on TCG stands for a KVM that works.
WORKS = ("-accel", "tcg", "-cpu", "max")
HERE = "/dev/null"          # a device that can be opened
ANSWERS = (
    ("there is none: it says so", "/dev/none", WORKS, "has no /dev/none"),
    ("QEMU ends: its own words", HERE, ("-accel", "tcg", "-cpu", "none"),
     "can't boot this kernel: unable to find CPU model 'none'"),
    ("nothing comes up: the time limit", HERE, (*WORKS, "-S"),
     "nothing came up within 3 s"),
    ("its guests can't have guests: it says so", HERE,
     (*WORKS[:3], "max,-svm"), "but not for guests of guests"),
    ("it works: no refusal", HERE, WORKS, ""),
)


@scenario(minutes=1, quick=True,
          sabotages={"blind": "its guests can't have guests: it says so"})
def hardware_probe(v, sabotage):
    """How ``make demo`` finds out whether this machine's KVM can be the host: without a device,
    with a QEMU that ends, one that stands still, one without nesting, one that works.
    Emulated processors stand for the hardware. Sabotage "blind": it doesn't look in L1."""
    if sabotage:
        hardware.NESTED = "true"
    for text, device, accel, want in ANSWERS:
        said = hardware.refusal(device, accel, 3 if "-S" in accel else 300)
        v.check(text, want in said if want else not said, said)
    v.metrics["this_machine"] = hardware.refusal() or "works"
