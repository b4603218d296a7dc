# SPDX-License-Identifier: GPL-2.0
"""What Xen's trace buffer says of a guest's vCPUs; xentrace(8) writes it in dom0.

Xen says when a vCPU runs, waits for a CPU, is blocked, or is paused: the last is what
memory paging does to it. A guest's TSC is the machine's and an offset that Xen tells nobody.
So the guest executes CPUID with leaves that nobody else asks for, and says at which tick:
Xen traces these, too."""

import struct
from collections.abc import Iterable, Iterator

# As in xen/include/public/trace.h: an event has 28 bits, its words of data 3, then one that
# says whether the TSC comes first.
CLASSES = 0x21000 | 0x82000             # changes of a vCPU's state; what its exits were for
RUNSTATE, CPUID = 0x21001, 0x8200e
OLD_NEW = 0x330                         # the bits of RUNSTATE with the two states
STATES = ("computing", "host", "idle", "stopped")       # running, runnable, blocked, offline

# As in tests/e2e/guest/trace.c.
MARK, MARKS = 0x70766600, 32

Change = tuple[int, int, str]           # ticks, vCPU, its state from then on


def records(raw: bytes) -> Iterator[tuple[int, int, tuple[int, ...]]]:
    """(event, ticks, data) of each record; without a TSC of its own it has the last one's."""
    at, ticks = 0, 0
    while at + 4 <= len(raw):
        head, = struct.unpack_from("<I", raw, at)
        words, at = head >> 28 & 7, at + 4
        if head >> 31:
            if at + 8 > len(raw):
                return
            ticks, = struct.unpack_from("<Q", raw, at)
            at += 8
        if at + 4 * words > len(raw):
            return
        yield head & 0xfffffff, ticks, struct.unpack_from(f"<{words}I", raw, at)
        at += 4 * words


def read(raw: bytes, domain: int) -> tuple[list[Change], dict[int, int]]:
    """What DOMAIN's vCPUs did, and the ticks of the guest's marks."""
    changes, marks = [], {}
    for event, ticks, data in records(raw):
        if event & ~OLD_NEW == RUNSTATE and data and data[0] >> 16 == domain:
            changes.append((ticks, data[0] & 0xffff, STATES[event >> 4 & 3]))
        elif event == CPUID and data and MARK <= data[0] < MARK + MARKS:
            marks[data[0] - MARK] = ticks
    return sorted(changes), marks


def offset(here: dict[int, int], guest: Iterable[tuple[int, int, int]]) -> int | None:
    """How far the guest's TSC is ahead of that of HERE's marks. GUEST: (mark, ticks before
    it, ticks after it); the one that took least is the best."""
    known = [(after - before, (before + after) // 2 - here[mark])
             for mark, before, after in guest if mark in here]
    return min(known)[1] if known else None
