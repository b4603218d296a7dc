# SPDX-License-Identifier: GPL-2.0
"""The KUnit suites, and what the kernel says at boot."""

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
