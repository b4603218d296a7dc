# SPDX-License-Identifier: GPL-2.0
"""KVM scenarios: L1 is a real KVM host that swaps its guest, L2."""

import contextlib
import itertools
import re
import shlex
from collections.abc import Callable, Mapping, Sequence

import rig
from checks import READS, USUAL, check_guest
from guests import HERE, Ended, Guest, Plan, guest_initrd, run_in_turn

SWAP_MIB = 1024
L1_MIB = 1536
# One CPU: on two, QEMU 7.2's multi-threaded TCG loses its way in nested SVM.
# See docs/rig.rst.
L1_CPUS = 1

# L1 runs on this machine's KVM, if "make demo" has found that it can; else on TCG.
on_kvm = False

# KCSAN watches one access in so many, of pvfault's files only.
KCSAN = "kcsan.skip_watch=20"


# Without XSAVE, because its CPUID leaf is inconsistent under nested emulation. Without PV
# EOI, so that an interrupt's handler begins with a vmexit: docs/rig.rst on interrupts that
# TCG delivers twice.
CPU = "host,-xsave,-kvm-pv-eoi"
# QEMU 7.2 has no name for KVM_FEATURE_ASYNC_PF_VMEXIT, and passes on features without a
# name only to guests that can't migrate.
NESTED_CPU = f"{CPU},migratable=off"

# Events of KVM's: a vCPU's own writes to MSR_KVM_ASYNC_PF_EN, and touches of pages that are
# on their way already.
MSR_WRITES = ("kvm_msr", "write == 1 && ecx == 0x4b564d02")
REPEATED_FAULTS = ("kvm_async_pf_repeated_fault", "0")

# In L1: the guests' group, a guest's console, and the pipe that load.told=ttyS1 reads.
GROUP = "/cg/l2"
CONSOLE = "/tmp/console"
ANSWERS = "/tmp/answers"
KVM = "/sys/module/kvm/parameters"
TRACING = "/sys/kernel/debug/tracing"

# Swap on the rig's disk, or on memory that answers like a slow disk.
PREPARE = """\
mount -t cgroup2 cgroup2 /cg && echo +memory >/cg/cgroup.subtree_control
disk=/dev/vda
! grep -q null_blk.memory_backed /proc/cmdline || disk=/dev/nullb0
mkswap $disk && swapon $disk && echo 0 >/proc/sys/vm/page-cluster
"""


# Devices that a guest may have, by a word of its "devices".
DEVICES = {
    "balloon": ("-device", "virtio-balloon-pci,free-page-reporting=on"),
    "net": ("-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="),
    "disk": ("-drive", "if=virtio,format=raw,file=/tmp/disk"),
}
DISK_MIB = 32


class Qemu:
    """A QEMU in L1 that runs GUEST. Its output are the guest's results."""

    def __init__(self, guest: "L2", *options: str):
        self.guest, self.host, self.monitor = guest, guest.host, None
        self.pipe = f"/tmp/qmp{len(guest.qemus)}"
        command = [
            rig.QEMU, "-L", "/usr/share/qemu", "-M", "q35", "-accel", "kvm",
            "-cpu", guest.cpu, *rig.smp(guest.vcpus), "-m", str(guest.mib), "-nodefaults",
            "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", guest.file("kernel"), "-initrd", guest.file("initrd"),
            "-append", f"console=ttyS0 panic=-1 init_on_alloc=1 {guest.line}",
            "-chardev", f"file,id=console,path={CONSOLE},append=on",
            "-serial", "chardev:console", "-serial", "stdio",
            "-chardev", f"pipe,id=qmp,path={self.pipe}", "-mon", "qmp,mode=control",
            *(option for device in guest.devices for option in DEVICES[device]),
            *guest.options, *options]
        self.host.run(f"rm -f {self.pipe}.*; mkfifo {self.pipe}.in {self.pipe}.out")
        self.job = self.host.spawn(f"echo 0 >{GROUP}/cgroup.procs; exec {shlex.join(command)} "
                                   f"<>{ANSWERS} 2>/dev/console", guest.hear)

    def connect(self) -> None:
        """With its monitor, which takes a moment."""
        if not self.monitor:
            self.monitor = self.host.spawn(f"cat {self.pipe}.out")
            self.qmp("qmp_capabilities")

    def qmp(self, command: str, times: int = 1, sent: Callable[[], None] = lambda: None,
            **arguments: object) -> object:
        """Send a command to its monitor, so many TIMES, and return the last answer. SENT is
        called before it answers."""
        self.connect()

        def send(text: str) -> None:
            self.host.write(f"{self.pipe}.in", text)
            sent()

        return rig.qmp(send, lambda: self.guest.until(lambda: b"\n" in self.monitor.output) and
                       self.monitor.line(), command, arguments, times)


class L2(Guest):
    cpu = CPU
    initrd = None       # if not the one of this boot
    memory = None       # the limit of its group, if not the one of this boot
    # May the host end a guest that it can't keep below the limit? Reclaim gives up early
    # in a small group that keeps touching all it has. Otherwise it only slows the guest.
    strict = True
    devices: Sequence[str] = ()
    # Values of the KVM parameters from tests/overlay while this guest runs; else 0.
    lies: Mapping[str, object] = {}
    trace = "", ""      # an event of KVM's that is to be told, and its filter

    def file(self, what: str) -> str:
        """Where L1 has its kernel, or its initrd."""
        return f"/l2-{what}-{self.name}" if getattr(self, what) else f"/l2-{what}"

    def files(self):
        return {self.file(what)[1:]: getattr(self, what) for what in ("kernel", "initrd")
                if getattr(self, what)}

    def prepare(self) -> None:
        self.qemus = []
        limit = "max" if self.strict else "high"
        self.host.run(f"mkdir {GROUP} && echo {self.memory} >{GROUP}/memory.{limit} && "
                      f": >{CONSOLE}; rm -f {ANSWERS}; mkfifo {ANSWERS}")
        if "disk" in self.devices:
            self.host.run(f"dd if=/dev/zero of=/tmp/disk bs=1M count={DISK_MIB}")
        for name, value in self.lies.items():
            self.host.write(f"{KVM}/{name}", value)
        event, only = self.trace
        if event:
            self.host.run(f"cd {TRACING}/events/kvm/{event} && echo '{only}' >filter && "
                          "echo 1 >enable")

    def boot(self, *options: str) -> None:
        """Start a QEMU with it. The guest is alive while the last one started is."""
        self.qemu = Qemu(self, *options)
        self.qemus.append(self.qemu)

    def alive(self) -> bool:
        return self.qemu.job.status is None

    def end(self) -> None:
        over = self.alive()
        if over:
            self.look()
        self.host.run(f"echo 1 >{GROUP}/cgroup.kill")
        for qemu in self.qemus:
            qemu.job.wait()
        events = dict(line.split() for line in
                      self.host.read(f"{GROUP}/memory.events").splitlines())
        self.tell("oom_kills", int(events["oom_kill"]))
        self.tell("exit", "its time was over" if over else self.qemu.job.status)
        self.host.run(f"rmdir {GROUP}")
        for name in self.lies:
            self.host.write(f"{KVM}/{name}", 0)
        self.take_console(CONSOLE)
        if not self.trace[0]:
            return
        trace = self.host.run(f"cd {TRACING}; echo 0 >events/kvm/enable; grep kvm_ trace; "
                              "echo >trace")
        for thread, value in re.findall(r"-(\d+) .*msr_write 4b564d02 = 0x([0-9a-f]*)", trace):
            self.tell("en_written", f"{thread} {value}")
        self.tell("repeated_faults", trace.count(f"{REPEATED_FAULTS[0]}:"))

    def look(self) -> None:
        """Where a guest that doesn't end stands still."""
        self.deadline += 30
        self.keep("stuck", self.host.run(
            f"grep -s . /proc/[0-9]*/task/*/stack {GROUP}/memory.* || true"))
        with contextlib.suppress(Ended):        # its monitor may not answer
            seen = []
            for _ in range(5):
                seen.append(str(self.qemu.qmp("human-monitor-command",
                                              **{"command-line": "info registers -a"})))
                self.pause(0.5)
            self.keep("registers", "".join(seen))
            image = self.kernel or rig.kernel()
            self.emulator = rig.ticks_in_itself(
                seen, (image.parents[3] / "System.map").read_text())


def slow_disk(ms):
    """Parameters of L1's kernel for swap in its own memory that behaves like a disk: MS for
    each read, 64 reads at once."""
    return ("null_blk.memory_backed=1 null_blk.gb=1 null_blk.bs=4096 null_blk.irqmode=2 "
            f"null_blk.completion_nsec={ms * 1000000}")


def run_guests(folder, guests, memory="150M", reads=100, l1_kernel=None,
               l2_kernel=None, l1_line="", initrd=None, icount=False, options=()):
    """Boot L1, let it run GUESTS one after the other, collect what they say.
    Its swap gives READS reads a second, 0: as many as it can. With ICOUNT the TSC counts
    instructions, as many a second. OPTIONS are QEMU's, for more devices of L1. Return what
    is wrong on its console."""
    for guest in guests:
        guest.memory = guest.memory or memory
    parts = [rig.l1_root(),
             rig.archive(f"{folder}-l2", {
                 "l2-kernel": l2_kernel or rig.kernel(),
                 "l2-initrd": initrd or guest_initrd(),
                 "bin/relay": rig.guest_program("relay", HERE / "relay.c"),
                 **{k: v for g in guests for k, v in g.files().items()}})]
    khz = 1000000 if icount else rig.tsc_khz()
    thread = "single" if icount else "multi"
    counting = ("-icount", "shift=0,sleep=off") if icount else ()
    accel = ("-accel", f"tcg,thread={thread}", "-cpu", "max")
    clock = f"tsc_early_khz={khz} tsc=reliable"
    boot = rig.Boot(folder, l1_kernel or rig.kernel(), parts,
                    append=l1_line if on_kvm else f"{clock} {l1_line}",
                    guests=True, accel=rig.ON_KVM if on_kvm else accel,
                    options=(*rig.smp(L1_CPUS), "-m", str(L1_MIB), *counting,
                             *rig.disk(folder, "swap", SWAP_MIB), *options))
    return run_in_turn(boot, PREPARE, guests, "swap", reads)


def host(*guests, clean=True, **how):
    """A boot of L1 with GUESTS, for a scenario to yield. HOW: as for run_guests()."""
    return Plan(run_guests, list(guests), how,
                {"reads": "reads", "memory": "memory", "l2_kernel": "kernel",
                 "initrd": "initrd"}, host_clean=clean)


def usual_line(sabotage):
    """A guest's command line, with one of the usual sabotages if it is one."""
    if sabotage == "off":
        return "pvfault=off"
    return f"pvfault=on load.sabotage={sabotage}" if sabotage in USUAL else "pvfault=on"


def nested(v, kernel):
    """An L2 with this KERNEL that runs guests of its own while L1 swaps all memory."""
    guest = L2("nested", "pvfault=on load.secs=15 load.alone=1 load.mb=128 "
               "load.tasks=2 load.guest=2")
    guest.cpu = NESTED_CPU
    yield host(guest, memory="130M", reads=4 * READS, l2_kernel=kernel)
    check_guest(v, guest)
    check_nested(v, guest)
    v.check("nested: notifications came as #PF vmexits",
            guest.counter("deferred") > 0, guest.counter("deferred"))
    v.metrics.update(async_faults=guest.counter("sleep"),
                     by_vmexit=guest.counter("deferred"),
                     corrupt=guest.get("corrupt", -1))


def check_nested(v, guest):
    """Check that it has run guests of its own."""
    v.check(f"{guest.name}: the guest's guests ran", guest.get("nested_walks", 0) > 0,
            guest.get("nested_walks"))
    v.check(f"{guest.name}: their memory verified", guest.get("nested_wrong") == 0,
            guest.get("nested_wrong"))


def told_turns(guest):
    """For each vCPU its writes to MSR_KVM_ASYNC_PF_EN, as on and off, from the host's
    trace; see MSR_WRITES."""
    vcpus = {}
    for written in guest.all("en_written"):
        thread, value = written.split()
        vcpus.setdefault(thread, []).append(int(value, 16) != 0)
    return [[on for on, _ in itertools.groupby(said)] for said in vcpus.values()]
