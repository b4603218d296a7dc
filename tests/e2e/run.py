#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run one end-to-end scenario: run.py NAME [--sabotage WHAT]."""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rig"))
import rig  # noqa: E402
import scenarios  # noqa: E402
import scenarios_xen  # noqa: E402,F401


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=sorted(scenarios.ALL))
    parser.add_argument("--sabotage", default="", metavar="WHAT",
                        help="break something on purpose")
    args = parser.parse_args()
    verdict = rig.judge(args.scenario, scenarios.ALL[args.scenario], args.sabotage)
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    rig.program(main)
