#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run one end-to-end scenario: run.py NAME [--sabotage WHAT], or list them: run.py --list."""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rig"))
import rig  # noqa: E402
import registry  # noqa: E402


def main():
    scenarios = registry.load()
    if sys.argv[1:] == ["--list"]:
        print(*scenarios)
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=sorted(scenarios))
    parser.add_argument("--sabotage", default="", metavar="WHAT",
                        help="break something on purpose")
    args = parser.parse_args()
    verdict = rig.judge(args.scenario, scenarios[args.scenario].play, args.sabotage)
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    rig.program(main)
