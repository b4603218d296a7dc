# SPDX-License-Identifier: GPL-2.0
"""The KUnit suites, in a guest without a hypervisor's notifications."""

import re

import rig

# The KUnit suites in every kernel.
SUITES = ("pvfault_table", "pvfault_backend", "pvfault_random", "pvfault_where",
          "pvfault_waits", "pvfault_ahead", "pvfault_alloc", "pvfault_xen_ring",
          "pvfault_xen_ranges", "pvfault_kit_kvm", "pvfault_kit_xen", "pvfault_kit_sim",
          "pvfault_kit_skeleton")
WITHOUT_XEN = [name for name in SUITES if "_xen" not in name]
# A kernel of 32 bits has neither Xen's backend nor the conformance kit.
SUITES_32 = [name for name in WITHOUT_XEN if "_kit" not in name]

# Preemption models that one kernel can be booted with. With two of them the allocator
# clears no page, so pvfault must not write to it.
MODELS = ("preempt=none", "preempt=voluntary init_on_free=1", "preempt=full page_poison=1")
# Those of Linux 7.3 on x86.
NEWER_MODELS = ("preempt=lazy init_on_free=1", "preempt=full page_poison=1")


def one_boot(v, kernel, line, limit=480, cpu="max", cpus=2, suites=SUITES):
    """All SUITES of KERNEL, once."""
    label = line if cpu == "max" else f"{line} {cpu}"
    # With a movable zone, for what the Xen frontend offers.
    with rig.Boot(f"{v.name}-{label.partition('=')[2].replace(' ', '-')}",
                  rig.kernel(kernel), accel=("-accel", "tcg,thread=multi", "-cpu", cpu),
                  append=f"kunit.enable=1 kernelcore=512M {line}",
                  options=(*rig.smp(cpus), "-m", "1024")) as boot:
        for _ in boot.lines(limit):
            pass
        text = boot.text()
    found = re.findall(r"^\s*# (pvfault_\w+): pass:(\d+) fail:(\d+) skip:(\d+) "
                       r"total:(\d+)", text, re.M)
    v.check(f"{label}: every suite ran", {f[0] for f in found} >= set(suites),
            [f[0] for f in found])
    passed, failed, skipped, total = (sum(int(f[i]) for f in found)
                                      for i in range(1, 5))
    for result in re.findall(r"^\s{4}((?:not )?ok \d+ .*)$", text, re.M):
        good = result.startswith("ok")
        v.check(f"{label}: {result.split(' ', 2)[2] if good else result}", good)
    v.check(f"{label}: none failed, most ran", passed > 10 and not failed,
            f"{passed} passed, {failed} failed, {skipped} skipped of {total}")
    # There is no root file system on purpose, so the boot ends with a panic.
    text = text.split("Kernel panic - not syncing: VFS")[0]
    v.check(f"{label}: the console is clean", not rig.trouble(text),
            rig.trouble(text)[:3])
    v.metrics[label] = {"passed": passed, "failed": failed, "skipped": skipped}


def all_models(v, kernel="main", limit=480, models=MODELS):
    """With each of the preemption MODELS, and on a processor without SMAP, where another
    rule decides whether a task may sleep in kernel mode."""
    for model in models:
        one_boot(v, kernel, model, limit)
    one_boot(v, kernel, models[0].split()[0], limit, cpu="max,-smap")


# The mistakes of samples/pvfault/skeleton.c, in the order of its enum, and a case that
# each must turn red.
MUTANTS = {"claims more": "genuine", "cuts token": "tokens", "keeps slot": "tokens",
           "asks slot": "pending", "user only": "wake_kernel", "mixes kinds": "ready_fault",
           "is deaf": "early", "takes half": "burst", "keeps ring": "again",
           "misses all": "ready_all", "repairs not": "lost_interrupt",
           "stays on": "offline", "starts stale": "unregister", "insists": "online_fails",
           "trusts": "liar", "keeps mode": "mode"}
SKELETON = rig.ROOT / "samples/pvfault/skeleton.c"


def red_cases(number, limit=240):
    """The cases of the kit that are red, and all that ran, with the skeleton's mistake
    NUMBER. Cases that wait for what never comes give up soon."""
    with rig.Boot(f"mutant-{number}", rig.kernel(), accel=("-accel", "tcg,thread=multi",
                                                          "-cpu", "max"),
                  append="kunit.enable=1 kunit.filter_glob=pvfault_kit_skeleton preempt=full "
                  f"pvfault_test.wait_ms=1500 skeleton.mutant={number}",
                  options=(*rig.smp(2), "-m", "512")) as boot:
        for _ in boot.lines(limit):
            pass
        text = boot.text()
    found = re.findall(r"^\s{4}((?:not )?ok) \d+ pvfault_kit_(\w+)(?! # SKIP)", text, re.M)
    return {case for result, case in found if result == "not ok"}, {case for _, case in found}


def mutants(v):
    """The skeleton's mistakes, one after the other."""
    names = re.search(r"enum skel_mutant \{(.*?)\};", SKELETON.read_text(), re.S).group(1)
    names = [name.lower().replace("_", " ") for name in re.findall(r"SKEL_(\w+),", names)]
    v.check("the mistakes are those of the sample", names == ["right", *MUTANTS], names)
    seen, cases = set(), set()
    for number, (name, want) in enumerate(MUTANTS.items(), 1):
        red, ran = red_cases(number)
        v.check(f"\"{name}\" turns {want} red", want in red, sorted(red))
        seen |= red
        cases |= ran
    v.check("each case was turned red by one", cases and seen == cases, sorted(cases - seen))
    v.metrics["red"] = sorted(seen)
