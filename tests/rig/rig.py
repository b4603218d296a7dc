# SPDX-License-Identifier: GPL-2.0
"""The rig: real kernels on QEMU's TCG, one inside the other.

A boot gets a kernel, an initramfs put together from parts, serial ports that
are files here, and time limits. Results come over the second serial port, a
"key value" a line, never from the console; the console is only searched for
what must not be there.
"""

import atexit
import bisect
import collections
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NoReturn

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
HERE = pathlib.Path(__file__).resolve().parent

QEMU = "qemu-system-x86_64"
APPLETS = ("sh mount mkdir cat echo sleep swapon mkswap grep sed kill ls head "
           "tail cp rm reboot timeout dmesg tr killall mke2fs dd cut mkfifo rmdir seq").split()
DOM0_TOOLS = ("xl", "libxl-save-helper", "xenstored", "xenconsoled", "xen-init-dom0")
XEN_TOOLS = BUILD / "xen/tools"
XEN_FOLDER = "usr/lib/xen-4.17"         # where Debian's tools look for each other
XEN_LIBRARIES = XEN_TOOLS / "usr/lib/x86_64-linux-gnu"  # unless they are this machine's
XENSTORE_TOOLS = tuple(f"usr/bin/xenstore-{t}" for t in ("read", "write", "ls", "rm"))
# Beside these an HVM guest needs its firmware, and QEMU for its devices.
HVM_QEMU = "/usr/libexec/xen-qemu-system-i386"
FIRMWARE = ("bios-256k.bin", "kvmvapic.bin", "linuxboot_dma.bin")
FIRMWARE_DIRS = ("/usr/share/seabios", "/usr/share/qemu")

# A boot on this machine's KVM; see hardware.py.
ON_KVM = ("-accel", "kvm", "-cpu", "host")

# Only dom0 and PVH guests need ACPI; the others do better with the MP table. The kernel's
# check of its timer gives up when an emulator gets no CPU for some ticks.
EMULATED = "acpi=off no_timer_check"

# Lines that no console may show.
TROUBLE = re.compile(
    r"BUG[: ]|WARNING:|Oops|Kernel panic|general protection|Call Trace|"
    r"rcu:.*stall|rcu_.*self-detected|soft lockup|hung_task|blocked for more|"
    r"possible recursive locking|circular locking|inconsistent lock state|"
    r"Invalid wait context|KASAN|UBSAN|segfault|domain_crash called|"
    r"Panic on CPU|Xen BUG")


# Messages of which only the emulator can be the cause, whatever a guest does: in QEMU's log
# a failure of its code, on L1's console one of the processor that it emulates for KVM.
# A guest that lost its way can be the cause of others, so these are not here: "outside RAM
# or ROM", internal errors of KVM by an instruction, "kvm run failed", and time limits.
QEMU_FAILED = re.compile(r"ERROR:.*: assertion failed|Bail out! |"
                         r"qemu: fatal: (?!Trying to execute code outside RAM or ROM)")
KVM_FAILED = re.compile(r"KVM: entry failed, hardware error|"       # VMRUN refused
                        r"KVM internal error\. Suberror: 4$")       # of no known kind
# An interrupt that is entered again at its first instruction, with interrupts off: the
# emulator's fault, see docs/rig.rst.
TWICE = re.compile(r"BUG: ENTRY_TRAMPOLINE stack guard page was hit")
TWICE_AT = re.compile(r"RIP: 0010:asm_sysvec_\w+\+0x0/")
OOM = re.compile(r"oom-kill|[Oo]ut of memory")


# The contents of an initramfs, by the path inside: a file, a text, ("->", target of a link),
# or None, a folder.
Files = Mapping[str, pathlib.Path | str | tuple[str, str] | None]


class Failure(Exception):
    """Ends a scenario with one sentence for people."""


def say(text: str) -> None:
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def run(*cmd: object, **kwargs) -> subprocess.CompletedProcess:
    return subprocess.run([str(c) for c in cmd], check=True, **kwargs)


def kernel(name: str = "main") -> pathlib.Path:
    """Path of a built kernel image, by its [TREE/]CONFIG; scripts/kernel.sh builds it."""
    tree, _, config = name.rpartition("/")
    image = BUILD / (tree or "pvfault") / f"out-{config}" / "arch/x86/boot/bzImage"
    if not image.exists():
        raise Failure(f"{image} is missing: run 'make kernel' first.")
    return image


def version_of(name: str) -> str:
    """Of Linux in the tree of a kernel, as "6.12"."""
    return name.rpartition("/")[0].partition("-")[2] or "6.12"


def hypervisor() -> pathlib.Path:
    """Path of the built hypervisor."""
    image = BUILD / "xen" / "xen"
    if not image.exists():
        raise Failure(f"{image} is missing: run 'make xen' first.")
    return image


def compiled(name: str, *args: object) -> pathlib.Path:
    """Build it under a name of its own first: another process may be running it."""
    out = BUILD / "bin" / name
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(f"{name}.{os.getpid()}")
    run("gcc", "-O2", "-o", new, *args)
    return new.replace(out)


@functools.lru_cache(None)
def tsc_khz() -> str:
    tool = compiled("tsckhz", HERE / "tsckhz.c")
    return subprocess.check_output([tool], text=True).strip()


def guest_program(name: str, *sources: object, bits: int = 64) -> pathlib.Path:
    """Build a static program that runs as a guest's /init, of 64 or 32 BITS."""
    common, how = HERE / "guest", ()
    if bits == 32:
        # The kernel's headers are the same; only the 64-bit ones are where gcc looks.
        name, how = f"{name}-32", ("-m32", "-idirafter", "/usr/include/x86_64-linux-gnu")
    return compiled(name, "-Wall", "-static", "-s", *how, "-I", common, *sources,
                    common / "guest.c")


def archive(name: str, files: Files) -> pathlib.Path:
    """An initramfs of FILES. It lasts as long as this process. Another process may have
    one of the same NAME."""
    top = BUILD / "rig" / f"{name}.{os.getpid()}"
    top.mkdir(parents=True)
    for inside, what in files.items():
        path = top / inside
        path.parent.mkdir(parents=True, exist_ok=True)
        if what is None:
            path.mkdir(exist_ok=True)
        elif isinstance(what, tuple):
            path.symlink_to(what[1])
        elif isinstance(what, str):
            path.write_text(what)
            path.chmod(0o755)
        else:
            shutil.copyfile(what, path)
            path.chmod(0o755)
    out = top.with_suffix(top.suffix + ".cpio")
    atexit.register(out.unlink, missing_ok=True)
    with open(out, "wb") as f:
        find = subprocess.Popen(["find", "."], cwd=top, stdout=subprocess.PIPE)
        run("cpio", "-o", "-H", "newc", "--quiet", "-R", "0:0", cwd=top,
            stdin=find.stdout, stdout=f)
    shutil.rmtree(top)
    return out


def libraries(path: object) -> Files:
    """The shared libraries that a program needs: Xen's if they were fetched, else this
    machine's."""
    env = {**os.environ, "LD_LIBRARY_PATH": str(XEN_LIBRARIES)}
    libs = re.findall(r"(/\S+)", subprocess.check_output(["ldd", path], text=True, env=env))
    return {p.removeprefix(str(XEN_TOOLS)).lstrip("/"): pathlib.Path(p).resolve() for p in libs}


def with_libraries(name: str, inside: str | None = None) -> Files:
    """A program of this machine, maybe by another name, and the shared libraries it
    needs."""
    path = shutil.which(name)
    if not path:
        raise Failure(f"{name} is missing: run 'make setup' first.")
    return {inside or path.lstrip("/"): pathlib.Path(path).resolve(), **libraries(path)}


def busybox() -> Files:
    files = {d: None for d in ("proc", "sys", "dev", "tmp")}
    files["bin/busybox"] = pathlib.Path(shutil.which("busybox"))
    files.update({f"bin/{a}": ("->", "busybox") for a in APPLETS})
    return files


def xen_headers() -> tuple[str, ...]:
    """For a compiler: where the headers of the rig's Xen are."""
    if not XEN_LIBRARIES.exists():
        return ()       # this machine's are the same version
    return "-isystem", f"{XEN_TOOLS}/usr/include"


def xen_flags() -> tuple[str, ...]:
    """For a Makefile: where these and the libraries are."""
    if not xen_headers():
        return ()
    return (f"CFLAGS=-O2 -g {' '.join(xen_headers())}",
            f"LDFLAGS=-L{XEN_LIBRARIES} -Wl,-rpath-link,{XEN_LIBRARIES}")


@functools.lru_cache(None)
def dom0_root(pager: pathlib.Path, more: tuple[str, ...] = ()) -> pathlib.Path:
    """The initramfs of dom0: busybox, Xen's tools and MORE of them, the pager, all
    libraries."""
    files = busybox()
    for name in (*(f"{XEN_FOLDER}/bin/{name}" for name in (*DOM0_TOOLS, *more)),
                 *XENSTORE_TOOLS):
        if not (XEN_TOOLS / name).exists():
            raise Failure(f"{XEN_TOOLS / name} is missing: run 'make xen' first.")
        files[f"bin/{pathlib.Path(name).name}"] = XEN_TOOLS / name
        files.update(libraries(XEN_TOOLS / name))
    files["bin/pvfault-pager"] = pager
    files.update(libraries(pager))
    # glibc loads this one by name when a thread of xl ends.
    unwinder = subprocess.check_output(["gcc", "-print-file-name=libgcc_s.so.1"],
                                       text=True).strip()
    files["lib/libgcc_s.so.1"] = pathlib.Path(unwinder).resolve()
    files["etc/xen/xl.conf"] = ""
    # The tools look for each other where Debian puts them.
    files[XEN_FOLDER] = ("->", "/")
    files["init"] = guest_program("agent", HERE / "guest/agent.c")
    return archive("dom0-root", files)


def firmware(*more: str) -> Files:
    """The files that a QEMU inside the boot looks for in /usr/share/qemu."""
    files = {}
    for name in (*FIRMWARE, *more):
        found = [d for d in FIRMWARE_DIRS if os.path.exists(f"{d}/{name}")]
        if not found:
            raise Failure(f"{name} is missing: run 'make setup' first.")
        files[f"usr/share/qemu/{name}"] = pathlib.Path(found[0], name).resolve()
    return files


@functools.lru_cache(None)
def hvm_root() -> pathlib.Path:
    """The files that dom0 needs in addition for HVM guests."""
    return archive("hvm-root", {
        **with_libraries(HVM_QEMU), **firmware("linuxboot.bin", "keymaps/en-us"),
        "boot/hvmloader": XEN_TOOLS / XEN_FOLDER / "boot/hvmloader"})


@functools.lru_cache(None)
def l1_root() -> pathlib.Path:
    """The initramfs of L1: busybox, QEMU and its libraries."""
    return archive("l1-root", {
        **busybox(), "cg": None, **with_libraries(QEMU), **firmware(),
        "init": guest_program("agent", HERE / "guest/agent.c")})


def disk(folder: str, name: str, mib: int) -> tuple[str, ...]:
    """Make an empty disk NAME for the boot of that FOLDER. Return: QEMU's options for it."""
    path = BUILD / "run" / folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as f:
        f.truncate(mib << 20)
    return ("-drive", f"if=none,id={name},format=raw,file={name},cache=unsafe",
            "-device", f"virtio-blk-pci,drive={name}")


def smp(cpus: int) -> tuple[str, str]:
    """CPUs as sockets: the MP table of QEMU's firmware lists no other cores."""
    return "-smp", f"{cpus},sockets={cpus}"


def one_cpu() -> int:
    """The CPU on which all threads of a QEMU with guests in it are to stay: one
    without another QEMU, if there is one.

    TCG's SVM clears its flag of a virtual interrupt without a lock. The flag of a real
    interrupt, which another thread sets, is in the same word. When both happen at once the
    real interrupt is lost, and with a one-shot timer the whole machine stands still. Each
    of the two accesses is a single instruction, so on one CPU they can't meet.
    """
    busy = collections.Counter()
    for comm in pathlib.Path("/proc").glob("[0-9]*/comm"):
        try:
            if comm.read_text().startswith(QEMU[:15]):
                busy.update(os.sched_getaffinity(int(comm.parent.name)))
        except OSError:
            continue            # it has just ended
    return min(os.sched_getaffinity(0), key=lambda cpu: busy[cpu])


def qmp(send, readline, command, arguments=None, times=1):
    """Send COMMAND to QEMU's monitor so many TIMES; return its last answer."""
    send((json.dumps({"execute": command, "arguments": arguments or {}}) + "\n") * times)
    while times:
        reply = json.loads(readline())
        if "error" in reply:
            raise Failure(f"QMP {command}: {reply['error']['desc']}")
        times -= "return" in reply
    return reply["return"]


class Boot:
    """One QEMU with its ports in a folder; a context manager.

    With XEN, a hypervisor's command line, the kernel boots as its dom0. With
    GUESTS it is to run guests of its own, and has one more port for that: see agent.py.
    """

    def __init__(self, folder: str, image: pathlib.Path, initrds: Iterable[pathlib.Path] = (),
                 append: str = "", options: Iterable[str] = (),
                 accel: Iterable[str] = ("-accel", "tcg,thread=multi", "-cpu", "max"),
                 xen: str | None = None, guests: bool = False):
        self.cpus = {one_cpu()} if guests and accel != ON_KVM else os.sched_getaffinity(0)
        self.folder = BUILD / "run" / folder
        self.folder.mkdir(parents=True, exist_ok=True)
        self.console = self.folder / "console"
        self.results = self.folder / "results"
        for port in (self.console, self.results):
            port.write_bytes(b"")
        initrd = self.folder / "initrd"
        with open(initrd, "wb") as out:
            for part in initrds:
                out.write(pathlib.Path(part).read_bytes())
        # (our end, QEMU's) of each.
        self.ports = {name: socket.socketpair() for name in ("qmp", *["agent"] * guests)}
        self.cmd = [QEMU, "-M", "q35", *accel, "-nodefaults", "-no-user-config",
                    "-display", "none", "-no-reboot",
                    "-serial", "file:console", "-serial", "file:results",
                    "-mon", "qmp,mode=control"]
        for name, (_, theirs) in self.ports.items():
            self.cmd += ["-chardev", f"socket,id={name},fd={theirs.fileno()}"]
        if guests:      # the first virtio device, as the agent expects
            self.cmd += ["-device", "virtio-serial-pci", "-device",
                         "virtserialport,chardev=agent"]
        self.cmd += options
        if xen is None:
            self.cmd += ["-kernel", str(image),
                         "-append", f"console=ttyS0 panic=-1 {EMULATED} {append}"]
            if initrds:
                self.cmd += ["-initrd", "initrd"]
        else:
            # Multiboot. Names in a list of modules must be without commas.
            shutil.copyfile(image, self.folder / "dom0")
            self.cmd += ["-kernel", str(hypervisor()), "-append", xen,
                         "-initrd", f"dom0 console=hvc0 panic=-1 {append},initrd"]

    def __enter__(self) -> "Boot":
        say(f"booting; console in {os.path.relpath(self.console)}")
        self.log = open(self.folder / "qemu.log", "w")
        self.qemu = subprocess.Popen(self.cmd, cwd=self.folder, stdout=self.log,
                                     stderr=self.log, stdin=subprocess.DEVNULL,
                                     pass_fds=[p.fileno() for _, p in self.ports.values()],
                                     preexec_fn=lambda: os.sched_setaffinity(0, self.cpus))
        for ours, theirs in self.ports.values():
            theirs.close()
            ours.settimeout(120)
        self.answers = self.ports["qmp"][0].makefile()
        try:
            self.qmp("qmp_capabilities")
        except Failure:
            self.__exit__()
            raise
        return self

    def __exit__(self, *unused: object) -> None:
        if self.qemu.poll() is None:
            self.qemu.send_signal(signal.SIGKILL)
        self.qemu.wait()
        self.log.close()

    def qmp(self, command: str, **arguments):
        try:
            return qmp(lambda text: self.ports["qmp"][0].sendall(text.encode()),
                       self.answers.readline, command, arguments)
        except (OSError, ValueError) as problem:    # it has ended, or hangs
            raise Failure(f"QEMU doesn't answer to {command}: {problem}") from problem

    def lines(self, limit: float) -> Iterator[str]:
        """Yield lines of the result port until QEMU ends; fail after LIMIT s."""
        end = time.monotonic() + limit
        with open(self.results, errors="replace") as f:
            rest = line = ""
            while True:
                over = self.qemu.poll() is not None
                rest += f.read()
                while "\n" in rest:
                    line, rest = rest.split("\n", 1)
                    yield line.strip()
                if over:
                    return
                if time.monotonic() > end:
                    raise Failure(f"no end within {limit} s; {self.stuck(line)}")
                time.sleep(0.2)

    def stuck(self, last: str) -> str:
        """Say in one sentence where it stands still; the details go to a file."""
        out = self.folder / "stuck"
        said = ""
        try:
            for _ in range(20):
                said += self.hmp("info registers")
                time.sleep(0.1)
            where = len(set(re.findall(r"[ER]IP=(\w+)", said)))
            doing = f"{where} addresses in 20 samples; more in {os.path.relpath(out)}"
            for command in ("info lapic", "info pic", "info blockstats"):
                said += f"\n{command}\n{self.hmp(command)}"
        except Failure as failure:
            doing = str(failure)
        out.write_text(said)
        console = self.text().strip().rpartition("\n")[2]
        return f"last result '{last.strip()}', last line of the console '{console}', {doing}"

    def hmp(self, command: str) -> str:
        """The answer of QEMU's human monitor."""
        return self.qmp("human-monitor-command", **{"command-line": command})

    def text(self) -> str:
        return self.console.read_text(errors="replace").replace("\r", "")


def trouble(text: str) -> list[str]:
    """Lines of a console that must not be there. A command line may name what it asks
    for, as a panic where a task hangs."""
    return [line.strip() for line in text.splitlines()
            if TROUBLE.search(line) and "ommand line: " not in line]


def emulators_own(console: str, log: str = "") -> str:
    """The line of a console, or of QEMU's LOG, that shows a failure of the emulator. ""
    if there is none, if something else was wrong before, or if memory was short."""
    lines = [line.strip() for line in console.splitlines()]
    if any(OOM.search(line) for line in lines):
        return ""
    for i, line in enumerate(lines):
        if KVM_FAILED.match(line):
            return line
        if TWICE.search(line):
            at = next((said for said in lines[i:i + 8] if "RIP: " in said), "")
            return line if TWICE_AT.search(at) else ""
        if TROUBLE.search(line):
            return ""
    return next((line for line in log.splitlines() if QEMU_FAILED.match(line)), "")


def ticks_in_itself(samples: Sequence[str], system_map: str) -> str:
    """Do SAMPLES of the registers of all CPUs of a guest with this SYSTEM_MAP show a timer
    interrupt that was entered twice at once? Then all CPUs wait, with interrupts off, for
    the lock of the clock, or to read the clock while it is being set. So the CPU that holds
    the lock is itself one of those that wait. Return a sentence, or "" if some CPU does
    something else, or moves."""
    at, names, locks = [], [], set()
    for line in system_map.splitlines():
        address, _, name = line.split(maxsplit=2)
        at.append(int(address, 16))
        names.append(name)
        if name == "timekeeper_lock":
            locks.add(address)
    stood = set()
    for sample in samples:
        where = []
        for cpu in sample.split("CPU#")[1:]:
            value = dict(re.findall(r"\b(\w+) *=([0-9a-f]+)", cpu))
            if "RIP" not in value:      # 32 bits, which have not been seen to do that
                return ""
            name = names[max(bisect.bisect(at, int(value["RIP"], 16)) - 1, 0)]
            waits = name.endswith("queued_spin_lock_slowpath") and value["RDI"] in locks
            if (int(value["RFL"], 16) & 0x200 or value["HLT"] == "1" or
                    not (waits or name.startswith("ktime_get"))):
                return ""
            where.append((name, value["RSP"]))
        stood.add(tuple(where))
    return "a timer interrupt was entered twice at once" if len(stood) == 1 else ""


class Verdict:
    """Collects checks and figures of a scenario and writes them down."""

    def __init__(self, name: str, quiet: bool = False):
        self.name = name
        self.quiet = quiet
        self.metrics = {}
        self.checks = []

    def check(self, name: str, ok: object, seen: object = None) -> object:
        self.checks.append({"name": name, "pass": bool(ok)})
        tail = "" if seen in (None, []) else f" ({seen})"
        if not self.quiet:
            say(f"  {'ok    ' if ok else 'FAILED'} {name}{tail}")
        return ok

    @property
    def ok(self) -> bool:
        return bool(self.checks) and all(c["pass"] for c in self.checks)

    def write(self) -> None:
        out = BUILD / "results" / f"{self.name}.json"
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({"scenario": self.name, "pass": self.ok,
                                   "metrics": self.metrics,
                                   "checks": self.checks}, indent=1) + "\n")
        say(f"{self.name}: {'pass' if self.ok else 'FAIL'}; "
            f"{os.path.relpath(out)}")


def judge(name: str, work: Callable[..., object], *args: object) -> Verdict:
    """Let WORK fill in a Verdict, and return it. An exception counts as a failed check."""
    verdict = Verdict(name)
    try:
        work(verdict, *args)
    except Failure as failure:
        verdict.check(str(failure), False)
    verdict.write()
    return verdict


def program(main: Callable[[], int]) -> NoReturn:
    """Run MAIN as a program that may be interrupted and leaves no QEMU running."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; what was built is kept, run it again")
