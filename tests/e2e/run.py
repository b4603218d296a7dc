#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run end-to-end scenarios.

  run.py PATTERN [--sabotage WHAT] [--build]
                   those whose name matches, as "kvm-*" does; with --build, build first
                   what they boot
  run.py --list    name, minutes and text of each, and its sabotages
  run.py --table   bring the table in testing.rst up to date
"""

import argparse
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "rig")]
import rig  # noqa: E402
import catalogue  # noqa: E402
import registry  # noqa: E402
import steps  # noqa: E402


def several(found, sabotage, build):
    """A step each."""
    options = ("--sabotage", sabotage) if sabotage else ()
    plan = [steps.Step(f"{s.name} {sabotage}".strip(), (sys.executable, __file__, s.name,
                                                        *options), s.minutes, s.kernels)
            for s in found]
    return steps.run_all(steps.with_builds(plan) if build else plan,
                         steps.BUILD / "passed.json", resume=False)


def one(s, sabotage):
    began = time.monotonic()
    verdict = s.judge(sabotage)
    if not sabotage:
        steps.remember(s.name, time.monotonic() - began)
    return 0 if verdict.ok else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pattern", nargs="?", default="")
    parser.add_argument("--sabotage", default="", metavar="WHAT")
    parser.add_argument("--build", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    if args.list:
        print(catalogue.listing(registry.load().values()))
        return 0
    if args.table:
        catalogue.update(registry.load().values())
        return 0
    found = catalogue.chosen(args.pattern, args.sabotage)
    if args.build:
        steps.prepare(found[0].kernels if len(found) == 1 else ())
    return (one(found[0], args.sabotage) if len(found) == 1 else
            several(found, args.sabotage, args.build))


if __name__ == "__main__":
    rig.program(main)
