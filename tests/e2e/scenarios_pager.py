# SPDX-License-Identifier: GPL-2.0
"""What happens to the pager of a Xen guest, and must not happen to the guest."""

import rig
from scenarios import READS, scenario
from scenarios_xen import check_paged, domu, held
from xen import run_guests

KILLS = 24

# What a page file must not survive; see tools/pvfault/pagefile.h for where it hits.
SPOIL = {
    "no-table": "dd if=/dev/zero of=/pages/$name bs=4096 seek=2 count=400 conv=notrunc",
    "no-file": "rm /pages/$name",
}


def spoiled(name, sabotage, known):
    if sabotage and sabotage not in known:
        raise rig.Failure(f"{name} knows no sabotage '{sabotage}', but {', '.join(known)}.")
    return known.get(sabotage, "")


@scenario("xen-pager-crash")
def xen_pager_crash(sabotage):
    """kill -9, again and again, under load and at whatever moment: the next pager
    takes the guest over with the same page file."""
    v = rig.Verdict("xen-pager-crash")
    guest = domu("crash", "load.secs=90 load.alone=1", vcpus=2, limit=420)
    guest.kills = KILLS
    guest.spoil = spoiled("xen-pager-crash", sabotage, SPOIL)
    v.check("the consoles of Xen and dom0 are clean",
            not run_guests("xen-pager-crash", [guest], reads=4 * READS))
    check_paged(v, guest)
    v.check(f"the pager was killed {KILLS} times", guest.get("kills") == KILLS,
            guest.get("kills"))
    v.check("no pager ended by itself", guest.get("own_ends") == 0, guest.get("own_ends"))
    v.check("most of those that were killed had taken over before",
            guest.get("takeovers", 0) >= KILLS * 2 // 3, guest.get("takeovers"))
    v.metrics.update(kills=guest.get("kills"), takeovers=guest.get("takeovers"),
                     async_faults=guest.counter("sleep"), retries=guest.counter("retry"),
                     held=held(guest), corrupt=guest.get("corrupt"),
                     worst_touch_ms=guest.get("worst_touch_ms"))
    return v
