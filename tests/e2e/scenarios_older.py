# SPDX-License-Identifier: GPL-2.0
"""Linux 6.1 as a guest, of a host and beside a dom0 that run 6.12."""

import rig
import scenarios_kernel
from kvm import L2
from scenarios import kunit_suites, nested, scenario
from scenarios_xen import domu

TREE = "pvfault-6.1"
LINE = f"pvfault=kernel {scenarios_kernel.LOAD} load.secs=15 load.alone=1"


def check_version(v, guest):
    v.check(f"{guest.name}: it is Linux 6.1", "Linux version 6.1." in guest.console)


@scenario("kunit-6.1")
def kunit_61(sabotage):
    return kunit_suites("kunit-6.1", "main", tree=TREE)


def check_l2(v, guest):
    check_version(v, guest)
    scenarios_kernel.check_l2(v, guest)


@scenario("kvm-6.1")
def kvm_61(sabotage):
    """In kernel mode, for which 6.1 has exception table entries of another type."""
    guest = L2("older", LINE, vcpus=2)
    return scenarios_kernel.alone("kvm-6.1", guest, check_l2,
                                  l2_kernel=rig.kernel("main", TREE))


@scenario("kvm-nested-6.1")
def kvm_nested_61(sabotage):
    """As a host of its own guests, where a patch of the series differs."""
    return nested("kvm-nested-6.1", rig.kernel("main", TREE))


def check_xen(v, guest):
    check_version(v, guest)
    scenarios_kernel.check_kernel(v, guest)


@scenario("xen-6.1")
def xen_61(sabotage):
    """2 vCPUs, in kernel mode; this emulated processor has no SMAP."""
    guest = domu("older", LINE, pager=scenarios_kernel.PAGER, vcpus=2)
    return scenarios_kernel.xen_alone("xen-6.1", guest, check_xen,
                                      domu_kernel=rig.kernel("main", TREE))
