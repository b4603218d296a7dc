# SPDX-License-Identifier: GPL-2.0
"""Acts on Xen's guests and their pagers while they run, and guests for them; used by
scenarios and by "make coverage"."""

import random
import re

from xen import MIB, PAGER, DomU, Pager, domu

# Which nodes of a guest's device vanish from XenStore, and how often the guest connects then.
FORGOTTEN = {
    # The pager's nodes, so that it can't be found any more. The next pager makes them anew.
    "backend": ("/local/domain/0/backend/pvfault/$(xl domid {})", 1),
    # The guest's, as if it were unplugged: the pager plugs it in again.
    "device": ("/local/domain/$(xl domid {})/device/pvfault", 2),
}

# dom0's part of a device that comes, as Debian's scripts of these names do it.
SCRIPTS = {
    "etc/xen/scripts/block": """\
#!/bin/sh
[ "$1" = add ] || exit 0
disk=$(xenstore-read "$XENBUS_PATH/params")
xenstore-write "$XENBUS_PATH/physical-device" "$(stat -L -c %t:%T "$disk")" \\
               "$XENBUS_PATH/hotplug-status" connected
""",
    "etc/xen/scripts/vif-route": """\
#!/bin/sh
[ "$1" = online ] || exit 0
ifconfig "$vif" 10.9.0.1 netmask 255.255.255.0 up
xenstore-write "$XENBUS_PATH/hotplug-status" connected
""",
}


def with_disk(name, line, **more) -> DomU:
    """A guest whose disk is dom0's second one. Its driver copies."""
    guest = domu(name, line, options=('disk = ["/dev/vdb,raw,xvda,rw"]',), **more)
    guest.untrusting = ("vbd/51712",)
    return guest


def save(guest: DomU) -> None:
    """Save it as xl does, and let it go on."""
    guest.watched = False
    guest.tell("saved", guest.status(f"xl save -c {guest.name} /tmp/save"))
    guest.host.run("rm -f /tmp/save")


def save_early(guest: DomU, starve: bool = False) -> None:
    """Save it. Its pager has been there since the guest was built. With STARVE the pager
    brings next to nothing back."""
    guest.early = True
    guest.walk(5)
    if starve:
        guest.tell("phase", "starve")
        guest.pause(3)
    save(guest)
    if starve:
        guest.tell("phase", "walk")


def unpause(guest: DomU, late: float = 0) -> None:
    """Let it go on. Its next pager makes the device before the guest looks for one, or,
    LATE, so many seconds after that."""
    if not late:
        guest.serve()
        while guest.status(f"xenstore-read {guest.node()}/device/pvfault/0/backend"):
            guest.pause(0.2)
    guest.tell("unpaused", guest.status(f"xl unpause {guest.name}"))
    if late:
        guest.pause(late)
        guest.serve()


def restore(guest: DomU, late: float = 0) -> None:
    """Save it as xl does, which ends the guest, and restore it. LATE: see unpause()."""
    guest.walk(8)
    guest.watched = False
    guest.tell("saved", guest.status(f"xl save {guest.name} /tmp/save"))
    guest.tell("restored", guest.status("xl restore -e -p /tmp/save"))
    guest.host.run("rm -f /tmp/save")
    unpause(guest, late)


def migrate(guest: DomU) -> None:
    """Move it, live, to this very host. At first it has another name at its new place, and
    the file of its console has that name, too."""
    guest.walk(8)
    guest.watched = False
    guest.host.run(f"ln -s {guest.log} /tmp/guest-{guest.name}--incoming.log")
    guest.tell("away_before", guest.pager_status()["away"])
    moved = guest.status(f"timeout 200 xl migrate -s '' {guest.name} 'xl migrate-receive -e -p'")
    guest.tell("migrated", moved)
    if not moved:
        unpause(guest)
    guest.pause(20)
    guest.go_on()


def relieve(guest: DomU, pagers: int) -> None:
    """Run so many PAGERS one after the other. Each is asked to leave when it has notified
    the guest of 100 faults or more."""
    guest.boot()
    for _ in range(pagers - 1):
        pager = guest.pagers[-1]
        while pager.counters().get("told", 0) < 100:
            guest.pause(1)
        pager.job.kill(15)
        pager.job.wait()
        guest.serve()


def kill(guest: DomU) -> None:
    """Its pager leaves without bringing anything back."""
    guest.walk(5)
    guest.pagers[-1].job.kill()


def replace_pager(guest: DomU, alone: float = 0) -> Pager:
    """Its pager is killed; after it was ALONE for so many seconds, another one takes over or
    ends. Return: that one."""
    guest.pagers[-1].job.kill()
    guest.pagers[-1].job.wait()
    guest.pause(alone)
    pager = guest.serve()
    guest.until(lambda: pager.took or pager.job.status is not None)
    return pager


def drain(guest: DomU) -> None:
    guest.walk(8)
    guest.tell("drained", guest.status(f"pvfault-pager --drain --domain {guest.name}"))


def lack(guest: DomU) -> None:
    """Ask the pager to leave while Xen has less memory than it needs to bring everything
    back, look at it meanwhile, and give the memory back."""
    guest.walk(5)
    host = guest.host
    memory = int(host.run("xl info free_memory")) - 12
    host.write("/tmp/hog.cfg", f'type = "pvh"\nname = "hog"\nmemory = {memory}\n'
               'kernel = "/domu-kernel"')
    guest.tell("hog", guest.status("xl create -p /tmp/hog.cfg"))
    may = host.run(f"grep -h -e CapEff -e NoNewPrivs /proc/{guest.pagers[-1].job.session}/status")
    guest.tell("privileges", "".join(may.split()))
    told_before = guest.pager_status()["told"]
    draining = host.spawn(f"pvfault-pager --drain --domain {guest.name}")
    for _ in range(60):
        missing = guest.pager_status()["missing_kib"]
        if missing:
            break
        guest.pause(1)
    guest.tell("missing_kib", missing)
    guest.pause(5)
    guest.tell("requests_lacking", guest.pager_status()["requests"])
    guest.tell("told_before", told_before)
    host.run("xl destroy hog")
    guest.until(lambda: draining.status is not None)
    guest.tell("drained", draining.status)
    guest.tell("status_after", guest.status(f"pvfault-pager --status --domain {guest.name}"))


def kill_often(guest: DomU, times: int, spoil: str = "") -> None:
    """Kill one pager after the other while the guest walks its memory: TIMES of them after
    they have taken over, and half as many during their takeover, at a random moment of as
    much time as the last one took. SPOIL is what dom0 does to the page file after the first
    kill. Then the guest may go on."""
    count = dict.fromkeys(("kills", "midway", "early", "own_ends"), 0)

    def has_taken_over(pager: Pager) -> bool:
        guest.until(lambda: pager.took or pager.job.status is not None)
        return bool(pager.took)

    def judge(pager: Pager) -> None:
        """Note what it was doing. A domain that it had paused stays paused."""
        if pager.job.wait() != 137:
            count["own_ends"] += 1
        elif pager.took:
            count["kills"] += 1
        else:
            state = guest.host.run(f"xl list {guest.name} || true")
            paused = re.search(r" [r-][b-]p[s-][c-][d-] ", state)
            count["midway" if paused else "early"] += 1

    guest.walk(3)
    pager = guest.pagers[0]
    pager.took = 1      # the first one had nothing to take over
    pager.job.kill()
    judge(pager)
    guest.host.run(spoil)
    pager = guest.serve()
    while has_taken_over(pager) and sum(count.values()) < times * 8 and (
            count["kills"] < times or count["midway"] < times // 2):
        guest.pause(random.uniform(0, 2))
        pager.job.kill()
        judge(pager)
        if count["midway"] < times // 2:
            for _ in range(2):
                judge(guest.serve(kill_after=random.uniform(0, pager.took)))
        pager = guest.serve()
    count["own_ends"] += not has_taken_over(pager)
    for key, value in count.items():
        guest.tell(key, value)
    guest.go_on()


def trust_later(guest: DomU) -> None:
    """Its first pager takes nothing unless it is TRUSTed; then the toolstack says so."""
    guest.walk()
    trusted, refused = bool(guest.trust), guest.pagers[0].job
    if trusted:
        return
    guest.tell("refused", refused.wait())
    paged = guest.host.spawn(f"xenstore-read {guest.node()}/memory/pvfault-pagefile")
    guest.tell("paged_then", int(paged.wait() == 0))
    node = f"{guest.node()}/memory/pvfault-trusted"
    guest.host.run(f"xenstore-write {node} 1")
    listed = guest.host.run(f"xenstore-ls -p {guest.node()}/memory")
    domid = guest.host.run(f"xl domid {guest.name}").strip()
    found = re.search(r'pvfault-trusted = "1"[ .]*\(([^)]*)\)', listed)
    guest.tell("permissions", found[1].replace(f"r{domid}", "rGUEST") if found else "none")
    guest.serve()


def second_pager(guest: DomU, claimed: bool = False) -> None:
    """Another pager tries, with another file, and, if that is CLAIMED, what it did once: it
    says that its file is the domain's. Then the first one is killed and replaced."""
    guest.walk(4)
    node, other = f"{guest.node()}/memory/pvfault-pagefile", f"/pages/{guest.name}.2"
    before = guest.host.run(f"xenstore-read {node}")
    second = guest.host.spawn(f"exec pvfault-pager --trust-guest --domain {guest.name} "
                              f"--pagefile {other}")
    guest.tell("refused", second.wait())
    guest.tell("node_changed", int(guest.host.run(f"xenstore-read {node}") != before))
    if claimed:
        guest.host.run(f"xenstore-write {node} 1:2")
    guest.host.run(f"rm -f {other}")
    replace_pager(guest)
    guest.pause(4)
    guest.go_on()


def spoil_records(guest: DomU, kept: bool = False) -> None:
    """One octet of each of the first 40 records, unless they are KEPT; when the next pager
    has ended they are mended, and another one begins."""
    guest.walk(4)
    file, table = f"/pages/{guest.name}", f"/tmp/{guest.name}.table"
    guest.pagers[-1].job.kill()
    guest.pagers[-1].job.wait()
    guest.host.run(f"dd if={file} of={table} bs=4096 skip=2 count=100")
    if not kept:
        # The highest octet of each gfn; tools/pvfault/pagefile.h has the layout.
        guest.host.run("for i in $(seq 0 39); do printf '\\377' | dd "
                       f"of={file} bs=1 seek=$((8192 + 32 * i + 7)) conv=notrunc; done 2>&1")
    pager = guest.serve()
    guest.until(lambda: pager.took or pager.job.status is not None)
    if pager.job.status is not None:
        guest.tell("refused", pager.job.status)
        state = re.search(r" ([r-][b-][p-][s-][c-][d-]) ", guest.host.run(f"xl list {guest.name}"))
        guest.tell("state", state[1].replace("-", "") if state else "none")
        guest.host.run(f"dd if={table} of={file} bs=4096 seek=2 conv=notrunc")
        pager = guest.serve()
        guest.until(lambda: pager.took or pager.job.status is not None)
    guest.pause(4)
    guest.go_on()


def fail_disk(guest: DomU) -> None:
    """Nothing can be read for some time; see preload/faulty.c."""
    guest.walk(4)
    guest.host.run("touch /tmp/faulty")
    try:
        guest.pause(15)
    finally:
        guest.host.run("rm /tmp/faulty")


def disturb(guest: DomU) -> None:
    """Its pager is killed and replaced, then stands still for 20 seconds."""
    guest.pause(8)
    pager = replace_pager(guest, 3)
    guest.pause(5)
    pager.job.kill(19)
    guest.pause(20)
    pager.job.kill(18)
    guest.pause(8)


def with_files(guest: DomU) -> None:
    """Boot it with an empty ext2 on its disk."""
    guest.host.run("mke2fs -F /dev/vdb")
    guest.boot()


def use_disk(guest: DomU, spoilt: bool = False) -> None:
    """Its disk is dom0's second one. If it is to be SPOILT, dom0 writes there, too."""
    guest.walk()
    if spoilt:
        guest.host.spawn("while :; do dd if=/dev/zero of=/dev/vdb bs=4096 seek=100 count=300 "
                         "conv=fsync; done 2>/dev/null")
    disturb(guest)
    # Each way of writing with each way of reading.
    guest.until(lambda: guest.get("disk_rounds", 0) >= 4)
    guest.go_on()


# What the guest serves, and how dom0 fetches it; see guest/backends.c.
SERVED = """awk 'BEGIN { for (i = 0; i < 65536; i++) printf "pvfault %7u\\n", i }' | md5sum"""
FETCH = "nc -w 100 10.9.0.2 80 </dev/null | md5sum"


def use_net(guest: DomU, shares: bool = False) -> None:
    """dom0 fetches one file from it again and again. If it SHARES, its driver was told that
    dom0 is trusted, and its pager the contrary."""
    pager, guest.pager = guest.pager, None
    guest.boot()
    guest.until_phase("settle")
    if shares:
        guest.host.run(f"xenstore-write {guest.node()}/device/vif/0/trusted 0")
    guest.pager = pager
    guest.serve()
    guest.until_phase("walk")
    want = guest.host.run(SERVED).strip()
    fetching = guest.host.spawn(f"while :; do {FETCH}; done", lambda line: guest.tell(
        "fetched", int(line.strip() == want)))
    disturb(guest)
    guest.until(lambda: len(guest.all("fetched")) >= 5)
    fetching.kill()
    guest.go_on()


def stop_pager(guest: DomU, signal: int, seconds: int) -> None:
    """It gets that SIGNAL; so many SECONDS later it is told to go on."""
    guest.walk(4)
    guest.pagers[-1].job.kill(signal)
    guest.pause(seconds)
    guest.pagers[-1].job.kill(18)


def freeze_disk(guest: DomU, seconds: int) -> None:
    """For so long the disk of its page file neither reads nor writes."""
    guest.walk(4)
    guest.tell("phase", "outage")
    guest.pause(seconds)
    guest.tell("status_frozen",
               guest.status(f"pvfault-pager --status --domain {guest.name}"))
    guest.tell("phase", "walk")
    guest.pause(5)
    guest.go_on()


def mem_set(guest: DomU, mib: int) -> None:
    """It may have so many MIB, fewer than it has; a pager is killed and replaced; then it
    may have all again."""
    guest.walk(4)
    guest.host.run(f"xl mem-set {guest.name} {mib}")
    guest.pause(12)
    replace_pager(guest)
    guest.pause(8)
    guest.host.run(f"xl mem-set {guest.name} {guest.mib}")
    guest.go_on()


def forgotten(name, kept=False):
    """Let its device's nodes vanish; with KEPT they stay."""
    def forget(guest: DomU) -> None:
        guest.walk(8)
        nodes = FORGOTTEN[name][0].format(guest.name)
        guest.tell("removed", 0 if kept else guest.status(f"xenstore-rm {nodes}"))
        if name == "backend":
            guest.pause(2)
            save(guest)

    return domu(name, f"load.secs={90 if name == 'backend' else 25} load.alone=1", vcpus=2,
                steps=forget)


def withdrawing(kept=False):
    """Guests whose driver lets go of the device and whose memory goes offline, unless it is
    KEPT; and one that has no movable memory."""
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
    return domu(name, f"{line} load.alone=1",
                **{"vcpus": 2, "limit": 600, "steps": restore, **more})


def restored_late(name):
    """The same, but its second pager comes when it already runs."""
    return restored(name, steps=lambda guest: restore(guest, late=5))


def save_refused(name, quick=False, **more):
    """Its pager's disk is so slow that the guest gives up and refuses to be saved; with
    QUICK it isn't."""
    def steps(guest):
        """It walks on until it has connected again, however long that takes."""
        save_early(guest, starve=not quick)
        guest.until(lambda: guest.pager_status()["connects"] >= 2)
        guest.pause(5)
        guest.go_on()

    return domu(name, "load.secs=5 load.told=hvc0 load.alone=1", vcpus=2,
                **{"limit": 700, **more}, steps=steps)


def check_not_saved(v, guest):
    v.check(f"{guest.name}: it was not saved, and said why",
            guest.get("saved") not in (0, None) and
            "hasn't brought all pages back: not suspended" in guest.console,
            guest.get("saved"))
