#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Tests of the rig itself, without a boot: how it reads what guests say, what follows from
the scenarios' declarations, and which failures count as the emulator's."""

import contextlib
import io
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import unittest
from unittest import mock

TESTS = pathlib.Path(__file__).resolve().parents[1]
E2E = TESTS / "e2e"
sys.path[:0] = [str(TESTS / "rig"), str(TESTS), str(E2E), str(TESTS.parent / "scripts"),
                str(TESTS / "bench")]
import agent  # noqa: E402
import catalogue  # noqa: E402
import guests  # noqa: E402
import hardware  # noqa: E402
import kvm  # noqa: E402
import plan as test_plan  # noqa: E402
import registry  # noqa: E402
import rig  # noqa: E402
import roundtrip  # noqa: E402
import steps  # noqa: E402
import words  # noqa: E402
import xen  # noqa: E402

SCENARIOS = registry.load()


# Lines that no console may show, as kernels print them.
BAD = """\
[  1.0] BUG: kernel NULL pointer dereference, address: 0000000000000000
WARNING: CPU: 0 PID: 1 at arch/x86/kernel/pvfault/table.c:77
Oops: 0000 [#1] PREEMPT SMP
Kernel panic - not syncing: Attempted to kill init!
traps: init[1] general protection fault
rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:
watchdog: BUG: soft lockup - CPU#0 stuck for 30s! [qemu-system-x86:84]
INFO: task pvload:77 blocked for more than 122 seconds.
WARNING: possible circular locking dependency detected
WARNING: inconsistent lock state
[ BUG: Invalid wait context ]
BUG: KASAN: slab-use-after-free in pvfault_ready+0x11/0x20
UBSAN: array-index-out-of-bounds in table.c:5
BUG: KCSAN: data-race in a / b
pvload[80]: segfault at 0 ip 0 sp 0 error 14
(XEN) domain_crash called from p2m-pt.c:700
(XEN) Panic on CPU 0:
(XEN) Xen BUG at mem_paging.c:30""".splitlines()

GOOD = """\
Linux version 6.12.1
Kernel command line: console=ttyS0 sysctl.kernel.hung_task_panic=1
pvfault: kvm: backend active
pvfault: kvm: pvload:80 waited 2004 ms for token 0x1001, retries
rcu: Hierarchical SRCU implementation.
debug: unmapping init memory""".splitlines()

TWICE = """\
BUG: ENTRY_TRAMPOLINE stack guard page was hit at 000000 (stack is 111111..222222)
stack guard page: 0000 [#1] PREEMPT SMP
CPU: 0 PID: 77 Comm: pvload Not tainted 6.12.1 #1
RIP: 0010:{at}
"""


class Reading(unittest.TestCase):
    """Results of guests, and consoles."""

    def test_trouble(self):
        for line in BAD:
            self.assertEqual(rig.trouble(f"ok\n  {line}\nok"), [line])
        self.assertEqual(rig.trouble("\n".join(GOOD)), [])

    def test_number(self):
        for text, want in (("7", 7.0), ("0.25", 0.25), ("-1", -1.0), ("x7", "x7"),
                           ("7 8", "7 8")):
            self.assertEqual(guests.number(text), want)

    def test_guest(self):
        guest = guests.Guest("a", "")
        self.assertFalse(guest.done)
        guest.said = {"done": 1.0, "counter.sleep": 12.0}
        guest.heard = [("tick", 1.0), ("x", 2.0), ("tick", 3.0)]
        self.assertTrue(guest.done)
        self.assertEqual((guest.counter("sleep"), guest.counter("wake")), (12, 0))
        self.assertEqual(guest.all("tick"), [1.0, 3.0])

    def test_agent(self):
        """Frames come in pieces, and of several jobs; lines in pieces, too."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            def say(*frames):
                data = b"".join(agent.HEADER.pack(job, what, len(text)) + text
                                for job, what, text in frames)
                theirs.sendall(data[:-3])
                host.listen(1)
                theirs.sendall(data[-3:])
                host.listen(1)

            theirs.sendall(agent.HEADER.pack(0, agent.END, 1) + b"0")
            host = agent.Host(mock.Mock(ports={"agent": (ours, None)}), 1)
            lines = []
            one, two = host.spawn("one", lines.append), host.spawn("two")
            say((1, agent.OUTPUT, b"a b\r\nc"), (2, agent.OUTPUT, b"x\n"),
                (1, agent.OUTPUT, b"d\n"), (2, agent.END, b"137"))
            self.assertEqual((lines, one.status), (["a b\r", "cd"], None))
            self.assertEqual((two.wait(1), two.output), (137, b"x\n"))
            theirs.sendall(agent.HEADER.pack(3, agent.START, 2) + b"77")
            self.assertRaises(rig.Failure, host.run, "silent", 0.01)
            self.assertIn(b"kill -9 -77", theirs.recv(4096))

    def test_tell(self):
        with tempfile.TemporaryDirectory() as folder:
            guest = guests.Guest("a", "")
            guest.disk, guest.reads, guest.host = "swap", 100, mock.Mock()
            guest.host.boot.results = pathlib.Path(folder) / "results"
            for line in ("phase walk\r", "corrupt 0", "told by nobody", "", "x", "done 1"):
                guest.hear(line)
        self.assertTrue(guest.done)
        self.assertEqual((guest.get("corrupt"), guest.get("x")), (0, None))
        self.assertEqual(guest.host.boot.qmp.call_args.kwargs["iops_rd"], 100)

    def test_verdict(self):
        v = rig.Verdict("x", quiet=True)
        self.assertFalse(v.ok)
        v.check("a", 1)
        self.assertTrue(v.ok)
        v.check("b", [])
        self.assertFalse(v.ok)

    def test_kernel(self):
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(rig, "BUILD", pathlib.Path(folder)):
            self.assertRaises(rig.Failure, rig.kernel)
            for name, where in (("main", "pvfault/out-main"),
                                ("stock/main", "stock/out-main")):
                image = rig.BUILD / where / "arch/x86/boot/bzImage"
                image.parent.mkdir(parents=True)
                image.touch()
                self.assertEqual(rig.kernel(name), image)


class Counting(unittest.TestCase):
    """The output of a step."""

    def test_counted(self):
        checks = "[10:00:00]   ok     a (1)\n[10:00:00]   FAILED b\n"
        for output, code, want in (
                (checks, 1, (1, 1)), (checks.replace("FAILED", "ok    "), 0, (2, 0)),
                (checks.replace("FAILED", "ok    "), 1, (2, 1)),
                ("3 passed, 1 failed\n7 passed, 0 failed\n", 0, (7, 0)),
                ("7 passed, 0 failed\n", 1, (7, 1)), ("", 0, (1, 0)), ("boom", 2, (0, 1)),
                (f"{checks}[10:00:01] {steps.EMULATOR}x\n[10:00:02]   ok     a\n", 0, (1, 0))):
            self.assertEqual(steps.counted(output, code), want, output)

    def test_red_lines(self):
        self.assertEqual(steps.red_lines("a\nFAILED b\nc"), ["FAILED b"])
        self.assertEqual(steps.red_lines("\n".join("abcdefg")), list("cdefg"))

    def test_summary(self):
        def step(emulator, red=0):
            return {"passed": 2, "failed": red, "red": ["r"], "emulator": emulator}
        with quiet() as said:
            self.assertEqual(steps.summary({"a": step([]), "b": step([], 1)}), (4, 1))
            self.assertEqual(steps.summary({"a": step(["x"]), "b": step([])}), (4, 0))
            self.assertIn("a: x", said.getvalue())
            self.assertEqual(steps.summary({"a": step(["x"]), "b": step(["x"])}), (4, 1))


class Emulator(unittest.TestCase):
    """Which messages count as its failure, and which never do."""

    OWN = ("KVM: entry failed, hardware error 0xffffffff", "KVM internal error. Suberror: 4")
    LOG = ("ERROR:../../accel/tcg/cpu-exec.c:954:cpu_exec: assertion failed: (cpu == 0)",
           "qemu: fatal: Bad clipping")

    def test_own(self):
        for line in self.OWN:
            self.assertEqual(rig.emulators_own(f"Linux\n{line}\nRAX=0"), line)
        for line in self.LOG:
            self.assertEqual(rig.emulators_own("Linux\n", f"**\n{line}\n"), line)
        console = TWICE.format(at="asm_sysvec_xen_hvm_callback+0x0/0x20")
        self.assertIn("ENTRY_TRAMPOLINE", rig.emulators_own(console))

    def test_not_own(self):
        """Messages that pvfault, or a kernel that lost its way, can cause."""
        own = self.OWN[0]
        for console in (*BAD, "KVM internal error. Suberror: 1",
                        "error: kvm run failed Bad address", "",
                        TWICE.format(at="asm_exc_page_fault+0x0/0x20"),
                        TWICE.format(at="asm_sysvec_xen_hvm_callback+0x7/0x20"),
                        TWICE.format(at="pvfault_enter+0x0/0x20"),
                        "pvfault: kvm: pvload:80 waited 2004 ms for token 0x1, retries"):
            self.assertEqual(rig.emulators_own(console), "", console)
        for before in BAD:
            self.assertEqual(rig.emulators_own(f"{before}\n{own}"), "", before)
            self.assertEqual(rig.emulators_own(before, self.LOG[0]), "", before)
        for short in ("Memory cgroup out of memory: Killed process 84 (qemu-system-x86)",
                      "oom-kill:constraint=CONSTRAINT_MEMCG", "Out of memory: Killed"):
            self.assertEqual(rig.emulators_own(f"{own}\n{short}"), "", short)
        for line in ("qemu: fatal: Trying to execute code outside RAM or ROM at 0xdead",
                     "qemu-system-x86_64: terminating on signal 15", *self.OWN):
            self.assertEqual(rig.emulators_own("", line), "", line)

    MAP = """\
ffffffff81000000 T _stext
ffffffff81100000 T ktime_get
ffffffff81200000 T pvfault_ready
ffffffff81300000 T native_queued_spin_lock_slowpath
ffffffff82000000 D timekeeper_lock
ffffffff82000040 D pvfault_buckets
"""

    def cpus(self, *cpus, stack="ffffc90000003d20"):
        return "".join(f"\nCPU#{i}\nRAX=0000000000000001 RDI={rdi} RSP={stack}\nRIP={rip} "
                       f"RFL={rfl} [-------] CPL=0 II=0 A20=1 SMM=0 HLT={hlt}\n"
                       for i, (rip, rdi, rfl, hlt) in enumerate(cpus))

    def test_ticks_in_itself(self):
        lock, off, on = "ffffffff82000000", "00000002", "00000246"
        waits = ("ffffffff81300010", lock, off, 0)
        reads = ("ffffffff81100010", "0000000000000000", off, 0)
        for cpus in ((waits,), (reads,), (waits, reads, reads)):
            self.assertTrue(rig.ticks_in_itself([self.cpus(*cpus)] * 3, self.MAP))
        for other in ((waits[0], "ffffffff82000040", off, 0),       # a lock of pvfault's
                      ("ffffffff81200010", lock, off, 0),           # in pvfault
                      (waits[0], lock, on, 0), (waits[0], lock, off, 1)):
            # Another CPU may have the lock.
            for cpus in ((other,), (waits, other), (reads, other)):
                self.assertEqual(rig.ticks_in_itself([self.cpus(*cpus)], self.MAP), "", cpus)
        # It moves.
        self.assertEqual(rig.ticks_in_itself([self.cpus(reads), self.cpus(
            reads, stack="ffffc90000003d28")], self.MAP), "")
        self.assertEqual(rig.ticks_in_itself([], self.MAP), "")

    def fault(self, red, said, emulator="x"):
        """RED: the checks that failed. SAID: of each guest, "abc", what it said."""
        v = rig.Verdict("v", quiet=True)
        for name in ("b: other", "fine"):
            v.check(name, True)
        for name in red:
            v.check(name, False)
        all_ = [guests.Guest(name, "") for name in said]
        for guest in all_:
            guest.said = said[guest.name]
            guest.heard = list(guest.said.items())
        return registry.emulators_fault(v, [guests.Plan(None, all_, {}, {},
                                                        emulator=emulator)])

    def test_fault(self):
        good, short, never = {"done": 1, "corrupt": 0}, {"phase": "walk"}, {}
        for red, said, want in (
                (["b: came to its end"], {"a": good, "b": short, "c": never}, "x"),
                (["b: came to its end", "c: async faults happened", registry.HOST_CLEAN],
                 {"a": good, "b": short, "c": never}, "x"),
                ([], {"a": good}, ""),                                      # all is well
                (["a: memory verified"], {"a": good, "b": short}, ""),      # one that ended
                (["lost tokens were retried"], {"a": good, "b": short}, ""),
                (["b: came to its end"], {"a": good, "b": {"corrupt": 3}}, ""),
                (["b: came to its end"], {"a": short, "b": short}, "")):
            self.assertEqual(self.fault(red, said), want, (red, said))
        self.assertEqual(self.fault(["b: came to its end"], {"b": short}, emulator=""), "")

    def test_once(self):
        """A scenario is repeated once, and the second result counts."""
        for outcomes, want in (((False, True), True), ((False, False), False)):
            verdicts = [mock.Mock(ok=ok) for ok in outcomes]
            with quiet() as said, mock.patch.object(rig, "judge", side_effect=verdicts), \
                    mock.patch.object(registry, "emulators_fault", return_value="boom"):
                self.assertEqual(SCENARIOS["kvm-smp"].judge().ok, want)
            self.assertIn(f"{steps.EMULATOR}boom", said.getvalue())


@contextlib.contextmanager
def no_boots():
    """Hosts and guests that say nothing. Yield a list of the boots that are asked for."""
    boots = []

    def boot(folder, all_, **how):
        names = [guest.name for guest in all_]
        assert len(names) == len(set(names)), names
        boots.append((folder, names, how))
        return []

    def plain(folder, *_, **how):
        """A boot without guests."""
        boots.append((folder, [], how))
        there = mock.MagicMock()
        there.__enter__.return_value.text.return_value = ""
        return there

    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "System.map").write_text("".join(
            f"{i:x} T __{what}_text_{end}\n" for i, (what, end) in enumerate(
                (what, end) for what in ("entry", "noinstr") for end in ("start", "end"))))
        image = pathlib.Path(folder) / "arch/x86/boot/bzImage"
        debian = pathlib.Path(folder) / "debian/small"
        debian.mkdir(parents=True)
        for name in ("disk", "vmlinuz-pvfault", "initrd-pvfault"):
            (debian / name).touch()
        with mock.patch.multiple(rig, kernel=lambda name="main": image, Boot=plain,
                                 archive=lambda *_: "cpio", guest_program=lambda *_, **how: "init",
                                 with_libraries=lambda *_: {}, run=lambda *_, **__: None,
                                 BUILD=pathlib.Path(folder)), \
                mock.patch.object(hardware, "Host", side_effect=rig.Failure("not up")), \
                mock.patch.object(kvm, "run_guests", boot), \
                mock.patch.object(xen, "run_guests", boot):
            yield boots


def quiet():
    return contextlib.redirect_stdout(io.StringIO())


class Kinds(unittest.TestCase):
    def test_attributes(self):
        """A kind of guests has no method by the name of an attribute of all guests."""
        self.assertIn(roundtrip.Traced, kvm.L2.__subclasses__())
        for kind in kvm.L2.__subclasses__() + xen.DomU.__subclasses__():
            for base in kind.__mro__[1:]:
                for name in set(vars(kind)) & set(vars(base)):
                    self.assertEqual(callable(vars(kind)[name]), callable(vars(base)[name]),
                                     f"{kind.__module__}: {name}")


class Scenarios(unittest.TestCase):
    """Everything that follows from their declarations."""

    def test_declared(self):
        for s in SCENARIOS.values():
            self.assertLessEqual(set(s.kernels), set(steps.BUILDS), s.name)
            self.assertEqual("xen" in s.kernels, s.name.startswith("xen-"), s.name)
            self.assertGreater(s.minutes, 0, s.name)
            if s.shown_by:
                self.assertIn(s.shown_by, SCENARIOS)
                self.assertTrue(s.sabotages, s.name)

    def test_each(self):
        """Each scenario runs with each of its sabotages, and has the check that this must
        turn red. If the guests say nothing, the check is red."""
        for s in SCENARIOS.values():
            for what, red in {"": "", **s.known}.items():
                with self.subTest(s.name, sabotage=what), no_boots() as boots, quiet():
                    v = rig.Verdict(s.name, quiet=True)
                    s.play(v, what, [])
                    self.assertTrue(boots)
                    self.assertFalse(v.ok)
                    if red:
                        names = [c["name"] for c in v.checks]
                        self.assertTrue(any(
                            text.startswith(red) for name in names
                            for text in (name, name.partition(": ")[2])), (red, names))

    def test_groups(self):
        """A scenario *-sabotage boots each declared sabotage once, in one boot, or alone, and
        is red because none of these guests has said anything."""
        for group in {s.shown_by for s in SCENARIOS.values()} - {""}:
            with no_boots() as boots, quiet():
                v = rig.Verdict(group, quiet=True)
                SCENARIOS[group].play(v, "", [])
            shown = [c for c in v.checks if c["name"].startswith("sabotage turns red")]
            want = [[(what, s.alone) for s in SCENARIOS.values() if s.shown_by == group
                     for what in s.sabotages if s.alone == alone] for alone in (False, True)]
            self.assertEqual(len(boots), bool(want[0]) + len(want[1]))
            want = want[0] + want[1]
            self.assertEqual(len(shown), len(want))
            self.assertEqual([name.rpartition("-" + what)[1] for name, (what, _) in
                              zip((name for boot in boots for name in boot[1]), want)],
                             ["-" + what for what, _ in want])
            self.assertFalse(any(c["pass"] for c in shown))

    def test_group_needs(self):
        for s in SCENARIOS.values():
            if s.shown_by:
                self.assertLessEqual(set(s.kernels), set(SCENARIOS[s.shown_by].kernels))

    def test_turned_red(self):
        v = rig.Verdict("x", quiet=True)
        v.check("a: memory verified", False)
        v.check("b: came to its end", True)
        v.check("overlap", False)
        for want, red in (("memory verified", True), ("a: memory", True), ("overlap", True),
                          ("came to its end", False), ("verified", False)):
            self.assertEqual(registry.turned_red(v, want), red, want)

    def test_refused(self):
        v = rig.Verdict("kvm-smp", quiet=True)
        self.assertRaisesRegex(rig.Failure, "knows no sabotage 'flip'",
                               SCENARIOS["kvm-smp"].play, v, "flip", [])
        chosen = catalogue.chosen
        for pattern, sabotage in (("typo", ""), ("", ""), ("kvm-smp", "flip"),
                                  ("kvm-*", "flip")):
            self.assertRaises(SystemExit, chosen, pattern, sabotage)
        self.assertEqual([s.name for s in chosen("kvm-swap", "flip")], ["kvm-swap"])
        self.assertGreater(len(chosen("xen-*", "")), 10)

    def test_wrong_declarations(self):
        def no_text(_):
            pass

        def text(_):
            """It has one."""

        for function, more in ((no_text, {}), (text, {"name": "kunit"}),
                               (text, {"sabotages": {"a": "b"}})):
            with mock.patch.dict(registry.ALL):
                self.assertRaises(TypeError, registry.scenario(minutes=1, **more), function)

    def test_together(self):
        a, b = kvm.L2("a", ""), kvm.L2("b", "")
        a.memory = "1M"
        plan = guests.together([kvm.host(a, reads=1, memory="2M", l1_kernel="x"),
                                kvm.host(b, reads=1, memory="3M")])
        self.assertEqual(plan.how, {"reads": 1, "l1_kernel": "x"})
        self.assertEqual([g.memory for g in plan.guests], ["1M", "3M"])

    def test_libraries(self):
        """To import one registers nothing, and no scenario is imported by another file."""
        files = sorted(E2E.glob("*.py"))
        libraries = [f.stem for f in files if not f.stem.startswith("scenarios_")
                     and f.stem not in ("run", "demo", "builds")]
        code = (f"import sys; sys.path[:0] = {[str(TESTS), str(TESTS / 'rig'), str(E2E)]}; "
                f"import {', '.join(libraries)}; assert not registry.ALL")
        subprocess.run([sys.executable, "-c", code], check=True)
        for path in (*TESTS.glob("*.py"), *TESTS.glob("*/*.py")):
            self.assertNotRegex(path.read_text(), r"(?m)^\s*(from|import) scenarios_", path)


class Plans(unittest.TestCase):
    """Which steps run, and in which order."""

    def test_everything(self):
        plan = test_plan.everything()
        names = [step.name for step in plan]
        self.assertEqual(len(names), len(set(names)))
        self.assertLessEqual(set(SCENARIOS), set(names))
        self.assertEqual([s.name for s in plan if s.quick],
                         names[:sum(s.quick for s in plan)])
        built = [s.name for s in steps.with_builds(plan)]
        for step in plan:
            for name in step.builds:
                self.assertLess(built.index(steps.build(name).name), built.index(step.name))
        self.assertEqual(len(built), len(set(built)))
        self.assertEqual(len(built), len(plan) + len(steps.BUILDS))

    def test_builds(self):
        """scripts/kernel.sh knows all of them, and rejects any other."""
        for command, want in [(steps.build(name).command, 0) for name in steps.BUILDS
                              if name != "xen"] + [
                                  (("scripts/kernel.sh", "pvfault", "typo"), 1),
                                  (("scripts/kernel.sh", "typo", "main"), 1)]:
            done = subprocess.run([*command, "check"], cwd=steps.ROOT, capture_output=True,
                                  check=False)
            self.assertEqual(done.returncode, want, command)

    def test_slice(self):
        plan = [steps.Step("old", (), 5), steps.Step("new", (), 5), steps.Step("never", (), 5),
                steps.Step("long", (), 90), steps.Step("built", (), 5, ("main",))]
        known = {"old": {"last": 10, "seconds": 60}, "new": {"last": 20, "seconds": 60},
                 "long": {"last": 5, "seconds": 5000}, "built": {"last": 15, "seconds": 60}}
        for minutes, there, want in ((5, True, ["never"]), (6, True, ["old", "never"]),
                                     (7.5, True, ["old", "never", "built"]),
                                     (8.5, True, ["old", "new", "never", "built"]),
                                     (7.5, False, ["old", "new", "never"]),
                                     (0.5, True, [])):
            with quiet():
                found = test_plan.slice_of(minutes, plan, known, lambda _, there=there: there)
            self.assertEqual([step.name for step in found], want, minutes)

    def test_history(self):
        with tempfile.TemporaryDirectory() as folder, \
                mock.patch.object(steps, "HISTORY", pathlib.Path(folder, "a/history.json")):
            step = steps.Step("x", ("echo", "ok"), 2)
            self.assertEqual(step.seconds, 120)
            with quiet():
                self.assertEqual(steps.run_step(step)["passed"], 1)
            self.assertLess(step.seconds, 60)
            self.assertGreater(steps.history()["x"]["last"], 1e9)


class Texts(unittest.TestCase):
    """Tables, lists and words that people read."""

    def test_table(self):
        text = catalogue.TESTING.read_text()
        self.assertEqual(text, catalogue.with_table(text, SCENARIOS.values()),
                         "run tests/e2e/run.py --table")

    def test_listing(self):
        text = catalogue.listing(SCENARIOS.values())
        for s in SCENARIOS.values():
            self.assertIn(f"\n{s.name}  (", f"\n{text}")
        self.assertIn("SABOTAGE=flip: memory verified", text)

    def test_makefile(self):
        names = re.findall(r"[\w.-]+", (TESTS.parent / "Makefile").read_text())
        self.assertEqual(set(names) & set(SCENARIOS), {"kunit"})

    def test_files_named(self):
        """Documents name pages and programs that are there, or that a kernel has."""
        there = {pathlib.Path(name).name for name, _ in words.ours()} | {"words.py", "msr.rst"}
        for name, text in words.ours():
            if name.endswith((".rst", ".md")):
                named = set(re.findall(r"\b([\w-]+\.(?:rst|md|py|sh|pml))\b", text))
                self.assertFalse(named - there, name)

    def test_words(self):
        hiding = "The one W waits\nWever it is\ntells Wm?\nas a Wle\n".replace("W", "wh" + "o")
        self.assertEqual([n for n, _ in words.lines_that_hide(hiding)], [1, 2, 3])
        self.assertEqual(words.comments(pathlib.Path("a.c"), "f(1); /* one */ g(); // two\n"),
                         "/* one */\n// two")
        self.assertEqual(words.comments(pathlib.Path("a.py"), '"""One."""\nx = "no"  # two\n'),
                         '"""One."""\n# two')


if __name__ == "__main__":
    program = unittest.main(exit=False, verbosity=0)
    failed = len(program.result.failures) + len(program.result.errors)
    print(f"{program.result.testsRun - failed} passed, {failed} failed")
    sys.exit(bool(failed))
