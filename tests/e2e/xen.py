# SPDX-License-Identifier: GPL-2.0
"""Xen scenarios: a PV dom0 that pages its PVH guests."""

import pathlib
import time

import rig
from checks import check_guest
from guests import Ended, Guest, Plan, guest_initrd, number, run_in_turn

HERE = pathlib.Path(__file__).resolve().parent

PAGEFILE_MIB = 1024
MACHINE_MIB = 2560
# One CPU, as for KVM. Without the features that TCG gets wrong: a return to ring 3 under
# SMAP, and the length of RDTSCP.
MACHINE = ("-accel", "tcg,thread=single", "-cpu", "max,-smap,-smep,-pku,-rdtscp")
XEN_LINE = ("com1=115200,8n1 console=com1 loglvl=info guest_loglvl=info "
            "dom0_mem=768M,max:768M dom0_max_vcpus=1 xsave=0")


# Settings that make an HVM guest out of a PVH one. QEMU loads its kernel, by an option ROM.
HVM = ('type = "hvm"', 'device_model_version = "qemu-xen"',
       f'device_model_override = "{rig.HVM_QEMU}"',
       'firmware_override = "/boot/hvmloader"', 'bios = "seabios"',
       'bios_path_override = "/usr/share/qemu/bios-256k.bin"',
       'vga = "none"', "nographic = 1", "vnc = 0", "sdl = 0", "usb = 0")


# Prepare dom0: a file system for page files on the rig's disk, the toolstack.
PREPARE = """\
mkdir -p /dev/pts /run /var/run/xen /var/run/xenstored /var/lib/xen /var/log/xen /var/lock /pages
mount -t devpts devpts /dev/pts && mount -t xenfs xenfs /proc/xen || exit
disk=/dev/vda
! grep -q null_blk.memory_backed /proc/cmdline || disk=/dev/nullb0
mke2fs -F $disk && mount -t ext2 $disk /pages || exit
xenstored --pid-file /var/run/xenstored.pid && xen-init-dom0 &&
xenconsoled --log=guest --log-dir=/tmp
"""

# tsc_mode: TCG has no invariant TSC, so Xen would emulate each RDTSC. A machine of today
# has one.
SETTINGS = """\
type = "pvh"; name = "{0.name}"; vcpus = {0.vcpus}; memory = {0.mib}; tsc_mode = "native"
kernel = "/domu-kernel"; ramdisk = "/domu-initrd"
cmdline = "console=hvc0 panic=-1 printk.devkmsg=on guest.results=/dev/kmsg {0.line}"
on_poweroff = "destroy"; on_reboot = "destroy"; on_crash = "destroy"
"""


def counters(text: str) -> dict[str, float]:
    """The figures of a pager."""
    return {key: number(value) for key, _, value in
            (line.partition(" ") for line in text.splitlines())}


class Pager:
    """A pager of GUEST, killed after so many seconds, if KILL_AFTER says so."""

    def __init__(self, guest: "DomU", kill_after: float | None = None):
        self.guest, self.began, self.took = guest, time.monotonic(), None
        self.stats = f"/tmp/{guest.name}.stats{len(guest.pagers)}"
        command = (f"{guest.pager_env} exec pvfault-pager --domain {guest.name} --pagefile "
                   f"/pages/{guest.name} --stats {self.stats} {guest.trust} {guest.pager}")
        if kill_after is not None:
            command += f" & sleep {kill_after:.2f}; kill -9 $!; wait $!"
        self.job = guest.host.spawn(command, self.hear)

    def hear(self, line: str) -> None:
        self.guest.pager_said.append(line)
        if "is taken over" in line:
            self.took = time.monotonic() - self.began

    def counters(self) -> dict[str, float]:
        return counters(self.guest.host.run(f"cat {self.stats} 2>/dev/null || true"))


class DomU(Guest):
    """A PVH guest. With PAGER, options of pvfault-pager, it is paged: once it has filled its
    memory, or, EARLY, while it is built."""

    pager = None
    early = False
    trust = "--trust-guest"
    pager_env = ""      # "NAME=VALUE ..." of the pager
    pager_said = ()
    untrusting = ()     # which of its devices mustn't trust dom0, if xl can't say so
    watched = True      # by the xl that created it, until that has saved or moved it

    def prepare(self) -> None:
        self.log, self.settings = f"/tmp/guest-{self.name}.log", f"/tmp/{self.name}.cfg"
        self.pagers, self.pager_said = [], []
        self.host.write(self.settings, "\n".join((SETTINGS.format(self), *self.options)))
        self.host.run(f"rm -f /tmp/xl.log; : >{self.log}")

    def boot(self) -> None:
        # In the foreground xl stays until the guest has ended.
        self.job = self.host.spawn(f"exec xl create {'-p ' if self.untrusting else ''}-F "
                                   f"{self.settings} >>/tmp/xl.log 2>&1")
        self.relay = self.host.spawn(f"exec tail -f -n +1 {self.log}", self.hear_console)
        if self.untrusting:
            self.distrust()
        if not self.pager:
            return
        if self.early:
            while self.host.spawn(f"xl domid {self.name}").wait():
                self.pause(0.1)
        else:
            self.until_phase("settle")
        self.serve()

    def distrust(self) -> None:
        """Tell its drivers while it is paused. xl 4.17 knows no "untrusted" of a disk."""
        for device in self.untrusting:
            node = f"{self.node()}/device/{device}/trusted"
            while self.host.spawn(f"xenstore-read {node}").wait():
                self.pause(0.1)
            self.host.run(f"xenstore-write {node} 0")
        self.host.run(f"xl unpause {self.name}")

    def serve(self, kill_after: float | None = None) -> Pager:
        """Start a pager."""
        self.pagers.append(Pager(self, kill_after))
        return self.pagers[-1]

    def alive(self) -> bool:
        return self.job.status is None if self.watched else not self.done

    def hear_console(self, line: str) -> None:
        """Its results are the records of its kernel log that its program wrote. Records
        stay in one piece, even if the kernel writes at the same time."""
        _, _, result = line.partition("guest: ")
        self.hear(result)

    def tell(self, key: str, value: float | str) -> None:
        super().tell(key, value)
        # When it verifies its memory it may have all of it, so that this takes no longer
        # than reading back what is out.
        if (key, value, bool(self.pager)) == ("phase", "verify", True):
            self.host.spawn(f"xenstore-write {self.node()}/memory/pvfault-target 1073741824")

    def node(self) -> str:
        """Its place in XenStore, for dom0's shell."""
        return f"/local/domain/$(xl domid {self.name})"

    def status(self, command: str) -> int:
        """The output of a command in dom0, which has as much time as the guest."""
        job = self.host.spawn(f"{command} >>/tmp/xl.log 2>&1")
        if not self.host.within(self.deadline - time.monotonic(),
                                lambda: job.status is not None):
            job.kill()
            raise Ended
        return job.status

    def pager_status(self) -> dict[str, float]:
        """Its pager's --status."""
        return counters(self.host.run(f"pvfault-pager --status --domain {self.name}"))

    def go_on(self) -> None:
        """Write the newline for which load.told waits."""
        self.host.run(f"echo >$(xenstore-read {self.node()}/console/tty)")

    def end(self) -> None:
        self.tell("exit", "its time was over" if self.alive() else
                  self.job.status if self.watched else 0)
        self.host.spawn(f"xl destroy {self.name}").wait()
        # A line of our own, behind its last.
        self.host.run(f"sleep 2; echo 'guest: relayed 1' >>{self.log}")
        self.host.within(30, lambda: "relayed" in self.said)
        self.relay.kill()
        for life, pager in enumerate(self.pagers, 1):
            # It ends with its domain, or before.
            if not self.host.within(3, lambda job=pager.job: job.status is not None):
                pager.job.kill(15)
            status = pager.job.wait()
            for key, value in {**pager.counters(), "pager_exit": status}.items():
                self.tell(f"pager.life{life}.{key}", value)
                self.tell(f"pager.{key}", value)
        self.take_console(self.log)
        self.keep("pager", "\n".join(self.pager_said))
        self.keep("xl", self.host.run("cat /tmp/xl.log /var/log/xen/qemu-dm-"
                                      f"{self.name}.log 2>/dev/null || true"))
        self.host.run(f"rm -f /pages/{self.name}")


def pager_program():
    """Build the pager for dom0; in a folder of its own if the rig's Xen isn't this machine's,
    because make doesn't see that its flags are others."""
    flags = rig.xen_flags()
    out = rig.BUILD / ("pager-for-rig" if flags else "pager")
    rig.run("make", "-s", "-C", rig.ROOT / "tools/pvfault", f"OUT={out}", *flags)
    return out / "pvfault-pager"


def preloaded():
    """For dom0: what is preloaded into a pager to break it."""
    files = {}
    for source in sorted((HERE / "preload").glob("*.c")):
        out = rig.BUILD / "bin" / f"{source.stem}.so"
        out.parent.mkdir(parents=True, exist_ok=True)
        rig.run("gcc", "-O2", "-shared", "-fPIC", *rig.xen_headers(), "-o", out, source)
        files[out.name] = out
    return files


def run_guests(folder, guests, reads=100, files=None, initrd=None, domu_kernel=None,
               dom0_kernel=None, dom0_line="", data_mib=0, tools=()):
    """Boot Xen and dom0, let it run GUESTS one after the other, collect what
    they say. The disk of the page file gives READS reads a second while a guest
    walks its memory, and as many as it can else. DATA_MIB: dom0 has another disk,
    /dev/vdb. DOM0_LINE: more of its kernel's command line. TOOLS: more of Xen's that dom0
    is to have."""
    parts = [rig.dom0_root(pager_program(), tools),
             *([rig.hvm_root()] if any(g.options == HVM for g in guests) else []),
             rig.archive(f"{folder}-domu", {
                 "domu-kernel": domu_kernel or rig.kernel(),
                 "domu-initrd": initrd or guest_initrd(), **(files or {})})]
    boot = rig.Boot(folder, dom0_kernel or rig.kernel(), parts, append=dom0_line,
                    accel=MACHINE, xen=XEN_LINE, guests=True,
                    options=("-m", str(MACHINE_MIB),
                             *rig.disk(folder, "pagefile", PAGEFILE_MIB),
                             *(rig.disk(folder, "data", data_mib) if data_mib else ())))
    return run_in_turn(boot, PREPARE, guests, "pagefile", reads)


def host(*guests, **how):
    """A boot of Xen with GUESTS, for a scenario to yield. HOW: as for run_guests()."""
    return Plan(run_guests, list(guests), how, {"reads": "reads"})


# 90 MiB of ZONE_MOVABLE, most of it for the load of 72. The guest keeps 190 MiB of
# 224 when it has filled its memory, so that some 30 of the load are out.
MIB = 224
LINE = "kernelcore=128M load.mb=72 load.settle=60"
# For a guest that waits for its pager, or is paused, for longer than its kernel expects.
STANDS_STILL = "nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
PAGER = "--target 190"


def domu(name, line="", pager=PAGER, **more):
    guest = DomU(name, f"{LINE} {line}", **{"mib": MIB, "limit": 300, **more})
    guest.pager = pager
    return guest


def check_paged(v, guest, told=True):
    """Checks of every guest with a pager."""
    check_guest(v, guest, asynchronous=told)
    name = guest.name
    v.check(f"{name}: pages went out and came in",
            guest.get("pager.page_ins", 0) > 100, guest.get("pager.page_ins"))
    v.check(f"{name}: the pager ended well, without a bug of its own",
            guest.get("pager.pager_exit") == 0 and guest.get("pager.bugs") == 0,
            f"exit {guest.get('pager.pager_exit')}, {guest.get('pager.bugs')} bugs")


def held(guest):
    """Why vCPUs were held, as the pager counted."""
    prefix = "pager.held_"
    return {k.removeprefix(prefix): int(v) for k, v in guest.said.items()
            if k.startswith(prefix)}
