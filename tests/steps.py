# SPDX-License-Identifier: GPL-2.0
"""Run a list of steps, each a command; say which, how far it is, and what was red."""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))

# The exit status of a step that came to its end but missed a target: run again, it
# would say the same.
SHORT = 3


def kernel(config, tree="pvfault"):
    return ["scripts/kernel.sh", tree, config]


def fingerprint():
    """Changes with any file of the repository."""
    files = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT,
                           capture_output=True, text=True, check=True).stdout.split("\n")
    sum_ = hashlib.sha256()
    for name in sorted(f for f in files if f and not f.endswith((".md", ".rst", ".svg"))):
        path = ROOT / name
        if path.is_file():
            sum_.update(name.encode() + path.read_bytes())
    return sum_.hexdigest()


def counted(output, code):
    """How many passed and failed: as the step says, or the step itself."""
    found = re.findall(r"^(\d+) passed, (\d+) failed", output, re.M)
    if found:
        passed, failed = map(int, found[-1])
        return passed, failed + (code != 0 and failed == 0)
    checks = re.findall(r"^\[[\d:]+\]   (ok    |FAILED) ", output, re.M)
    passed, failed = checks.count("ok    "), checks.count("FAILED")
    if not passed + failed:
        return int(code == 0), int(code != 0)
    return passed, failed + (code != 0 and failed == 0)


def red_lines(output):
    """What a step says of its failures; its last words if it says nothing."""
    found = [line for line in output.splitlines()
             if re.search(r"FAILED|FAIL:|SURVIVED", line)]
    return found[:20] or output.splitlines()[-5:]


def run_step(name, command):
    """Run it, show what it says. Return what is to be remembered of it."""
    output = []
    process = subprocess.Popen(command, cwd=ROOT, text=True, errors="replace",
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        for line in process.stdout:
            output.append(line)
            sys.stdout.write(line)
            sys.stdout.flush()
    except KeyboardInterrupt:
        process.terminate()
        process.wait()
        raise
    text, code = "".join(output), process.wait()
    passed, failed = counted(text, code)
    return {"passed": passed, "failed": failed, "red": red_lines(text) if failed else [],
            "done": not failed or code == SHORT}


def to_go(steps):
    """How long these take, if they say so."""
    minutes = sum(m[0] for _, _, *m in steps if m)
    return f", about {minutes} minutes to go" if minutes else ""


def run_all(steps, state, resume):
    """STEPS are (name, command), and maybe the minutes it takes. With RESUME, what
    the file STATE says is done is not done again, until a file has changed. Return
    how many failed."""
    done = {}
    print_ = fingerprint()
    if state.exists():
        kept = json.loads(state.read_text())
        done = kept["done"] if kept["fingerprint"] == print_ else {}

    seen = {}
    began = time.monotonic()
    for i, (name, command, *_) in enumerate(steps):
        if resume and name in done:
            print(f"==== {i + 1}/{len(steps)} {name}: done before")
            seen[name] = done[name]
            continue
        print(f"==== {i + 1}/{len(steps)} {name} ({time.monotonic() - began:.0f} s since "
              f"the start{to_go(steps[i:])})", flush=True)
        seen[name] = run_step(name, command)
        done.pop(name, None)
        if seen[name]["done"]:
            done[name] = seen[name]
        state.parent.mkdir(parents=True, exist_ok=True)
        state.write_text(json.dumps({"fingerprint": print_, "done": done}))
    for name, step in seen.items():
        if step["failed"]:
            print(f"failed: {name}", *step["red"], sep="\n  ")
    passed, failed = (sum(s[what] for s in seen.values()) for what in ("passed", "failed"))
    print(f"after {time.monotonic() - began:.0f} s")
    print(f"{passed} passed, {failed} failed")
    return failed
