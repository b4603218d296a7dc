#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run one end-to-end scenario: run.py NAME [--sabotage WHAT]."""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rig"))
import rig  # noqa: E402
import scenarios  # noqa: E402


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=sorted(scenarios.ALL))
    parser.add_argument("--sabotage", default="", metavar="WHAT",
                        help="break something on purpose")
    args = parser.parse_args()
    try:
        verdict = scenarios.ALL[args.scenario](args.sabotage)
    except rig.Failure as failure:
        verdict = rig.Verdict(args.scenario)
        verdict.check(str(failure), False)
    verdict.write()
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\ninterrupted; run it again to start this scenario anew")
