# SPDX-License-Identifier: GPL-2.0
"""Xen guests with a disk and a network card, of dom0's real blkback and netback."""

import xen
from checks import READS, least
from registry import HOST_CLEAN, scenario
from xen import STANDS_STILL, check_paged, domu
from xenguests import SCRIPTS, use_disk, use_net, with_disk

LINE = f"load.secs=5 load.told=hvc0 load.alone=1 {STANDS_STILL}"


@scenario(kernels=("main", "xen"), minutes=4,
          sabotages={"spoilt": "what was read from the disk is what was written"})
def xen_disk(v, sabotage):
    """A disk by blkback, ``untrusted``: direct and buffered reads and writes, of memory that
    has been out, also while the pager is killed, replaced, and stands still. Sabotage
    "spoilt": dom0 writes to the disk, too."""
    guest = with_disk("disk", f"{LINE} load.disk=1", vcpus=2, limit=700,
                      steps=lambda guest: use_disk(guest, bool(sabotage)))
    yield xen.host(guest, reads=10 * READS, data_mib=64, files=SCRIPTS)
    v.check("disk: its driver copies", "bounce buffer: enabled" in guest.console)
    least(v, guest, "it has used its disk", "disk_rounds", 4)
    v.check("disk: what was read from the disk is what was written",
            guest.get("disk_wrong") == 0, guest.get("disk_wrong"))
    v.check("disk: no error", not guest.all("error"), guest.all("error")[:3])
    check_paged(v, guest)
    v.metrics.update(disk_rounds=guest.get("disk_rounds"))


@scenario(kernels=("main", "xen"), minutes=4, sabotages={"shares": HOST_CLEAN})
def xen_net(v, sabotage):
    """A network card by netback, ``untrusted``: page cache that has been out goes by
    sendfile() to dom0, also while the pager is killed, replaced, and stands still. Sabotage
    "shares": its driver doesn't copy, so that dom0's kernel sleeps in softirq."""
    trust = "trusted" if sabotage else "untrusted"
    guest = domu("net", f"{LINE} load.net=1", vcpus=2, limit=700,
                 options=(f'vif = ["mac=00:16:3e:00:00:01,script=vif-route,{trust}"]',),
                 steps=lambda guest: use_net(guest, bool(sabotage)))
    yield xen.host(guest, reads=10 * READS, files=SCRIPTS)
    fetched = guest.all("fetched")
    v.check("net: dom0 has fetched the file again and again, and it was right",
            len(fetched) >= 5 and sum(fetched) >= len(fetched) - 1, fetched)
    v.check("net: no error", not guest.all("error"), guest.all("error")[:3])
    check_paged(v, guest)
    v.metrics.update(fetched=len(fetched), files_sent=guest.get("files_sent"))
