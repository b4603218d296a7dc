#!/usr/bin/env drgn
# SPDX-License-Identifier: GPL-2.0
"""List the tasks that wait for the host, from a live kernel or from a core of it.

  drgn tools/pvfault/drgn/sleepers.py                    the kernel that runs, as root
  drgn -c vmcore -s vmlinux tools/pvfault/drgn/sleepers.py

The kernel needs DWARF (CONFIG_DEBUG_INFO), at least of arch/x86/kernel/pvfault/table.c.
"""
# pylint: disable=undefined-variable

from drgn import Object, container_of
from drgn.helpers.common.format import escape_ascii_string
from drgn.helpers.linux.list import hlist_for_each_entry


def nodes():
    """All that is on the table."""
    buckets = prog["pvfault_buckets"]
    if not buckets:
        return
    for i in range(1 << prog["pvfault_bits"].value_()):
        yield from hlist_for_each_entry("struct pvfault_node",
                                        buckets[i].nodes.address_of_(), "link")


def told(sleeper):
    """What it was told, which newer kernels keep in a struct of its own."""
    return sleeper.told if hasattr(sleeper, "told") else sleeper


def main():
    states = prog.type("enum pvfault_state")
    sleeping = next(e.value for e in states.enumerators if e.name == "PVFAULT_SLEEPING")
    jiffies = Object(prog, "unsigned long", address=prog.symbol("jiffies").address)
    tick = Object(prog, "unsigned long", address=prog.symbol("tick_nsec").address)
    sleepers = [container_of(node, "struct pvfault_sleeper", "node") for node in nodes()
                if node.state.value_() == sleeping]
    print(f"{'token':>18} {'cpu':>4} {'age_ms':>10} {'pid':>6} comm")
    for s in sleepers:
        age = (jiffies - told(s).since).value_() * tick.value_() // 1000000
        comm = escape_ascii_string(s.task.comm.string_())
        print(f"{s.node.token.value_():#18x} {told(s).cpu.value_():4} {age:10} "
              f"{s.task.pid.value_():6} {comm}")
    marks = sum(1 for node in nodes() if node.state.value_() != sleeping)
    print(f"{len(sleepers)} tasks wait, {marks} tokens are remembered")


main()
