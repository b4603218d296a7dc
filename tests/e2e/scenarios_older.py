# SPDX-License-Identifier: GPL-2.0
"""Linux 6.1 as a guest, of a host and beside a dom0 that run 6.12."""

import kvm
import rig
from kernelmode import LOAD, PAGER, check_kernel, check_l2, under_kvm, under_xen
from registry import scenario
from xen import domu

OLDER = "pvfault-6.1/main"
LINE = f"pvfault=kernel {LOAD} load.secs=15 load.alone=1"


def older(check):
    """CHECK, and that it is one."""
    def both(v, guest):
        v.check(f"{guest.name}: it is Linux 6.1", "Linux version 6.1." in guest.console)
        check(v, guest)
    return both


@scenario(kernels=("main", OLDER), minutes=2, name="kvm-6.1")
def kvm_61(v):
    """kvm-kernel with Linux 6.1 as the guest, which has exception table entries of another
    type."""
    yield from under_kvm(v, kvm.L2("older", LINE, vcpus=2), older(check_l2),
                         l2_kernel=rig.kernel(OLDER))


@scenario(kernels=("main", OLDER), minutes=2, name="kvm-nested-6.1")
def kvm_nested_61(v):
    """Linux 6.1 as a host of its own guests, where a patch of the series differs."""
    yield from kvm.nested(v, rig.kernel(OLDER))


@scenario(kernels=("main", OLDER, "xen"), minutes=2, name="xen-6.1")
def xen_61(v):
    """xen-kernel with Linux 6.1 as the guest, 2 vCPUs."""
    yield from under_xen(v, domu("older", LINE, pager=PAGER, vcpus=2), older(check_kernel),
                         domu_kernel=rig.kernel(OLDER))
