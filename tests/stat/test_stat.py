#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""pvfault-stat on trees that look like the sysfs of kernels in all states, under
sanitizers; its full screen in tmux."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
OUT = BUILD / "stat-unit"
STAT = OUT / "pvfault-stat"

COUNTERS = {"not_present": 130, "sleep": 110, "sleep_kernel": 40, "early_hit": 5, "wake": 107,
            "retry": 0, "abandoned": 2, "rejected": 15, "ready": 112, "repair": 0,
            "overwritten": 0}
HISTOGRAM = [(4000, 50, 20), (8000, 10, 10), (16000, 9, 8), (32000, 0, 2), ("inf", 0, 0)]
SLEEPERS = """\
             token  cpu     age_ms    pid comm
            0x1000    0         12    101 walker
            0x2001    1       2300    102 a task (of two)
"""


def build():
    flags = "-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=all"
    subprocess.run(["make", "-s", "-C", ROOT / "tools/pvfault/stat", f"OUT={OUT}",
                    f"CFLAGS={flags}"], check=True)


class Tree:
    """A folder with what a kernel shows."""

    def __init__(self, folder):
        self.top = pathlib.Path(folder)
        (self.top / "sys/kernel").mkdir(parents=True)

    def write(self, name, text):
        path = self.top / "sys/kernel" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        new = self.top / "new"
        new.write_text(f"{text}\n" if not str(text).endswith("\n") else text)
        # At once, for somebody may be reading it.
        new.replace(path)

    def counters(self, **changed):
        for name, value in {**COUNTERS, **changed}.items():
            self.write(f"pvfault/counters/{name}", value)

    def histogram(self, rows):
        self.write("pvfault/waits/histogram", "".join(f"{a} {b} {c}\n" for a, b, c in rows))

    def active(self):
        """A kernel with a backend, two tasks asleep, that has measured some waits."""
        self.write("pvfault/backend", "kvm")
        self.write("pvfault/mode", "kernel")
        self.write("pvfault/outstanding", 2)
        self.counters()
        self.histogram(HISTOGRAM)
        self.write("pvfault/waits/user_us", 500000)
        self.write("pvfault/waits/kernel_us", 250000)
        self.write("pvfault/waits/longest_us", 30000)
        self.write("pvfault/waits/longest_recent_us", 28000)
        self.write("debug/pvfault/sleepers", SLEEPERS)
        return self

    def remove(self, name):
        path = self.top / "sys/kernel" / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="pvfault-stat-")
        self.addCleanup(folder.cleanup)
        self.tree = Tree(folder.name)
        self.folder = pathlib.Path(folder.name)

    def run_stat(self, *args, status=0):
        done = subprocess.run([STAT, "--root", self.tree.top, *map(str, args)], text=True,
                              capture_output=True, timeout=60, check=False)
        self.assertNotIn("Sanitizer", done.stderr)
        self.assertNotIn("runtime error", done.stderr)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if not status else done.stdout + done.stderr

    def json(self, *args, status=0):
        return json.loads(self.run_stat("--json", "--once", *args, status=status))


class Once(Case):
    def test_totals(self):
        self.tree.active()
        out = self.run_stat("--once")
        self.assertIn("backend kvm, mode kernel", out)
        self.assertIn("since boot: 110 waits (40 in the kernel), 15 refused, 0.8 s waited", out)
        self.assertIn("half of them <4ms, 99 of 100 <32ms, the longest 30ms", out)

    def test_sleepers_oldest_first(self):
        self.tree.active()
        out = self.run_stat("--once")
        self.assertEqual(re.findall(r"waits: pid (\d+) \((.*)\), (\d+) ms, token (\S+)", out),
                         [("102", "a task (of two)", "2300", "0x2001"),
                          ("101", "walker", "12", "0x1000")])

    def test_columns_by_name(self):
        """A kernel that lists more, in another order, is understood."""
        self.tree.active().write("debug/pvfault/sleepers",
                                 "pid  mode  age_ms  token comm\n 7 user 5 0xabc x y\n")
        self.assertIn("waits: pid 7 (x y), 5 ms, token 0xabc", self.run_stat("--once"))

    def test_no_kernel_support(self):
        out = self.run_stat("--once", status=1)
        self.assertIn("this kernel has no pvfault", out)

    def test_no_sysfs(self):
        self.tree.remove(".")
        self.assertIn("is it mounted", self.run_stat("--once", status=1))

    def test_no_backend(self):
        self.tree.active().write("pvfault/backend", "none: switched off by pvfault=off")
        out = self.run_stat("--once")
        self.assertIn("no backend: switched off by pvfault=off", out)

    def test_older_kernel(self):
        self.tree.active().remove("pvfault/waits")
        out = self.run_stat("--once")
        self.assertIn("doesn't measure how long tasks wait", out)
        self.assertIn("since boot: 110 waits (40 in the kernel)", out)

    def test_without_root(self):
        """What only root may read is left out, and that is said."""
        self.tree.active().remove("debug/pvfault/sleepers")
        self.assertIn("shown to root only", self.run_stat("--once"))

    def test_worries(self):
        for counter, level, word in (("retry", "alarm", "ended by their deadline"),
                                     ("probe", "alarm", "can't fetch"),
                                     ("repair", "worry", "more than a second"),
                                     ("overwritten", "worry", "overwritten")):
            with self.subTest(counter):
                self.tree.active().counters(**{"probe": 0, counter: 3})
                found = [w for w in self.json()["worries"] if word in w["text"]]
                self.assertEqual([w["level"] for w in found], [level])
                self.assertIn("3 ", found[0]["text"])
        self.tree.active().counters(probe=0)
        self.assertEqual(self.json()["worries"], [])
        self.tree.counters(rejected=300, not_present=500)
        self.assertIn("rejected", self.json()["worries"][0]["text"])
        self.tree.active().write("debug/pvfault/sleepers", SLEEPERS.replace("2300", "23000"))
        self.assertIn("waits for 23 s", self.json()["worries"][0]["text"])


class Json(Case):
    def test_once(self):
        self.tree.active()
        said = self.json()
        self.assertEqual(said["backend"], "kvm")
        self.assertEqual(said["counters"], COUNTERS)
        self.assertEqual(said["outstanding"], 2)
        self.assertEqual(said["waits"]["user_seconds"], 0.5)
        self.assertEqual(said["waits"]["longest_seconds"], 0.03)
        self.assertEqual([(b["less_than"], b["user"], b["kernel"])
                          for b in said["waits"]["histogram"]],
                         [(0.004, 50, 20), (0.008, 10, 10), (0.016, 9, 8), (0.032, 0, 2),
                          (None, 0, 0)])
        self.assertIsNone(said["interval"])
        self.assertEqual([s["pid"] for s in said["sleepers"]], [102, 101])

    def test_interval(self):
        """While it looks two waits begin, and one of 8 to 16 ms ends in the kernel."""
        self.tree.active()
        said = []
        with subprocess.Popen([STAT, "--root", self.tree.top, "--json", "0.1"],
                              stdout=subprocess.PIPE, text=True) as process:
            said.append(json.loads(process.stdout.readline())["interval"])
            self.tree.write("pvfault/waits/kernel_us", 262000)
            self.tree.histogram([(a, b, c + (a == 16000)) for a, b, c in HISTOGRAM])
            self.tree.counters(sleep=112, wake=108, retry=1)
            while not said[-1]["retries"]:
                said.append(json.loads(process.stdout.readline())["interval"])
            # The last counter to change may not be the last to be read.
            said.append(json.loads(process.stdout.readline())["interval"])
            process.kill()

        def total(rate):
            return sum(i[rate] * i["seconds"] for i in said)

        self.assertAlmostEqual(total("waits_per_second"), 2, delta=0.01)
        self.assertAlmostEqual(total("kernel_per_second"), 1, delta=0.01)
        self.assertAlmostEqual(total("waiting"), 0.012, delta=0.001)
        self.assertEqual([sum(i[what] for i in said) for what in ("retries", "repairs")], [1, 0])
        self.assertEqual([i["worst_less_than"] for i in said if i["p50_less_than"]], [0.016])

    def test_odd_characters(self):
        """A task may call itself anything."""
        self.tree.active().write("debug/pvfault/sleepers", "token cpu age_ms pid comm\n"
                                 '0x1 0 1 2 "\\\t\x1b\n')
        self.assertEqual(self.json()["sleepers"][0]["comm"], '"\\\t\x1b')

    def test_nothing(self):
        said = self.json(status=1)
        self.assertEqual(said["backend"], "")
        self.assertIn("no pvfault", said["problem"])
        self.assertIsNone(said["waits"])

    def test_rubbish(self):
        """Files that hold anything are no reason to crash."""
        self.tree.active()
        for name in ("waits/histogram", "waits/user_us", "counters/sleep", "outstanding"):
            for text in ("", "x", "-1", "9" * 400, "1 2\n3", "1 2 3 4\n" * 1000):
                self.tree.write(f"pvfault/{name}", text)
                self.json()
            self.tree.active()
        for text in ("", "a b c\n", "token token\n" + "z" * 9000, "pid\n" * 3000):
            self.tree.write("debug/pvfault/sleepers", text)
            self.json()


class Lines(Case):
    def test_lines(self):
        self.tree.active()
        out = self.run_stat("0.1", "3").splitlines()
        self.assertEqual(out[0].split(), ["asleep", "waits/s", "kernel/s", "refuse/s",
                                          "waiting", "p50", "p99", "worst", "retry", "repair"])
        self.assertEqual([line.split() for line in out[1:]],
                         [["2", "0.0", "0.0", "0.0", "0.00", "-", "-", "-", "0", "0"]] * 3)

    def test_aligned(self):
        self.tree.active()
        lines = self.run_stat("0.1", "1").splitlines()
        self.assertEqual(len({len(line) for line in lines}), 1, lines)

    def test_why_nothing(self):
        self.assertIn("no pvfault", self.run_stat("0.1", "1", status=1))

    def test_bad_arguments(self):
        for args in (("x",), ("0",), ("1", "0"), ("1", "x"), ("1", "2", "3"),
                     ("--top", "--json"), ("--nonsense",), ("nan",)):
            self.run_stat(*args, status=2)

    def test_help(self):
        self.assertIn("Usage", self.run_stat("--help"))


class Textfile(Case):
    LINE = re.compile(r'^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? (\d+(\.\d+)?)$')

    def metrics(self):
        path = self.folder / "pvfault.prom"
        self.run_stat("--textfile", path)
        self.assertEqual(path.stat().st_mode & 0o777, 0o644)
        self.assertEqual([p.name for p in self.folder.glob("pvfault.prom*")], [path.name])
        found, family = {}, None
        for line in path.read_text().splitlines():
            if line.startswith("# TYPE"):
                family = line.split()[2]
            elif not line.startswith("#"):
                self.assertRegex(line, self.LINE)
                self.assertTrue(line.startswith(family), line)
                name, value = line.rsplit(" ", 1)
                self.assertNotIn(name, found)
                found[name] = float(value)
        return found

    def test_all(self):
        self.tree.active()
        m = self.metrics()
        self.assertEqual(m["pvfault_active"], 1)
        self.assertEqual(m['pvfault_events_total{event="wake"}'], 107)
        self.assertEqual([m[f'pvfault_wait_seconds_bucket{{mode="user",le="{le}"}}'] for le in
                          ("0.004", "0.008", "0.016", "0.032", "+Inf")], [50, 60, 69, 69, 69])
        self.assertEqual(m['pvfault_wait_seconds_count{mode="kernel"}'], 40)
        self.assertEqual(m['pvfault_wait_seconds_sum{mode="kernel"}'], 0.25)
        self.assertEqual(m["pvfault_wait_longest_seconds"], 0.03)
        self.assertEqual(m["pvfault_wait_longest_recent_seconds"], 0.028)

    def test_nothing(self):
        m = self.metrics()
        self.assertEqual(m["pvfault_active"], 0)
        self.assertEqual([name for name in m if "events" in name], [])

    def test_no_folder(self):
        self.tree.active()
        self.run_stat("--textfile", self.folder / "none/x", status=1)


class Recent(Case):
    def test_read_by_the_collector_alone(self):
        """To read it begins its next period: the other forms leave it alone."""
        self.tree.active()
        path = self.folder / "sys/kernel/pvfault/waits/longest_recent_us"
        path.unlink()
        os.mkfifo(path)         # it would wait for ever
        self.run_stat("--once")
        self.json()
        self.run_stat("0.1", "1")


@unittest.skipUnless(shutil.which("tmux"), "needs tmux")
class Top(Case):
    def setUp(self):
        super().setUp()
        # Each its own: a server that is about to end takes no new session.
        self.server = f"pvfault-{os.getpid()}-{self.id().rpartition('.')[2]}"
        self.addCleanup(self.tmux, "kill-server")

    def tmux(self, *args):
        return subprocess.run(["tmux", "-f", "/dev/null", "-L", self.server, *map(str, args)],
                              text=True, capture_output=True, check=False).stdout

    def until(self, word, absent=False):
        """The screen once WORD is on it; or what there is after long waiting."""
        end = time.monotonic() + 60
        while time.monotonic() < end:
            screen = self.tmux("capture-pane", "-p", "-t", "s")
            if (word in screen) != absent:
                break
            time.sleep(0.1)
        return screen

    def start(self, columns=80, rows=24):
        log = self.folder / "log"
        self.tmux("new-session", "-d", "-s", "s", "-x", columns, "-y", rows,
                  f"{STAT} --root {self.tree.top} --top 0.2 2>{log}; echo ended $?; sleep 1000")

    def test_screen(self):
        self.tree.active()
        self.start()
        screen = self.until("q: end")
        self.assertIn("backend kvm, mode kernel", screen)
        self.assertRegex(screen, r"2 tasks wait now, .* longest wait since boot: 30ms")
        self.assertRegex(screen, r"<4ms +50 +20 +\d+ #{30}")
        self.assertRegex(screen, r"102 a task \(of two\) +2300 ms")
        self.assertLess(screen.index("a task"), screen.index("walker"))
        self.tree.counters(retry=9)
        self.assertIn("9 waits ended by their deadline", self.until("9 waits ended"))
        self.tmux("send-keys", "-t", "s", "q")
        self.assertIn("ended 0", self.until("ended 0"))

    def test_colour(self):
        """A wait of seconds stands out."""
        self.tree.active()
        self.start()
        self.until("a task")
        screen = self.tmux("capture-pane", "-p", "-e", "-t", "s")
        row = next(line for line in screen.splitlines() if "a task" in line)
        self.assertIn("\x1b[33m", re.sub(r"\x1b\[1;33m|\x1b\[1m\x1b\[33m", "\x1b[33m", row))

    def test_small_and_resized(self):
        self.tree.active()
        self.start(30, 8)
        self.assertIn("q: end", self.until("q: end"))
        self.tmux("resize-window", "-t", "s", "-x", 100, "-y", 40)
        self.assertIn("a task", self.until("a task"))
        self.tmux("send-keys", "-t", "s", "q")
        self.assertIn("ended 0", self.until("ended 0"))

    def test_no_backend_then_one(self):
        self.tree.active().write("pvfault/backend", "none: xen: waiting for a pager")
        self.start()
        self.assertIn("xen: waiting for a pager", self.until("waiting for a pager"))
        self.tree.write("pvfault/backend", "xen")
        self.assertIn("backend xen", self.until("backend xen"))

    def test_nothing(self):
        self.start()
        self.assertIn("no pvfault", self.until("no pvfault"))


class Manual(unittest.TestCase):
    def test_man_page_has_all_options(self):
        text = (ROOT / "tools/pvfault/stat/pvfault-stat.1").read_text().replace("\\-", "-")
        out = subprocess.run([STAT, "--help"], text=True, capture_output=True, check=True)
        options = re.findall(r"--[a-z-]+", out.stdout)
        self.assertGreater(len(options), 5)
        self.assertEqual([o for o in options if o not in text], [])


def main():
    build()
    suite = unittest.defaultTestLoader.loadTestsFromModule(sys.modules[__name__])
    result = unittest.TextTestRunner(verbosity=1).run(suite)
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
