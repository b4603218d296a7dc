#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""make report: run the demo's guest without and with pvfault, trace its host and it, and
draw what was seen: build/report/kvm.html or xen.html, and a picture beside it if Chromium is
there.

  run.py [kvm|xen]            do it
  run.py [kvm|xen] --check    do it, and look at it in Chromium, which is installed if it is
                              missing
"""

import base64
import dataclasses
import gzip
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent / "rig"), str(HERE.parent / "e2e")]
import kvm  # noqa: E402
import rig  # noqa: E402
import steps  # noqa: E402
import xen  # noqa: E402
import xentrace  # noqa: E402
from checks import READS, check_guest  # noqa: E402
from kvm import TRACING  # noqa: E402
from lanes import Lane, clipped, held, state_lane, task_lanes, vcpu_lane  # noqa: E402
from page import STATES, Run, html  # noqa: E402

OUT = rig.BUILD / "report"
MS = 2500           # of tracing
PICTURE = (1240, 1700)

# In L1. Ticks of its TSC; the guest's are so many more.
BEFORE = f"""\
T={TRACING}
echo 0 >$T/tracing_on
echo 32768 >$T/buffer_size_kb
echo x86-tsc >$T/trace_clock
for e in kvm_entry kvm_exit; do echo 1 >$T/events/kvm/$e/enable; done
echo >$T/trace
"""
AFTERWARDS = f"""\
echo 0 >{TRACING}/events/kvm/enable
sed -n -e 's/.* \\([0-9]*\\): kvm_entry: vcpu \\([0-9]*\\).*/\\1 \\2/p' \\
	-e 's/.* \\([0-9]*\\): kvm_exit: vcpu \\([0-9]*\\) reason \\([a-zA-Z_]*\\).*/\\1 \\2 \\3/p' \\
	<{TRACING}/trace
"""
OFFSET = "cat /sys/kernel/debug/kvm/*/vcpu0/tsc-offset"


LOAD = f"load.trace={MS} load.secs=5"


def seconds(ticks):
    return int(ticks) / (int(rig.tsc_khz()) * 1000)


class OnKvm(kvm.L2):
    """A guest that traces itself, while L1 traces its exits."""
    def __init__(self, name, line):
        super().__init__(name, f"{line} {LOAD}", steps=OnKvm.trace_it)

    def trace_it(self):
        self.host.run(BEFORE)
        self.boot()
        self.until_phase("walk")
        self.offset = int(self.host.run(OFFSET))
        self.host.run(f"echo 1 >{TRACING}/tracing_on")
        self.until(lambda: self.get("traced"))
        self.host.run(f"echo 0 >{TRACING}/tracing_on")
        self.until(lambda: not self.alive())
        self.exits = [line.split() for line in self.host.run(AFTERWARDS).splitlines()]

    def lanes(self):
        events = {}
        for ticks, vcpu, *reason in self.exits:
            events.setdefault(int(vcpu), []).append(
                (seconds(int(ticks) + self.offset), reason[0] if reason else ""))
        return [vcpu_lane(f"vCPU {vcpu}", events[vcpu]) for vcpu in sorted(events)]


class OnXen(xen.DomU):
    """A guest that traces itself, while Xen traces its vCPUs."""
    def __init__(self, name, pager):
        super().__init__(name, f"{xen.LINE} {LOAD}", mib=xen.MIB, limit=600,
                         steps=OnXen.trace_it)
        self.pager = pager

    def trace_it(self):
        self.boot()
        domain = int(self.host.run(f"xl domid {self.name}"))
        tracing = self.host.spawn(f"exec xentrace -D -S 512 -e {xentrace.CLASSES:#x} /tmp/trace")
        self.until(lambda: self.get("traced"))
        tracing.kill(2)
        tracing.wait()
        self.until(lambda: not self.alive())
        raw = self.host.run("gzip -c /tmp/trace | base64; rm /tmp/trace")
        self.changes, self.marks = xentrace.read(gzip.decompress(base64.b64decode(raw)), domain)

    def lanes(self):
        ahead = xentrace.offset(self.marks, (map(int, str(mark).split())
                                             for mark in self.all("mark")))
        if ahead is None:
            raise rig.Failure(f"{self.name}: Xen has traced none of its marks")
        changes = {}
        for ticks, vcpu, state in self.changes:
            changes.setdefault(vcpu, []).append((seconds(ticks + ahead), state))
        return [state_lane(f"vCPU {vcpu}", changes[vcpu]) for vcpu in sorted(changes)]


def tasks(guest):
    names = {int(pid): name for pid, name in (line.split() for line in guest.all("task"))}
    names = dict(sorted(names.items(), key=lambda task: (task[1] != "computing0", task[1])))
    switches = [(seconds(ticks), int(old), state, int(new)) for ticks, _, old, state, new in
                (line.split() for line in guest.all("switch"))]
    faults = [(seconds(ticks), int(pid), event) for ticks, _, pid, event, _ in
              (line.split() for line in guest.all("fault"))]
    return task_lanes(names, switches, faults), switches


def run_of(guest, title):
    """What was seen of GUEST, while both it and its host were traced."""
    seen = guest.lanes()
    lanes, switches = tasks(guest)
    if not seen or not switches:
        raise rig.Failure(f"{guest.name}: nothing was traced")
    begin = max(switches[0][0], min(lane.spans[0].begin for lane in seen))
    end = min(switches[-1][0], max(lane.spans[-1].end for lane in seen))
    if end <= begin:
        raise rig.Failure(f"{guest.name}: its trace and its host's don't meet")

    def cut(lane):
        return Lane(lane.name, clipped(lane.spans, begin, end))

    seen = [cut(lane) for lane in seen]
    return Run(title, begin, end, seen, [held(cut(lane), seen) for lane in lanes],
               {key.partition(".")[2]: int(value) for key, value in guest.said.items()
                if key.startswith("counter.")},
               [(limit, int(user), int(kernel)) for limit, user, kernel in
                (str(line).split() for line in guest.all("waited"))],
               guest.get("overlap", 0))


def chromium(*args):
    return subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu",
                           "--disable-dev-shm-usage", *args], text=True, check=True,
                          capture_output=True, timeout=300).stdout


def picture(page):
    out = page.with_suffix(".png")
    out.unlink(missing_ok=True)
    chromium(f"--screenshot={out}", f"--window-size={PICTURE[0]},{PICTURE[1]}", page.as_uri())
    return out


def check_page(v, page, runs):
    """A browser shows it, with everything in it, and fetches nothing for it."""
    dom = chromium("--dump-dom", page.as_uri())
    v.check("report: the browser's document has a lane of each vCPU and task",
            all(f">{lane.name}</text>" in dom for run in runs
                for lane in (*run.vcpus, *run.tasks)))
    text = page.read_text()
    v.check("report: nothing is fetched from elsewhere",
            not re.search(r"""(src|href)=|url\(|@import""", text))
    image = picture(page)
    missing = {STATES[state][0] for state in ("computing", "stopped", "waits")} - \
        picture_colours(image)
    v.check("report: the picture has the colours of what happened", not missing, missing)
    v.metrics["picture"] = str(image.relative_to(rig.ROOT))


def picture_colours(image):
    """All colours of a PNG."""
    _, size, _, pixels = subprocess.run(["pngtopnm", image], check=True,
                                        capture_output=True).stdout.split(b"\n", 3)
    assert size == b"%d %d" % PICTURE, size
    return {f"#{bytes(rgb).hex()}" for rgb in
            set(zip(pixels[0::3], pixels[1::3], pixels[2::3]))}


@dataclasses.dataclass(frozen=True)
class Job:
    """What is traced under a hypervisor: two GUESTS, run by BOOT."""
    kernels: tuple[str, ...]
    guests: Callable[[], tuple]
    boot: Callable
    titles: tuple[str, str]
    what: str
    tells: bool = False     # a vCPU stops until a program of the host's has told the guest


JOBS = {
    "kvm": Job(("main",), lambda: (OnKvm("off", "pvfault=off"), OnKvm("on", "pvfault=on")),
               kvm.run_guests, ("without pvfault", "with pvfault"),
               "A KVM guest walks 160 MiB with eight tasks while a ninth computes; its host "
               f"gives it 150 MiB and swaps at {READS} reads a second."),
    "xen": Job(("main", "xen"),
               lambda: (OnXen("off", f"{xen.PAGER} --hold"), OnXen("on", xen.PAGER)),
               lambda name, guests, reads: xen.run_guests(name, guests, reads,
                                                              tools=("xentrace",)),
               ("held by the pager", "told by it"),
               "A Xen guest walks 72 MiB with eight tasks while a ninth computes; its pager "
               f"leaves it 190 of 224 MiB and brings pages back at {READS} reads a second, "
               "once holding the vCPU as Xen does, once telling pvfault.", tells=True),
}


def report(v, job, look):
    off, on = job.guests()
    trouble = job.boot(v.name, [off, on], reads=READS)
    v.check("the consoles of the host are clean", not trouble, trouble[:3])
    check_guest(v, off, asynchronous=False)
    check_guest(v, on)
    runs = [run_of(guest, title) for guest, title in zip((off, on), job.titles)]
    check_lanes(v, job, *runs)
    OUT.mkdir(parents=True, exist_ok=True)
    page = OUT / f"{v.name.rpartition('-')[2]}.html"
    page.write_text(html(runs, f"{job.what} {MS / 1000:g} seconds of each."))
    if look:
        check_page(v, page, runs)
    elif shutil.which("chromium"):
        picture(page)
    rig.say(f"see {page}")


def check_lanes(v, job, off, on):
    """What the pictures show is what pvfault is about."""
    computing, stopped = ([run.share(run.vcpus, state) for run in (off, on)]
                          for state in ("computing", "stopped"))
    stop_ms = [run.mean(run.vcpus, "stopped") * 1000 for run in (off, on)]
    waits = [sum(lane.seconds(state) for lane in run.tasks for state in
                 ("waits", "waits_kernel")) for run in (off, on)]
    v.check("report: without pvfault the host stops the vCPU more than it computes",
            stopped[0] > computing[0], f"{stopped[0]:.0%} against {computing[0]:.0%}")
    if job.tells:
        v.check("report: with pvfault a stop takes less time than without",
                stop_ms[1] < stop_ms[0], f"{stop_ms[1]:.2f} ms against {stop_ms[0]:.2f}")
    else:
        v.check("report: with pvfault it computes more than without",
                computing[1] > computing[0], f"{computing[1]:.0%} against {computing[0]:.0%}")
    v.check("report: and tasks sleep for pages, which they didn't", waits[1] > 0 == waits[0],
            waits)
    v.metrics.update(computing=computing, stopped=stopped, stop_ms=stop_ms, waits=waits)


def install_browser():
    """Chromium, and what reads its pictures, from Debian's packages."""
    if shutil.which("chromium") and shutil.which("pngtopnm"):
        return
    rig.say("installing Debian's chromium and netpbm")
    install = ["apt-get", "install", "-y", "-q", "--no-install-recommends", "chromium", "netpbm"]
    if subprocess.run(install, capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "update", "-q"], capture_output=True, check=False)
        rig.run(*install, stdout=subprocess.DEVNULL)


def main():
    hypervisor, *look = sys.argv[1:] or ["kvm"]
    if hypervisor not in JOBS or look not in ([], ["--check"]):
        sys.exit(f"make report: HV={hypervisor} is none of {', '.join(JOBS)}")
    if look:
        install_browser()
    job = JOBS[hypervisor]
    steps.prepare(job.kernels)
    return 0 if rig.judge(f"report-{hypervisor}", report, job, bool(look)).ok else 1


if __name__ == "__main__":
    rig.program(main)
