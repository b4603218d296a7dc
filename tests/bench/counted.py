# SPDX-License-Identifier: GPL-2.0
"""Guests of a KVM host whose instructions are counted, by -icount. Each has a boot of the
host for itself, because the more runs, the likelier QEMU hangs, see docs/rig.rst."""

import rig
from kvm import run_guests

TRIES = 4


def run(v, make, **more):
    """Run the guest that MAKE returns, again if it doesn't come to its end. Return it."""
    for left in reversed(range(TRIES)):
        guest = make()
        try:
            trouble = run_guests(f"{v.name}-{guest.name}", [guest], icount=True, **more)
        except rig.Failure as hung:
            if not left:
                raise
            rig.say(f"{guest.name}: hung, as guests of guests do under -icount; again "
                    f"({hung})")
            continue
        v.check(f"{guest.name}: the host's console is clean", not trouble, trouble[:3])
        return guest
