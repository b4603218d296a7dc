# SPDX-License-Identifier: GPL-2.0
"""What an operator sees of the tasks that wait."""

import json
import re
import subprocess

import kvm
import life
import rig
import xen
from checks import READS, USUAL, check_guest, least
from guests import guest_initrd
from kvm import ANSWERS, CONSOLE, GROUP, L2
from registry import scenario
from xen import PAGER, check_paged, domu


def stat_program():
    """pvfault-stat, as a guest without libraries needs it."""
    out = rig.BUILD / "stat-static"
    rig.run("make", "-s", "-C", rig.ROOT / "tools/pvfault/stat", f"OUT={out}",
            "LDFLAGS=-static")
    return out / "pvfault-stat"


PAGE = rig.ROOT / "Documentation/virt/pvfault/troubleshooting.rst"
TOOLS = ("perf", "bpftrace", "drgn")


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
    """pvfault-stat in a guest with tasks that wait, in each of its forms, as root and as
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
    drgn and crash find these tasks there, with tokens and ages. Sabotage "ready": they had
    their READY before."""
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


# A task that waits; its name is the file's.
WAITER = """\
#!/bin/sh
echo $1 >/sys/kernel/debug/pvfault/sim/not_present
"""
# /init of a guest in which three tasks wait all the time, others for a moment, again and
# again. It runs each of /seen/command* among Debian 13's tools, which are on a disk.
TOOLBOX = """\
#!/bin/sh
PATH=/bin
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mount -t debugfs debugfs /sys/kernel/debug
cd /sys/kernel/debug/pvfault/sim
echo 1 >register
for i in 1 2 3; do waiter $i & done
while :; do
	i=$((i+1)); waiter $i & sleep 0.1; echo $i >ready
done 2>/dev/null &
mkdir /tools; mount -t ext2 -o ro /dev/vda /tools; mount -t tmpfs tmpfs /tools/tmp
for d in dev proc sys; do mount -o rbind /$d /tools/$d; done
mount -o bind /seen /tools/mnt
export BPFTRACE_KERNEL_SOURCE=/mnt
for c in /seen/command*; do
	n=${c##*/command}
	busybox chroot /tools sh -c "cd /mnt; PATH=/usr/bin; . ./command$n" >/tmp/said 2>&1
	echo "status $n $?"
	sed "s/^/said $n /" /tmp/said
done >/dev/ttyS1
sed "s/^/said kernel /" /sys/kernel/debug/pvfault/sleepers >/dev/ttyS1
reboot -f
"""
# Instead of BTF, which Debian's kernels have and this one hasn't: all that bpftrace asks of
# the headers of a kernel for these commands.
HEADERS = {
    "seen/include/linux/kconfig.h": "",
    "seen/include/linux/types.h": "typedef unsigned long long u64;\ntypedef int pid_t;\n",
}
# What a command says if it has seen a task that waited.
TELLS = re.compile(r"^.*waiter.*$|^ +[1-9][\d,]* +pvfault:pvfault_sleep", re.M)


def toolbox(v, wanted, waiter):
    """Run these commands there, among tasks that run the script WAITER. Return the status and
    the text of each, and what the kernel lists of those that sleep."""
    rig.run(DEBIAN13, "disk")
    initrd = rig.archive(v.name, {
        **rig.busybox(), "init": TOOLBOX, "bin/waiter": waiter,
        "seen/vmlinux": vmlinux(), "seen/sleepers.py": SCRIPT, **HEADERS,
        **{f"seen/command{i:02}": command for i, command in enumerate(wanted)}})
    disk = rig.BUILD / "debian13/disk"
    status, said = {}, {}
    with rig.Boot(v.name, rig.kernel("dwarf"), [initrd], options=(
            "-m", "1024", "-drive", f"if=virtio,format=raw,readonly=on,file={disk}")) as boot:
        for line in boot.lines(600):
            key, number, text = f"{line}  ".split(" ", 2)
            if key == "status":
                status[number] = int(text)
            elif key == "said":
                said.setdefault(number, []).append(text.rstrip())
        v.check("live: the console is clean", not rig.trouble(boot.text()),
                rig.trouble(boot.text())[:3])
    numbers = [f"{i:02}" for i in range(len(wanted))]
    return ([(status.get(n), "\n".join(said.get(n, ()))) for n in numbers],
            "\n".join(said.get("kernel", ())))


def lasting(text):
    """(token, id, name) of the three that wait all the time, as the kernel lists them, and
    the drgn script."""
    rows = (line.split() for line in text.splitlines())
    return {(row[0], row[3], row[4]) for row in rows
            if len(row) == 5 and row[0] in ("0x1", "0x2", "0x3")}


@scenario(kernels=("dwarf",), minutes=4,
          sabotages={"awake": "drgn lists the tasks that sleep, as the kernel does"})
def seen_live(v, sabotage):
    """What troubleshooting.rst shows of perf, bpftrace and drgn, run as Debian 13 has them
    in a guest with tasks that wait. Sabotage "awake": nobody waits."""
    wanted, drgn = commands(tools=True), ""
    v.check("live: troubleshooting.rst has commands of each program",
            {command.split()[0] for command in wanted} == set(TOOLS), len(wanted))
    answers, kernel = toolbox(v, wanted, WAITER if not sabotage else "#!/bin/sh\n")
    for command, (status, said) in zip(wanted, answers):
        v.check(f"live: works: {' '.join(command.split())}", status == 0,
                said[-300:] if status else None)
        if " -o " not in command:
            found = TELLS.search(said)
            v.check("live: and it tells of tasks that waited", found,
                    found.group().strip() if found else said[-300:])
        if command.startswith("drgn"):
            drgn = said
    there = lasting(kernel)
    v.check("live: drgn lists the tasks that sleep, as the kernel does",
            len(there) == 3 and lasting(drgn) == there, sorted(there))


SAID = re.compile(r"told vcpu=\d+ gfn=\S+ token=(\S+) began_us=\d+ us=(\d+)")


def waits_traced(guest):
    """The tokens that the host said while it was traced, and the {token: seconds} of the
    waits that began and ended meanwhile. Events are enabled one after the other, so that
    the first sleeps may have no NOT_PRESENT."""
    said, began, took = set(), {}, {}
    for line in guest.all("fault"):
        ticks, _, _, event, token = line.split()
        if event == "not_present":
            said.add(token)
        elif event == "sleep" and token in said:
            began[token] = int(ticks)
        elif event == "wake" and token in began:
            took[token] = (int(ticks) - began[token]) / (int(rig.tsc_khz()) * 1000)
    return said, took


def sequence(token):
    """The pager's count of waits, in a token of its."""
    return (int(token, 16) & 0xffffffff) >> 13


@scenario(kernels=("main", "xen"), minutes=3,
          sabotages={"silent": "each wait that the guest traced was said by its pager"})
def xen_seen(v, sabotage):
    """A Xen guest is traced while its pager says each wait: both know a wait by the same
    token. Sabotage "silent": the pager says none."""
    guest = domu("seen", "load.trace=2500 load.secs=6",
                 pager=PAGER if sabotage else f"{PAGER} --say-waits")
    yield xen.host(guest, reads=READS)
    check_paged(v, guest)
    notified, traced = waits_traced(guest)
    told = {token: int(us) for token, us in SAID.findall("\n".join(guest.pager_said))}
    v.check("seen: the guest was traced while tasks waited", len(traced) >= 20, len(traced))
    v.check("seen: each wait that the guest traced was said by its pager",
            traced and set(traced) <= set(told), f"{len(traced)} of {len(told)}")
    joined = sorted(set(traced) & set(told), key=sequence)
    between = {token for token in told if joined and
               sequence(joined[0]) <= sequence(token) <= sequence(joined[-1])}
    v.check("seen: each that the pager said meanwhile was traced",
            between and between <= notified, len(between))
    v.metrics.update(traced=len(traced), told=len(told), joined=len(joined),
                     guest_ms=sorted(round(1000 * traced[t], 1) for t in joined),
                     pager_ms=sorted(round(told[t] / 1000, 1) for t in joined))
