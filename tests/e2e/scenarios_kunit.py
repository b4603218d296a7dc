# SPDX-License-Identifier: GPL-2.0
"""The KUnit suites, and what the kernel says at boot."""

import re
import textwrap

import kunit
import rig
from kvm import KCSAN
from registry import scenario


@scenario(minutes=1.5, quick=True, name="kunit")
def kunit_main(v):
    """The KUnit suites with each preemption model."""
    kunit.all_models(v)


@scenario(kernels=("debug",), minutes=6)
def kunit_debug(v):
    """The KUnit suites with lockdep, raw-lock nesting, atomic-sleep, KASAN."""
    kunit.all_models(v, "debug", limit=600)


@scenario(kernels=("rt",), minutes=3)
def kunit_rt(v):
    """The KUnit suites in a kernel with PREEMPT_RT."""
    kunit.one_boot(v, "rt", "pvfault=on", limit=600)


@scenario(kernels=("kcsan",), minutes=3, sabotages={"race": "the console is clean"})
def kunit_kcsan(v, sabotage):
    """The KUnit suites with KCSAN. Sabotage "race": the tests themselves have one."""
    kunit.one_boot(v, "kcsan", f"preempt=full {KCSAN} test_random.race={int(bool(sabotage))}",
                   limit=600)


@scenario(kernels=("pvfault-6.1/main",), minutes=2, name="kunit-6.1")
def kunit_61(v):
    """The KUnit suites with Linux 6.1."""
    kunit.all_models(v, "pvfault-6.1/main")


@scenario(kernels=("pvfault-7.3/main",), minutes=2, name="kunit-7.3")
def kunit_73(v):
    """The KUnit suites with Linux 7.3."""
    kunit.all_models(v, "pvfault-7.3/main", models=kunit.NEWER_MODELS)


@scenario(kernels=("up",), minutes=1)
def kunit_up(v):
    """The KUnit suites in a kernel for one processor."""
    for model in kunit.MODELS:
        kunit.one_boot(v, "up", model, cpus=1, suites=kunit.WITHOUT_XEN)


@scenario(kernels=("i386", "i386-nopae"), minutes=1)
def kunit_i386(v):
    """The KUnit suites in kernels of 32 bits, with PAE and without."""
    for config, model in zip(("i386", "i386-nopae"), kunit.MODELS):
        kunit.one_boot(v, config, model, suites=kunit.SUITES_32)


@scenario(minutes=7)
def kit_mutants(v):
    """Each mistake that the sample backend can be told to make turns a case of the
    conformance kit red, and each case is turned red by one of them."""
    kunit.mutants(v)


RECIPE = rig.ROOT / "Documentation/virt/pvfault/backends.rst"


@scenario(minutes=1)
def sim_recipe(v):
    """The recipe of backends.rst, as it stands there: a process sleeps at memory that
    the simulated hypervisor withholds, is woken, repaired and retried."""
    script = RECIPE.read_text().split("code-block:: sh\n\n")[1].split("\n::\n")[0]
    initrd = rig.archive("recipe", {**rig.busybox(), "init": textwrap.dedent(script)})
    with rig.Boot("recipe", rig.kernel(), [initrd], append="",
                  options=("-m", "512")) as boot:
        for _ in boot.lines(180):
            pass
        text = boot.text().replace("\r", "")
    seen = {name: {k: int(n) for k, n in re.findall(r"(\w+):(\d+)", counts)} for name, counts
            in re.findall(r"^(first|woken|repaired|retried): (.*)$", text, re.M)}

    def more(what, of, than):
        return seen.get(of, {}).get(what, 0) - seen.get(than, {}).get(what, 0)

    v.check("all four runs ended", len(seen) == 4, seen)
    v.check("a process was seen asleep", re.search(r"^ +0x\w+ +\d+ +\d+ +\d+ \w+$", text, re.M))
    v.check("it was woken", more("wake", "woken", "first") > 0)
    v.check("lost interrupts were repaired", more("repair", "repaired", "woken") > 0 and
            not more("probe", "repaired", "woken"))
    # The first of them as a probe.
    v.check("lost READYs were retried", more("probe", "retried", "repaired") > 0)
    v.check("the backend was unregistered", "none: the last one was unregistered" in text)
    v.metrics.update(seen)


@scenario(minutes=0.5, quick=True)
def bad_parameters(v):
    """Boot parameters that make no sense are named, and the default is used; boot
    lines."""
    for name, line, want in (
            ("pvfault", "pvfault=maybe",
             "pvfault=maybe is none of on, off, user, kernel; using on"),
            ("deadline", "pvfault_deadline_ms=5",
             "pvfault_deadline_ms=5 is not in 1000..3600000, using 60000"),
            ("deadline-text", "pvfault_deadline_ms=soon", "pvfault_deadline_ms=soon is not"),
            ("off", "pvfault=off", "no backend: switched off by pvfault=off"),
            ("misspelt", "no-kvm-apf", 'Unknown kernel command line parameters "no-kvm-apf"'),
            ("none", "", "no backend: no supported hypervisor")):
        with rig.Boot(f"parameter-{name}", rig.kernel(), append=line,
                      options=("-m", "256")) as boot:
            for _ in boot.lines(60):
                pass
            text = boot.text()
        v.check(f"'{line}': \"{want}\", once", text.count(want) == 1, text.count(want))
