# SPDX-License-Identifier: GPL-2.0
"""Where a guest's kernel has touched pages that its host didn't have, by L1's trace."""

import collections
import re

import rig
from kvm import REPEATED_FAULTS, TRACING

# Each touch of a page that the host's page tables for the guest don't have.
PAGE_FAULTS = f"{TRACING}/events/kvm/kvm_page_fault/enable"


def functions(guest):
    """(start, end, name) of each function of the guest's kernel, which isn't relocated."""
    image = guest.kernel or rig.kernel()
    symbols = sorted((int(line.split()[0], 16), line.split()[2]) for line in
                     (image.parents[3] / "System.map").read_text().splitlines())
    # Per-CPU variables have small numbers, where processes have their code.
    return [(start, end, name) for (start, name), (end, _) in zip(symbols, symbols[1:])
            if start >> 63]


def tell_faults(guest):
    """Note where the vCPU has touched what it doesn't have. Return (gfn, rip) of each touch of
    a page that was on its way already, if this guest traces them and has one vCPU."""
    again, rip = [], 1 << 63
    for line in guest.host.run(
            f"sed -n -e 's/.*kvm_page_fault: .* rip 0x\\([0-9a-f]*\\).*/at \\1/p' "
            f"-e 's/.*{REPEATED_FAULTS[0]}: .*gfn = 0x\\([0-9a-f]*\\).*/again \\1/p' "
            f"{TRACING}/trace", 300).splitlines():
        what, number = line.split()
        if what == "at":
            guest.tell("fault_at", number)
            rip = int(number, 16)
        else:
            again.append((number, rip))
    return again


def touched_at(guest):
    """How often each of its kernel's functions is in what tell_faults() has noted."""
    places = collections.Counter()
    code = functions(guest)
    for rip, times in collections.Counter(guest.all("fault_at")).items():
        places.update({name: times for start, end, name in code
                       if start <= int(rip, 16) < end})
    return places


def own(places):
    """Those of pvfault's functions among PLACES, but for the instructions that are meant to
    touch missing pages."""
    return [name for name in places if re.match(r"(__)?(pvfault|kvm_apf)_", name) and
            not re.match(r"pvfault_(touch|test|kit)", name)]


def check_own_code(v, guest):
    """Pvfault's own code met no missing page. Return: all places that did."""
    places = touched_at(guest)
    v.check(f"{guest.name}: pvfault's own code met no missing page", not own(places),
            own(places)[:5])
    return places
