# SPDX-License-Identifier: GPL-2.0
"""Xen guests with a disk and a network card, of dom0's real blkback and netback. dom0's
kernel reports each place that sleeps where it mustn't."""

import re

import rig
import xen
from checks import READS, least
from registry import scenario, show_sabotages
from xen import STANDS_STILL, check_paged, domu
from xenguests import SCRIPTS, use_disk, use_net, with_disk

LINE = f"load.secs=5 load.told=hvc0 load.alone=1 {STANDS_STILL}"


# Of DEBUG_ATOMIC_SLEEP, and of schedule().
SLEEPS = re.compile(r"BUG: (sleeping function called from invalid context|"
                    r"scheduling while atomic)")


def host(guest, **more):
    return xen.host(guest, reads=10 * READS, files=SCRIPTS, dom0_kernel=rig.kernel("sleeps"),
                    **more)


def check_host(v, guest, plan):
    """Netback and blkback work where no task may sleep."""
    slept = [line for line in plan.trouble if SLEEPS.search(line)]
    v.check(f"{guest.name}: dom0's kernel never slept where it mustn't", not slept, slept[:3])


@scenario(kernels=("main", "sleeps", "xen"), minutes=10)
def xen_devices_sabotage(v):
    """The checks of xen-disk and xen-net can fail: their sabotages, in a boot of Xen each."""
    yield from show_sabotages(v)


@scenario(kernels=("main", "sleeps", "xen"), minutes=4, shown_by="xen-devices-sabotage",
          sabotages={"spoilt": "what was read from the disk is what was written"})
def xen_disk(v, sabotage):
    """A disk by blkback, ``untrusted``: direct and buffered reads and writes, of memory that
    has been out, also while the pager is killed, replaced, and stands still. Sabotage
    "spoilt": dom0 writes to the disk, too."""
    guest = with_disk("disk", f"{LINE} load.disk=1", vcpus=2, limit=700,
                      steps=lambda guest: use_disk(guest, bool(sabotage)))
    plan = host(guest, data_mib=64)
    yield plan
    check_host(v, guest, plan)
    v.check("disk: its driver copies", "bounce buffer: enabled" in guest.console)
    least(v, guest, "it has used its disk", "disk_rounds", 4)
    v.check("disk: what was read from the disk is what was written",
            guest.get("disk_wrong") == 0, guest.get("disk_wrong"))
    v.check("disk: no error", not guest.all("error"), guest.all("error")[:3])
    check_paged(v, guest)
    v.metrics.update(disk_rounds=guest.get("disk_rounds"))


@scenario(kernels=("main", "sleeps", "xen"), minutes=4, shown_by="xen-devices-sabotage",
          sabotages={"shares": "dom0's kernel never slept where it mustn't"}, alone=True)
def xen_net(v, sabotage):
    """A network card by netback, ``untrusted``: page cache that has been out goes by
    sendfile() to dom0, also while the pager is killed, replaced, and stands still. Sabotage
    "shares": its driver doesn't copy, so that dom0's kernel sleeps in softirq."""
    trust = "trusted" if sabotage else "untrusted"
    guest = domu("net", f"{LINE} load.net=1", vcpus=2, limit=200 if sabotage else 700,
                 options=(f'vif = ["mac=00:16:3e:00:00:01,script=vif-route,{trust}"]',),
                 steps=lambda guest: use_net(guest, bool(sabotage)))
    plan = host(guest)
    yield plan
    check_host(v, guest, plan)
    fetched = guest.all("fetched")
    v.check("net: dom0 has fetched the file again and again, and it was right",
            len(fetched) >= 5 and sum(fetched) >= len(fetched) - 1, fetched)
    v.check("net: no error", not guest.all("error"), guest.all("error")[:3])
    check_paged(v, guest)
    v.metrics.update(fetched=len(fetched), files_sent=guest.get("files_sent"))
