# SPDX-License-Identifier: GPL-2.0
"""The scenarios for people: a list, the table in testing.rst, and which one is meant."""

import fnmatch
import pathlib
import sys
import textwrap

import registry

HERE = pathlib.Path(__file__).resolve().parent
TESTING = HERE.parents[1] / "docs/testing.rst"
BEGIN, END = ".. Made by \"tests/e2e/run.py --table\".\n", ".. The table's end.\n"
TEXT_WIDTH = 60         # of a line in the table's last column


def listing(scenarios):
    """All of them: what each is and needs, and its sabotages."""
    lines = []
    for s in sorted(scenarios, key=lambda s: s.name):
        lines += [f"{s.name}  ({s.minutes:g} min{', make test' if s.quick else ''}; "
                  f"boots {', '.join(s.kernels)})",
                  textwrap.indent(textwrap.fill(s.text, 88), "    "),
                  *(f"    SABOTAGE={what}: {red}" for what, red in s.known.items())]
    return "\n".join(lines)


def table(scenarios):
    """All of them for testing.rst."""
    scenarios = list(scenarios)
    width = max(len(s.name) for s in scenarios)
    rule = f"{'=' * width} {'=' * 3} {'=' * 4} {'=' * TEXT_WIDTH}\n"
    rows = [("scenario", "min", "test", ["what"])]
    for s in sorted(scenarios, key=lambda s: s.name):
        more = ", ".join(what for what in s.known if f'"{what}"' not in s.text)
        text = f"{s.text} Sabotages: {more}." if more else s.text
        rows.append((s.name, f"{s.minutes:g}", "yes" if s.quick else "",
                     textwrap.wrap(text, TEXT_WIDTH, break_on_hyphens=False)))
    lines = []
    for name, minutes, quick, (first, *more) in rows:
        lines.append(f"{name:<{width}} {minutes:<3} {quick:<4} {first}\n")
        lines += [f"{'':<{width + 9}} {line}\n" for line in more]
    return rule + lines[0] + rule + "".join(lines[1:]) + rule


def with_table(text, scenarios):
    """TEXT of testing.rst, its table up to date."""
    before, _, rest = text.partition(BEGIN)
    _, found, after = rest.partition(END)
    assert found, f"{TESTING} has no place for the table"
    return f"{before}{BEGIN}\n{table(scenarios)}\n{END}{after}"


def update(scenarios):
    TESTING.write_text(with_table(TESTING.read_text(), scenarios))


def chosen(pattern, sabotage):
    """The scenarios meant; or end with one sentence."""
    scenarios = registry.load()
    found = [s for name, s in scenarios.items() if fnmatch.fnmatch(name, pattern)]
    if not found:
        sys.exit(f"make e2e: there is no scenario '{pattern}'; make e2e-list names them"
                 if pattern else
                 "make e2e: which? SCENARIO=name or FILTER='kvm-*'; make e2e-list names them")
    for s in found:
        if sabotage and sabotage not in s.known:
            sys.exit(f"make e2e: {s.name} knows no SABOTAGE={sabotage}, but "
                     f"{', '.join(s.known) or 'none'}")
    return found
