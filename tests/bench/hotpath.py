# SPDX-License-Identifier: GPL-2.0
"""hotpath: a minor page fault, in instructions, and the hook as it runs."""

import pathlib
import re
import time

import counted
import report
import rig
from kvm import L2

HERE = pathlib.Path(__file__).resolve().parent

# (name, tree, configuration), what people call it
KERNELS = {
    "stock": ("stock", "main", "stock kernel"),
    "off": ("pvfault", "off", "CONFIG_PVFAULT=n"),
    "on": ("pvfault", "main", "CONFIG_PVFAULT=y"),
}


# A touch without a fault, in a huge page for one, takes 7 instructions.
NO_FAULT = 100
# Which fault, its name in the table, and how many no-ops it may meet.
FAULTS = {"minor_fault": ("minor fault", 1), "write_fault": ("minor fault by a write", 2)}


def build():
    for tree, config, _ in KERNELS.values():
        rig.run(rig.ROOT / "scripts/kernel.sh", tree, config)


def address(tree, config, symbol):
    system_map = rig.BUILD / tree / f"out-{config}" / "System.map"
    return re.search(rf"^(\S+) \w {symbol}$", system_map.read_text(), re.M).group(1)


def instructions(boot, start, count=24):
    """Disassemble the running kernel's memory, patched as it is now."""
    text = boot.qmp("human-monitor-command",
                    **{"command-line": f"x /{count}i 0x{start}"})
    lines = []
    for line in text.splitlines():
        found = re.match(r"0x\S+:\s+(?:(?:[0-9a-f]{2} )+\s*)?(.*)", line.strip())
        if found:
            lines.append(re.sub(r"\s+", " ", found.group(1)))
    return lines


def measure(name):
    tree, config, _ = KERNELS[name]
    said, hooks = {}, {}
    with rig.Boot(f"hotpath-{name}", rig.kernel(f"{tree}/{config}"), [archive()],
                  append="",
                  options=("-m", "512", "-icount", "shift=0,sleep=off"),
                  accel=("-accel", "tcg", "-cpu", "max")) as boot:
        for line in boot.lines(240):
            key, _, value = line.partition(" ")
            if key == "look":
                boot.qmp("stop")
                hooks[value] = instructions(boot, address(tree, config, "exc_page_fault"))
                boot.qmp("cont")
            elif value:
                said[key] = int(value)
    if said.get("done") != 1:
        raise rig.Failure(f"the {name} kernel did not finish; see {boot.console}")
    return said, hooks


def archive():
    program = rig.guest_program("hotpath", HERE / "guest/hotpath.c", HERE / "guest/minor.c")
    return rig.archive("hotpath", {"proc": None, "sys": None, "dev": None, "tmp": None,
                                   "init": program})


def as_kvm_guests(v):
    """The same in guests of a KVM host, which may announce missing pages to them."""
    initrd = archive()

    def guest(kind, number):
        return counted.run(v, lambda: L2(f"{kind}{number}", "bench.look=0", mib=192, limit=240,
                                         kernel=rig.kernel(f"{kind}/main")),
                           memory="max", initrd=initrd)

    guests = [guest(kind, i) for i in range(2) for kind in ("stock", "pvfault")]
    for g in guests:
        v.check(f"{g.name}: ended", g.done)
    return {fault: {kind: [g.get(fault, 0) for g in guests if g.name.startswith(kind)]
                    for kind in ("stock", "pvfault")} for fault in FAULTS}


def columns(titles, rows):
    width = 42
    print("  " + "".join(t.ljust(width) for t in titles))
    for row in zip(*rows):
        print("  " + "".join(c[:width - 2].ljust(width) for c in row))
    print()


def hotpath(v):
    rig.say("three kernels, each booted twice under -icount, two of them also as guests of "
            "KVM: 3 minutes and, cold, 10 more for building them")
    build()
    began = time.monotonic()
    first, again, hooks = {}, {}, {}
    for name in KERNELS:
        first[name], hooks[name] = measure(name)
        again[name], _ = measure(name)
        for fault, (title, _) in FAULTS.items():
            v.check(f"{name}: {title}: the same figure in both runs",
                    first[name][fault] == again[name][fault],
                    f"{first[name][fault]} and {again[name][fault]} ticks")
        rig.say(f"{name} done after {time.monotonic() - began:.0f} s")
    kvm = as_kvm_guests(v)

    for fault, (title, _) in FAULTS.items():
        print(f"\n  A {title}, instructions (TSC ticks under -icount shift=0):")
        for name, (*_, label) in KERNELS.items():
            print(f"    {label:<40}{first[name][fault]:>8}")
        for kind, ticks in kvm[fault].items():
            print(f"    {kind + ', as a guest of KVM':<40}{report.median(ticks):>8.0f}")
    backend = first["on"].get("minor_fault_backend")
    if backend:
        print(f"    {'minor, with a backend (simulated)':<40}{backend:>8}")
    print("\n  exc_page_fault as it runs, no hypervisor:")
    columns(("With the hook:", "Without the hook:"),
            (hooks["on"]["hook"], hooks["off"]["hook"]))
    print("  ... and with the hook, patched at run time:")
    columns(("Running with a backend:", "Running without:"),
            (hooks["on"].get("hook_backend", []), hooks["on"]["hook"]))

    for fault, (title, noops) in FAULTS.items():
        rows = {n: [first[n][fault], again[n][fault]] for n in KERNELS}
        rows["pvfault"] = rows.pop("on")
        stock, off, ours = (first[n][fault] for n in KERNELS)
        v.check(f"{title}: there was one at each page",
                min(first[name][fault] for name in KERNELS) > NO_FAULT)
        report.note(v, f"{title}, no hypervisor", "instructions", True, "at most stock's",
                    ours <= stock, **rows)
        report.note(v, f"{title}, against PVFAULT=n", "instructions", True,
                    f"at most {noops} more", ours <= off + noops, off=rows["off"],
                    pvfault=rows["pvfault"])
        report.note(v, f"{title}, as a guest of KVM", "instructions", True, "at most stock's",
                    0 < report.median(kvm[fault]["pvfault"]) <=
                    report.median(kvm[fault]["stock"]), **kvm[fault])
        v.metrics[fault] = {"stock": stock, "off": off, "on": ours, "kvm": kvm[fault]}
    v.metrics.update(on_with_backend=backend, instructions={n: hooks[n] for n in KERNELS})
