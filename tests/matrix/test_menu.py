#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""What "make menuconfig" writes; without a terminal, by the kernel's olddefconfig."""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))

# The chosen options, and those that differ from the tests' kernel.
CHOICES = {
    "nothing": ("", ""),
    "what is there already": ("PVFAULT_XEN=y", ""),
    "a backend less": ("PVFAULT_XEN=n", "PVFAULT_XEN=n"),
}


def menu(text):
    """Run it with TEXT chosen. Return what it has written."""
    with tempfile.TemporaryDirectory() as folder:
        chosen = pathlib.Path(folder) / "menu.config"
        chosen.write_text("".join(f"CONFIG_{word}\n" for word in text.split()))
        subprocess.run([ROOT / "scripts/menuconfig.sh", "olddefconfig"], check=True,
                       stdout=subprocess.DEVNULL,
                       env={**os.environ, "MENU_CONFIG": str(chosen)})
        return {line.removeprefix("CONFIG_") for line in chosen.read_text().split()}


def check(what, ok, seen):
    print(f"  {'ok    ' if ok else 'FAILED'} {what}{'' if ok else f': {seen}'}", flush=True)
    return bool(ok)


def main():
    good = []
    for what, (text, want) in CHOICES.items():
        seen = menu(text)
        good.append(check(f"chosen: {what}", seen == set(want.split()), seen))
    off = {f"{line.removeprefix('CONFIG_').partition('=')[0]}=n"
           for line in (BUILD / "menu/before").read_text().split()
           if line.startswith("CONFIG_PVFAULT")}
    seen = menu("PVFAULT=n")
    good.append(check("chosen: all off, and what that hides", seen == off and len(off) > 4, seen))
    print(f"{good.count(True)} passed, {good.count(False)} failed")
    return 1 if False in good else 0


if __name__ == "__main__":
    sys.exit(main())
