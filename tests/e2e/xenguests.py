# SPDX-License-Identifier: GPL-2.0
"""Guests of Xen to which something happens, for scenarios and for "make coverage"."""

from xen import MIB, PAGER, DomU, domu

# What XenStore forgets of the device of a guest, and how often the guest connects then.
FORGOTTEN = {
    # The pager's nodes: it can't be found any more. Another one makes them again.
    "backend": ("/local/domain/0/backend/pvfault/$id", 1),
    # The guest's, as if it were unplugged: the pager plugs it in again.
    "device": ("/local/domain/$id/device/pvfault", 2),
}


def forgotten(name, kept=False):
    """Its device's nodes vanish, or, KEPT, they don't."""
    guest = domu(name, f"load.secs={90 if name == 'backend' else 25} load.alone=1", vcpus=2)
    forget = "true" if kept else "xenstore-rm"
    guest.at_walk = (f'sleep 8; id=$(xl domid $name); {forget} {FORGOTTEN[name][0]}; '
                     'tell "removed $?"')
    if name == "backend":
        guest.at_walk += "; sleep 2; save /tmp/save; rm /tmp/save"
    return guest


def withdrawing(kept=False):
    """Guests whose driver lets go of the device, whose memory goes offline, unless it is
    KEPT, and one that never had anything to give."""
    rebind = domu("rebind", f"load.secs=40 load.alone=1 load.rebind={int(not kept)}", vcpus=2)
    # Of three blocks of movable memory the load takes one, so that another can go.
    # The guest gives up after 30 seconds, and tries again.
    offline = domu("offline", "load.secs=60 load.alone=1 load.mb=150 "
                   f"load.offline={0 if kept else 3}", mib=512, pager="--target 250", vcpus=2)
    nothing = DomU("nothing", "load.mb=72 load.secs=3 load.alone=1", mib=MIB)
    nothing.pager = PAGER
    return rebind, offline, nothing


def restored(name, line="load.secs=60", **more):
    """It is saved and restored under load, each time with a pager of its own."""
    guest = domu(name, f"{line} load.alone=1", **{"vcpus": 2, "limit": 600, **more})
    guest.lives, guest.again = 2, True
    guest.at_walk = "sleep 8; restore /tmp/save"
    return guest


def restored_late(name):
    """Its second pager comes when it already runs."""
    guest = restored(name)
    guest.at_walk = "sleep 8; restore /tmp/save 5"
    return guest


def save_refused(name, quick=False, **more):
    """Its pager's disk is so slow that the guest gives up waiting and refuses; unless QUICK."""
    guest = domu(name, "load.secs=90 load.alone=1", **{"vcpus": 2, "limit": 500, **more})
    guest.early = True
    slow = "" if quick else 'tell "phase starve"; sleep 3;'
    guest.at_walk = f'sleep 5; {slow} save /tmp/save; tell "phase walk"'
    return guest


def check_not_saved(v, guest):
    v.check(f"{guest.name}: it was not saved, and said why",
            guest.get("saved") not in (0, None) and
            "hasn't brought all pages back: not suspended" in guest.console,
            guest.get("saved"))
