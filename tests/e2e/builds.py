#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Checks of the other configurations' contents, and of their builds' messages."""

import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "rig"))
import rig  # noqa: E402

CONFIGS = ("main", "off", "bare", "debug")


def folder(config):
    return rig.BUILD / "pvfault" / f"out-{config}"


def calls_out_of_noinstr(config):
    """objtool's messages about them. It runs again here, because in a build that found nothing
    to do it says nothing."""
    out = folder(config)
    said = subprocess.run([out / "tools/objtool/objtool", "--hacks=jump_label",
                           "--hacks=noinstr", "--noinstr", "--link", "--dry-run",
                           out / "vmlinux.o"], capture_output=True, text=True,
                          check=False)
    return (said.stdout + said.stderr).splitlines()


def check_noinstr(v):
    """Only the debug kernel marks where noinstr code may call other code."""
    out = folder("debug")
    v.check("debug: its build looked for calls out of noinstr text",
            "CONFIG_NOINSTR_VALIDATION=y\n" in (out / ".config").read_text() and
            " --noinstr " in (out / ".vmlinux.o.cmd").read_text())
    found = calls_out_of_noinstr("debug")
    v.check("debug: there are none", not found, found[:3])
    found = [line for line in calls_out_of_noinstr("main") if "__pvfault_told" in line]
    v.check("main: without the marks pvfault's are found", found)


def symbols(config):
    text = (folder(config) / "System.map").read_text()
    return {line.split()[2] for line in text.splitlines()}


def main():
    v = rig.Verdict("builds")
    seen = {config: symbols(config) for config in CONFIGS}
    for config, want in (("main", True), ("off", False), ("bare", True), ("debug", True)):
        found = sorted(s for s in seen[config] if "pvfault" in s)
        v.check(f"{config}: contains {'the core' if want else 'none of pvfault'}",
                bool(found) == want, found[:5])
    v.check("bare: no KVM backend", not any("kvm_apf" in s for s in seen["bare"]))
    v.check("off: KVM guest support without async page faults",
            "kvm_guest_init" in seen["off"] and not seen["off"] &
            {"sysvec_kvm_asyncpf_interrupt", "kvm_async_pf_task_wait_schedule"})
    for config in CONFIGS:
        log = (folder(config) / "build.log").read_text()
        bad = re.findall(r".*(?:objtool: |pvfault/\S+: ?warning).*", log)
        bad = [line for line in bad if "tools/objtool" not in line]
        v.check(f"{config}: neither objtool nor the compiler complains", not bad, bad[:3])
    check_noinstr(v)
    v.write()
    return 0 if v.ok else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except FileNotFoundError as missing:
        sys.exit(f"{missing.filename} is missing; build it: "
                 "make kernel CONFIG=off, CONFIG=bare, CONFIG=debug")
