#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Each message of the guest's kernel is in troubleshooting.rst, each counter in the ABI's
document, and nothing there that the kernel hasn't. So a rename is noticed."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "Documentation/virt/pvfault/troubleshooting.rst"
ABI = ROOT / "Documentation/ABI/testing/sysfs-kernel-pvfault"
EVENTS = ROOT / "arch/x86/kernel/pvfault/internal.h"
SOURCES = ("arch/x86/kernel/pvfault", "drivers/pvfault")

STRING = r'"(?:[^"\\]|\\.)*"'
# What prints, or is printed by "no backend: %s", and where in its arguments the text is.
CALL = re.compile(r"\b(pr_(?:warn|info|err|notice|crit)\w*|dev_(?:warn|info|err)|"
                  r"xenbus_dev_(?:error|fatal)|state_refuse|pvfault_unavailable)\("
                  r"((?:" + STRING + r"|[^;\"])*)\);")
WHY = re.compile(r"(?:pvfault_why =|_why_none\(void\)\n\{[^}]*?return) (" + STRING + ")")
FORMAT = re.compile(r"%#?l*[a-zA-Z]")


def texts(source):
    """All messages in the text of a C file, as formats."""
    prefix = re.search(r'#define pr_fmt\(fmt\) "(.*)" fmt', source)
    for name, arguments in CALL.findall(source):
        strings = re.findall(STRING, arguments)
        if name.startswith("pr_"):      # one, maybe in pieces
            yield (prefix.group(1) if prefix else "") + whole(arguments)
        elif name == "pvfault_unavailable":
            yield from (text[1:-1] for text in strings)
        else:
            yield from (text[1:-1].removesuffix("\\n") for text in strings
                        if text != '"%s"')
    for text in WHY.findall(source):
        yield text[1:-1]


def whole(arguments):
    pieces = re.match(r"\s*((?:" + STRING + r"\s*)+)", arguments)
    return "".join(s[1:-1] for s in re.findall(STRING, pieces.group(1))).removesuffix("\\n")


def pattern(text):
    """What a format prints, with N and X for what varies, as a regular expression."""
    return re.compile("[NX]".join(re.escape(part) for part in FORMAT.split(text)))


def said():
    """{format: the file that has it}"""
    return {text: path.relative_to(ROOT) for folder in SOURCES
            for path in sorted((ROOT / folder).rglob("*.c"))
            if "test" not in path.name and "kunit" not in path.parts and path.name != "sim.c"
            for text in texts(path.read_text())}


def listed():
    part = PAGE.read_text().split(".. The list begins.")[1].split(".. The list ends.")[0]
    return re.findall(r"^``(.*)``$", part, re.M)


def compare(messages, rows):
    """Complaints."""
    for text, path in messages.items():
        if not any(pattern(text).fullmatch(row) for row in rows):
            yield f"FAILED: not in {PAGE.name}: {path}: {text}"
    for row in rows:
        if not any(pattern(text).fullmatch(row) for text in messages):
            yield f"FAILED: in {PAGE.name}, but nothing says so: {row}"


def counters():
    """The names of those in the source, and in the ABI's document."""
    return (set(re.findall(r"^\tX\((\w+)\)", EVENTS.read_text(), re.M)),
            set(re.findall(r"/sys/kernel/pvfault/counters/(\w+)", ABI.read_text())))


def main():
    messages, rows = said(), listed()
    complaints = list(compare(messages, rows))
    # That it finds what is missing, on either side.
    blind = [text for text in messages if not list(compare({**messages, "new %d": ""}, rows)) or
             not list(compare({t: p for t, p in messages.items() if t != text}, rows))]
    complaints += [f"FAILED: would not be missed: {text}" for text in blind]
    there, promised = counters()
    complaints += [f"FAILED: {name}: in one of {EVENTS.name} and {ABI.name} only"
                   for name in sorted(there ^ promised)]
    print(*complaints, sep="\n")
    checked = len(messages) + len(rows) + len(there | promised)
    print(f"{checked - len(complaints)} passed, {len(complaints)} failed")
    return 1 if complaints or min(len(messages), len(there)) < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
