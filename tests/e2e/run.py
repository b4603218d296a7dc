#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Run one end-to-end scenario: run.py NAME [--sabotage WHAT], or list them: run.py --list."""

import argparse
import importlib
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "rig"))
import rig  # noqa: E402
import scenarios  # noqa: E402

# Each adds its own to scenarios.ALL.
for path in sorted(HERE.glob("scenarios_*.py")):
    importlib.import_module(path.stem)


def main():
    if sys.argv[1:] == ["--list"]:
        print(*scenarios.ALL)
        return 0
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scenario", choices=sorted(scenarios.ALL))
    parser.add_argument("--sabotage", default="", metavar="WHAT",
                        help="break something on purpose")
    args = parser.parse_args()
    verdict = rig.judge(args.scenario, scenarios.ALL[args.scenario], args.sabotage)
    return 0 if verdict.ok else 1


if __name__ == "__main__":
    rig.program(main)
