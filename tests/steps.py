# SPDX-License-Identifier: GPL-2.0
"""Run a list of steps, each a command; say which, how far it is, and what was red."""

import dataclasses
import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
from collections.abc import Iterable

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))

# The exit status of a step that came to its end but missed a target. It is not run again,
# because it would say the same.
SHORT = 3

# A step prints this when it starts anew because the emulator failed; see registry.py.
EMULATOR = "the emulator failed, not what is tested; once more: "

# When each step ran last on this machine, and the seconds it took.
HISTORY = BUILD / "history.json"

# The builds that scenarios and steps use: [TREE/]CONFIG as for scripts/kernel.sh, Xen, and
# a Debian guest. In the order in which they are built, with the minutes of a cold build.
BUILDS = {"main": 6, "hostile": 2, "xen": 2, "kvm2010": 2, "off": 4, "bare": 4, "debug": 6,
          "sleeps": 6, "gcov": 6, "kcsan": 4, "rt": 5, "torture": 6, "dwarf": 4,
          "stock/main": 4, "pvfault-6.1/main": 6, "pvfault-7.3/main": 8, "up": 4, "i386": 4,
          "i386-nopae": 4, "debian": 20}
# Those that aren't kernels: what builds them, and the file that shows that it has.
SCRIPTS = {"xen": (("scripts/xen.sh",), "xen/xen"),
           "debian": (("scripts/debian.sh", "small"), "debian/small/disk")}


@dataclasses.dataclass(frozen=True)
class Step:
    """A command, the minutes it takes, the BUILDS that it needs, and whether it is a part
    of "make test"."""

    name: str
    command: tuple[str, ...]
    minutes: float = 0
    builds: tuple[str, ...] = ()
    quick: bool = False

    @property
    def seconds(self) -> float:
        """The seconds that it took last time, or should take."""
        return history().get(self.name, {}).get("seconds", 60 * self.minutes)


def build(name: str) -> Step:
    """The step that builds one of BUILDS."""
    tree, _, config = name.rpartition("/")
    if name in SCRIPTS:
        return Step(name, SCRIPTS[name][0], BUILDS[name])
    return Step(f"kernel {name}", ("scripts/kernel.sh", tree or "pvfault", config),
                BUILDS[name])


def prepare(builds: Iterable[str]) -> None:
    """For a program that people call: install what is missing, and build these."""
    for command in (("scripts/setup.sh",), *(build(name).command for name in builds)):
        if subprocess.run(command, cwd=ROOT, check=False).returncode:
            sys.exit(1)


def is_built(name: str) -> bool:
    """Is there an earlier build? Then it takes little time to build it again."""
    tree, _, config = name.rpartition("/")
    return BUILD.joinpath(SCRIPTS[name][1] if name in SCRIPTS else
                          f"{tree or 'pvfault'}/out-{config}/arch/x86/boot/bzImage").exists()


def with_builds(plan: list[Step]) -> list[Step]:
    """PLAN with what has to be built, each before the first step that needs it."""
    out, there = [], set()
    for step in plan:
        for name in sorted(set(step.builds) - there, key=list(BUILDS).index):
            out.append(build(name))
            there.add(name)
        out.append(step)
    return out


def history() -> dict[str, dict]:
    return json.loads(HISTORY.read_text()) if HISTORY.exists() else {}


def remember(name: str, seconds: float) -> None:
    """Note that NAME has run just now, and how long it took."""
    HISTORY.parent.mkdir(parents=True, exist_ok=True)
    new = HISTORY.with_suffix(f".{os.getpid()}")
    new.write_text(json.dumps({**history(), name: {"last": round(time.time()),
                                                   "seconds": round(seconds, 1)}}, indent=1))
    new.replace(HISTORY)


def fingerprint() -> str:
    """Changes with any file of the repository."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout.split("\n")
    sum_ = hashlib.sha256()
    for name in sorted(f for f in files if f and not f.endswith((".md", ".rst", ".svg"))):
        path = ROOT / name
        if path.is_file():
            sum_.update(name.encode() + path.read_bytes())
    return sum_.hexdigest()


def counted(output: str, code: int) -> tuple[int, int]:
    """How many checks passed and failed, as the step says. If it says nothing, the step
    itself counts as one."""
    output = output.rpartition(EMULATOR)[2]
    found = re.findall(r"^(\d+) passed, (\d+) failed", output, re.M)
    if found:
        passed, failed = map(int, found[-1])
        return passed, failed + (code != 0 and failed == 0)
    checks = re.findall(r"^\[[\d:]+\]   (ok    |FAILED) ", output, re.M)
    passed, failed = checks.count("ok    "), checks.count("FAILED")
    if not passed + failed:
        return int(code == 0), int(code != 0)
    return passed, failed + (code != 0 and failed == 0)


def red_lines(output: str) -> list[str]:
    """A step's lines about its failures; its last lines if there are none."""
    found = [line for line in output.rpartition(EMULATOR)[2].splitlines()
             if re.search(r"FAILED|FAIL:|SURVIVED", line)]
    return found[:20] or output.splitlines()[-5:]


def run_step(step: Step) -> dict:
    """Run it and show its output. Return the counts that are to be remembered."""
    output, began = [], time.monotonic()
    with subprocess.Popen(step.command, cwd=ROOT, text=True, errors="replace",
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        try:
            for line in process.stdout:
                output.append(line)
                sys.stdout.write(line)
                sys.stdout.flush()
        except KeyboardInterrupt:
            process.terminate()
            raise
    text, code = "".join(output), process.returncode
    remember(step.name, time.monotonic() - began)
    passed, failed = counted(text, code)
    return {"passed": passed, "failed": failed, "red": red_lines(text) if failed else [],
            "emulator": re.findall(f"{EMULATOR}(.*)", text),
            "done": not failed or code == SHORT}


def to_go(plan: list[Step]) -> str:
    """How long these take, if they say so."""
    minutes = round(sum(step.seconds for step in plan) / 60)
    return f", about {minutes} minutes to go" if minutes else ""


def run_all(plan: list[Step], state: pathlib.Path, resume: bool) -> int:
    """Run all steps of PLAN. With RESUME, steps that the file STATE lists as done are
    skipped, until a file of the repository changes. Return how many checks failed."""
    done = {}
    print_ = fingerprint()
    if state.exists():
        kept = json.loads(state.read_text())
        done = kept["done"] if kept["fingerprint"] == print_ else {}

    seen = {}
    began = time.monotonic()
    for i, step in enumerate(plan):
        if resume and step.name in done:
            print(f"==== {i + 1}/{len(plan)} {step.name}: done before")
            seen[step.name] = done[step.name]
            continue
        print(f"==== {i + 1}/{len(plan)} {step.name} ({time.monotonic() - began:.0f} s since "
              f"the start{to_go(plan[i:])})", flush=True)
        seen[step.name] = run_step(step)
        done.pop(step.name, None)
        if seen[step.name]["done"]:
            done[step.name] = seen[step.name]
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps({"fingerprint": print_, "done": done}))
    passed, failed = summary(seen)
    print(f"after {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return failed


def summary(seen: dict[str, dict]) -> tuple[int, int]:
    """Say what failed of the steps SEEN. Return how many checks passed and failed."""
    passed, failed = (sum(s[what] for s in seen.values()) for what in ("passed", "failed"))
    for name, step in seen.items():
        if step["failed"]:
            print(f"failed: {name}", *step["red"], sep="\n  ")
    excused = [f"{name}: {what}" for name, step in seen.items() for what in step["emulator"]]
    if excused:
        print("repeated, because the emulator failed:", *excused, sep="\n  ")
    if len(excused) > 1:
        print("failed: the emulator, more than once")
        failed += 1
    return passed, failed
