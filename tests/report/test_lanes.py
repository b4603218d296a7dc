#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""The report's lanes, from events that are made up; its page, well formed."""

import pathlib
import struct
import sys
import unittest
from xml.etree import ElementTree

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import xentrace  # noqa: E402
from lanes import (Lane, Span, clipped, held, merged, state_lane, task_lanes,  # noqa: E402
                   vcpu_lane)
from page import Run, html  # noqa: E402


class Vcpu(unittest.TestCase):
    def test_states(self):
        lane = vcpu_lane("v", [(0.0, ""), (1.0, "npf"), (1.1, ""), (2.0, "hlt"), (2.0001, ""),
                               (3.0, "npf"), (3.0001, ""), (4.0, "interrupt"), (4.5, ""),
                               (5.0, "hlt")])
        self.assertEqual(lane.spans, [
            Span(0, 1.0, "computing"), Span(1.0, 1.1, "stopped"), Span(1.1, 2.0, "computing"),
            Span(2.0, 2.0001, "idle"), Span(2.0001, 4.0, "computing"), Span(4.0, 4.5, "host"),
            Span(4.5, 5.0, "computing")])
        self.assertAlmostEqual(lane.seconds("stopped"), 0.1)

    def test_nothing(self):
        self.assertEqual(vcpu_lane("v", []).spans, [])


class Xen(unittest.TestCase):
    """A trace as xentrace(8) writes it."""
    @staticmethod
    def record(event, *data, ticks=None):
        head = event | len(data) << 28 | (ticks is not None) << 31
        return struct.pack("<I", head) + (b"" if ticks is None else struct.pack("<Q", ticks)) + \
            struct.pack(f"<{len(data)}I", *data)

    def trace(self):
        return b"".join((
            self.record(0x1f003, 0, 96),                        # "what follows is of CPU 0"
            self.record(0x21001 | 3 << 4, 5 << 16, ticks=100),  # running to paused
            self.record(0x21001 | 3 << 8 | 1 << 4, 5 << 16, ticks=300),
            self.record(0x21001 | 1 << 8, 5 << 16 | 1, ticks=250),
            self.record(0x21001 | 2 << 4, 0, ticks=320),        # dom0
            self.record(0x81002, 0x72, 0, 0, ticks=400),
            self.record(0x8200e, xentrace.MARK + 3, 0, 0, 0, 0, 0),
            self.record(0x8200e, 0x40000000, 0, 0, 0, 0, 0)))

    def test_read(self):
        self.assertEqual(xentrace.read(self.trace(), 5), (
            [(100, 0, "stopped"), (250, 1, "computing"), (300, 0, "host")], {3: 400}))

    def test_cut_off(self):
        whole = self.trace()
        for length in range(len(whole)):
            xentrace.read(whole[:length], 5)

    def test_offset(self):
        self.assertEqual(xentrace.offset({1: 1000, 2: 2000}, [
            (0, 1, 2), (1, 5100, 5300), (2, 6090, 6110)]), 4100)
        self.assertIsNone(xentrace.offset({}, [(0, 1, 2)]))

    def test_lane(self):
        self.assertEqual(state_lane("v", [(0, "computing"), (1, "host"), (1.0001, "computing"),
                                          (2, "stopped"), (3, "host"), (4, "idle")]).spans, [
            Span(0, 2, "computing"), Span(2, 3, "stopped"), Span(3, 4, "host")])


class Tasks(unittest.TestCase):
    def test_states(self):
        lanes = task_lanes({1: "a", 2: "b"}, [
            (0.0, 0, "R", 1), (1.0, 1, "D", 2), (2.0, 2, "R", 1), (3.0, 1, "S", 2),
            (4.0, 2, "D", 1), (5.0, 1, "D", 2)], [
                (1.0, 1, "sleep"), (2.0, 1, "wake"), (4.0, 2, "sleep"), (5.1, 2, "wake"),
                (5.1, 2, "sleep_kernel")])
        self.assertEqual(lanes[0].spans, [
            Span(0, 1.0, "running"), Span(1.0, 2.0, "waits"), Span(2.0, 3.0, "running"),
            Span(3.0, 4.0, "sleeps"), Span(4.0, 5.0, "running")])
        self.assertEqual(lanes[1].spans, [
            Span(1.0, 2.0, "running"), Span(2.0, 3.0, "ready"), Span(3.0, 4.0, "running"),
            Span(4.0, 5.0, "waits_kernel")])

    def test_held(self):
        lane = Lane("a", [Span(0, 4, "running"), Span(4, 5, "ready")])
        stops = Lane("v", [Span(1, 2, "stopped"), Span(3, 4.5, "stopped")])
        self.assertEqual(held(lane, [stops]).spans, [
            Span(0, 1, "running"), Span(1, 2, "held"), Span(2, 3, "running"),
            Span(3, 4, "held"), Span(4, 5, "ready")])

    def test_cut(self):
        self.assertEqual(clipped([Span(0, 1, "a"), Span(1, 3, "b"), Span(3, 4, "c")], 0.5, 2),
                         [Span(0.5, 1, "a"), Span(1, 2, "b")])
        self.assertEqual(merged([Span(0, 1, "a"), Span(1, 2, "a"), Span(2, 2, "b")]),
                         [Span(0, 2, "a")])


class Page(unittest.TestCase):
    def test_well_formed(self):
        run = Run("with <pvfault> & all", 1.0, 2.0, [Lane("vCPU 0", [Span(1, 2, "stopped")])],
                  [Lane('"x"', [Span(1, 1.5, "waits"), Span(1.5, 2, "held")])],
                  {"sleep": 3, "retry": 0}, [("4000", 2, 1), ("inf", 0, 1)], 0.5)
        text = html([run], "what & why")
        page = ElementTree.fromstring(text.replace("<!DOCTYPE html>", "").replace(
            '<meta charset="utf-8">', ""))
        classes = [r.get("class") for r in page.iter("rect")]
        self.assertEqual(classes, ["stopped", "waits", "held", "bar", "bar", "bar", "bar"])
        self.assertIn("100%", text)
        self.assertNotIn("retry", text)


if __name__ == "__main__":
    done = unittest.main(exit=False).result
    bad = len(done.failures) + len(done.errors)
    print(f"{done.testsRun - bad} passed, {bad} failed")
    sys.exit(bool(bad))
