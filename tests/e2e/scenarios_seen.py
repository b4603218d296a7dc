# SPDX-License-Identifier: GPL-2.0
"""What an operator sees of the tasks that wait."""

import json
import re
import subprocess

import kvm
import life
import rig
from checks import READS, USUAL, check_guest, least
from guests import guest_initrd
from kvm import ANSWERS, CONSOLE, GROUP, L2
from registry import scenario


def stat_program():
    """pvfault-stat, as a guest without libraries needs it."""
    out = rig.BUILD / "stat-static"
    rig.run("make", "-s", "-C", rig.ROOT / "tools/pvfault/stat", f"OUT={out}",
            "LDFLAGS=-static")
    return out / "pvfault-stat"


PAGE = rig.ROOT / "Documentation/virt/pvfault/troubleshooting.rst"
TOOLS = ("perf", "drgn")


def commands(tools=False):
    """Those that troubleshooting.rst shows, for root; with TOOLS those of these programs. One
    goes on in the next line while a quote is open."""
    found = re.findall(r"^ +# ((?:[^'\n]|'[^']*')*)$", PAGE.read_text(), re.M)
    return [command for command in found if (command.split()[0] in TOOLS) == tools]


def check_commands(v, guest):
    """All of them worked, and those that are to say something did."""
    ran = [str(line).split(maxsplit=2) for line in guest.all("command")]
    v.check(f"{guest.name}: the commands of troubleshooting.rst were run",
            [command for _, _, command in ran] == commands() != [], len(ran))
    bad = [command for status, octets, command in ran if int(status) or
           not (int(octets) or ">" in command or command.startswith("sleep"))]
    v.check(f"{guest.name}: and all of them work", not bad, bad)


def check_stat(v, guest):
    """Each form of pvfault-stat has told what the kernel counted by then."""
    name = guest.name
    said, user = ([json.loads(text) for text in guest.all(key) if text.startswith("{")]
                  for key in ("json", "json_user"))
    seen = said[-1] if said else {}
    v.check(f"{name}: pvfault-stat sees the backend and the waits",
            seen.get("backend") == "kvm" and seen["interval"]["waits_per_second"] > 0 and
            sum(b["user"] + b["kernel"] for b in seen["waits"]["histogram"]) > 0,
            str(seen)[:200])
    v.check(f"{name}: and which tasks wait", isinstance(seen.get("sleepers"), list))
    v.check(f"{name}: without root all but that", bool(user) and
            user[0]["counters"].get("sleep", 0) > 0 and user[0]["sleepers"] is None)
    rows = [line.split() for line in guest.all("lines")]
    v.check(f"{name}: a line a second, with waits in it",
            rows[:1] == [["asleep", "waits/s", "kernel/s", "refuse/s", "waiting", "p50", "p99",
                          "worst", "retry", "repair"]] and
            len(rows) == 4 and any(float(row[1]) > 0 for row in rows[1:]), rows)
    v.check(f"{name}: totals for people", any(re.match(r"since boot: \d+ waits", str(line))
                                              for line in guest.all("once")))
    metrics = dict(str(line).rsplit(" ", 1) for line in guest.all("textfile"))
    v.check(f"{name}: a file for node_exporter", int(metrics.get(
        'pvfault_events_total{event="sleep"}', 0)) > 0 and sum(
            int(metrics.get(f'pvfault_wait_seconds_count{{mode="{mode}"}}', 0))
            for mode in ("user", "kernel")) > 0, len(metrics))


@scenario(minutes=1, quick=True, also=USUAL,
          sabotages={"blind": "pvfault-stat sees the backend and the waits"})
def seen_stat(v, sabotage):
    """pvfault-stat in a guest whose tasks wait, in each of its forms, as root and as
    nobody; delay accounting and a cgroup's pressure know of the waits, too. Sabotage
    "blind": pvfault-stat looks elsewhere."""
    line = "pvfault=on" if sabotage == "blind" else kvm.usual_line(sabotage)
    guest = L2("seen", f"{line} delayacct load.way=touch,pread load.secs=10 load.alone=1 "
               f"load.seen={'/tmp' if sabotage == 'blind' else '/'}")
    guest.strict = False
    guest.initrd = guest_initrd(**{"bin/pvfault-stat": stat_program(),
                                   "commands": "\n".join([*commands(), ""]), **rig.busybox()})
    yield kvm.host(guest, reads=READS)
    check_guest(v, guest)
    check_stat(v, guest)
    check_commands(v, guest)
    kernel = guest.counter("sleep_kernel") + guest.counter("deferred")
    v.check("seen: waits in the kernel are told apart",
            guest.counter("waits_kernel") == kernel > 0 < guest.counter("waits_user"),
            f"{guest.counter('waits_kernel')} = {kernel}")
    least(v, guest, "delay accounting counts them as delays of block I/O", "blkio_delays", 50)
    least(v, guest, "and how long they took", "blkio_delay_ms", 100)
    least(v, guest, "the io pressure of a waiting task's cgroup tells of it",
          "io_pressure_us.waiting", 1000)
    v.check("seen: and that of a cgroup where nobody waits does not",
            guest.get("io_pressure_us.other") == 0, guest.get("io_pressure_us.other"))
    v.metrics.update(waits_user=guest.counter("waits_user"),
                     waits_kernel=guest.counter("waits_kernel"),
                     blkio_delays=guest.get("blkio_delays"),
                     blkio_delay_ms=guest.get("blkio_delay_ms"),
                     lines=guest.all("lines"), once=guest.all("once"))


QUIET = re.compile(r"pvfault: restored: (\d+) waits, quiet after (\d+) ms")


def restored_twice(guest):
    """Save it with tasks asleep, restore it, let its memory come back as it asks for it, and
    see what it says of that; do it again."""
    def told(times):
        return len(QUIET.findall(guest.host.read(CONSOLE))) >= times

    guest.walk(3)
    for times in (1, 2):
        # Most of it is missing when it goes on,
        life.restore(guest, many=4, high="24M")
        guest.tell("restored", times)
        # and all that it asks for stays, so that it becomes quiet.
        guest.host.write(f"{GROUP}/memory.high", "max")
        while not told(times):
            guest.pause(1)
    guest.host.write(ANSWERS, "enough")


@scenario(minutes=3, sabotages={"busy": "after each restore it said when it was quiet"})
def seen_restore(v, sabotage):
    """A guest that is saved and restored tells once how many waits that took, and when it
    was quiet again. Sabotage "busy": its host never lets it have its memory."""
    guest = L2("restored", "pvfault=on load.tasks=6 load.mb=24 load.secs=1 load.alone=1 "
               "load.sample=1 load.told=ttyS1", mib=128, limit=150 if sabotage else 400,
               steps=restored_twice)
    guest.memory, guest.strict = "56M", False
    if sabotage:
        guest.steps = kept_busy
    yield kvm.host(guest, reads=4 * READS)
    if not sabotage:
        check_guest(v, guest)
    said = QUIET.findall(guest.console)
    v.check("restored: after each restore it said when it was quiet",
            len(said) == guest.get("restored") == 2, said)
    v.check("restored: and how many waits that took",
            said and all(int(waits) > 0 and int(ms) > 0 for waits, ms in said), said)
    v.metrics.update(restored=said, waits=guest.counter("sleep"))


def kept_busy(guest):
    guest.walk(3)
    life.restore(guest, many=4)
    guest.tell("restored", 2)


CORE_MIB = 512
TASKS = 3


def crashed(v, sabotage):
    """A plain boot whose kernel crashes with tasks asleep, and leaves a core. Return what
    it said, and the core."""
    init = rig.guest_program("crash", rig.ROOT / "tests/e2e/crash.c")
    folders = dict.fromkeys(("proc", "sys", "dev", "tmp"))
    second = rig.archive("crash-second", {**folders, "init": init})
    first = rig.archive("crash-first", {**folders, "init": init, "initrd": second,
                                        "kernel": rig.kernel("dwarf")})
    with rig.Boot(v.name, rig.kernel("dwarf"), [first],
                  append=f"crashkernel=128M crash.tasks={TASKS} "
                         f"crash.ready={int(bool(sabotage))}",
                  options=("-m", "384", *rig.disk(v.name, "core", CORE_MIB))) as boot:
        said = [line.split(maxsplit=1) for line in boot.lines(300)]
        return said, boot.folder / "core"


DEBIAN13 = rig.ROOT / "scripts/debian13.sh"
SCRIPT = rig.ROOT / "tools/pvfault/drgn/sleepers.py"


def vmlinux():
    return rig.kernel("dwarf").parents[3] / "vmlinux"


def listed(core):
    """What the drgn script says of it."""
    done = subprocess.run([DEBIAN13, "drgn", "-c", core, "-s", vmlinux(), SCRIPT],
                          text=True, capture_output=True, check=False)
    if done.returncode:
        raise rig.Failure(f"drgn: {(done.stderr.splitlines() or ['?'])[-1]}")
    return done.stdout.splitlines()


def crash(core, *lines):
    """What the crash utility says to these commands. Now and then it fails to wait for a pipe
    that has ended already, and says so; then again."""
    orders = core.with_name("orders")
    orders.write_text("\n".join((*lines, "quit", "")))
    for _ in range(10):
        done = subprocess.run([DEBIAN13, "crash", "--no_scroll", vmlinux(), core, "-i", orders],
                              text=True, check=False, timeout=300, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise rig.Failure(f"crash: {(done.stdout.splitlines() or ['?'])[-1]}")
        if "pipe operation failed" not in done.stdout:
            break
    return done.stdout


def check_crash(v, core, names, tokens):
    """The recipe of troubleshooting.rst finds these tasks, and these tokens."""
    recipe = re.findall(r"^ +crash> (.*)$", PAGE.read_text(), re.M)
    once = [line for line in recipe if "ADDRESS" not in line]
    each = [line for line in recipe if "ADDRESS" in line]
    said = crash(core, *once)
    found = re.findall(r'COMMAND: "(.*)"\n #\d+ \[\w+\] pvfault_table_sleep', said)
    v.check("vmcore: crash finds the same tasks", sorted(found) == names != [], found)
    counted = re.search(r"per_cpu\(pvfault_counters, 0\) = .* = \{\n  n = \{(\d+), (\d+), (\d+),",
                        said)
    v.check("vmcore: and how often tasks have waited", counted and counted[3] == str(len(names)),
            counted and counted.groups())
    places = re.findall(r"first = (0x\w+)", said)
    said = crash(core, *(line.replace("ADDRESS", place) for place in places for line in each))
    asleep = re.findall(r"token = (\d+),\s+state = PVFAULT_SLEEPING", said)
    v.check("vmcore: and the tokens", {hex(int(token)) for token in asleep} == tokens != set(),
            asleep)


@scenario(kernels=("dwarf",), minutes=1,
          sabotages={"ready": "drgn lists the tasks that slept when it crashed"})
def seen_vmcore(v, sabotage):
    """A kernel crashes with tasks asleep, a second one saves its memory, and Debian 13's
    drgn lists these tasks from that, with tokens and ages. Sabotage "ready": they had their
    READY before."""
    said, core = crashed(v, sabotage)
    saved = any(key == "core" and int(value) > 1 << 20 for key, value in said)
    v.check("vmcore: the second kernel saved it", saved, said[-3:])
    rows = [line.split() for line in listed(core)] if saved else []
    names = [row[4] for row in rows if len(row) == 5 and row[0].startswith("0x")]
    v.check("vmcore: drgn lists the tasks that slept when it crashed",
            sorted(names) == [f"sleeper-{i}" for i in range(TASKS)], rows)
    live = {tuple(row[i] for i in (0, 3, 4)) for row in
            (value.split() for key, value in said if key == "sleeper") if row[0] != "token"}
    v.check("vmcore: tokens, ids and names are those that the kernel listed itself",
            live == {(row[0], row[3], row[4]) for row in rows if len(row) == 5
                     and row[0].startswith("0x")}, [live, rows])
    ages = [int(row[2]) for row in rows if len(row) == 5 and row[0].startswith("0x")]
    v.check("vmcore: and they have slept for two seconds or more",
            all(age >= 1900 for age in ages), ages)
    if saved:
        check_crash(v, core, sorted(names), {row[0] for row in live})
    if v.ok:
        core.unlink()
