# SPDX-License-Identifier: GPL-2.0
"""Xen scenarios: a PV dom0 that pages its PVH guests."""

import rig
from checks import check_guest
from guests import Guest, Plan, follow, guest_initrd

PAGEFILE_MIB = 1024
MACHINE_MIB = 2560
# One CPU, as for KVM. The features are those that TCG gets wrong: a return to
# ring 3 under SMAP, and the length of RDTSCP.
MACHINE = ("-accel", "tcg,thread=single", "-cpu", "max,-smap,-smep,-pku,-rdtscp")
XEN_LINE = ("com1=115200,8n1 console=com1 loglvl=info guest_loglvl=info "
            "dom0_mem=768M,max:768M dom0_max_vcpus=1 xsave=0")


# What makes an HVM guest of a PVH one. QEMU loads its kernel, by an option ROM.
HVM = ('type = "hvm"', 'device_model_version = "qemu-xen"',
       f'device_model_override = "{rig.HVM_QEMU}"',
       'firmware_override = "/boot/hvmloader"', 'bios = "seabios"',
       'bios_path_override = "/usr/share/qemu/bios-256k.bin"',
       'vga = "none"', "nographic = 1", "vnc = 0", "sdl = 0", "usb = 0")


class DomU(Guest):
    """A PVH guest; with PAGER, options of pvfault-pager, one that is paged, by
    LIVES pagers one after the other; EARLY, not only when it has filled its memory.
    AT_WALK is what dom0's shell is to do while the guest walks its memory; KILLS
    how many pagers it kills then after they have taken over, and half as many while
    they do, and SPOIL what it does to the page file after the first of these.
    AGAIN: the next pager begins when AT_WALK says so."""

    pager = None
    lives = 1
    early = False
    at_walk = ""
    kills = None
    spoil = ""
    again = False

    def script(self):
        options = " ".join(f"'{o}'" for o in self.options)
        return (f"{self.before}\npager='{self.pager or ''}' lives={self.lives} "
                f"early={'y' if self.early else ''} at_walk='{self.at_walk}'\n"
                f"kills={self.kills or ''} "
                f"spoil='{self.spoil}' again={'y' if self.again else ''}\n"
                f"domu {self.name} {self.limit} {self.vcpus} {self.mib} "
                f"'{self.line}' {options}\n")


def pager_program():
    """Build the pager for dom0."""
    out = rig.BUILD / "pager"
    rig.run("make", "-s", "-C", rig.ROOT / "tools/pvfault", f"OUT={out}")
    return out / "pvfault-pager"


def run_guests(folder, guests, reads=100, files=None, setup="", initrd=None,
               domu_kernel=None):
    """Boot Xen and dom0, let it run GUESTS one after the other, collect what
    they say. The disk of the page file gives READS reads a second while a guest
    walks its memory, and as many as it can else."""
    script = f"{setup}\n" + "".join(g.script() for g in guests)
    parts = [rig.dom0_root(pager_program()),
             *([rig.hvm_root()] if any(g.options == HVM for g in guests) else []),
             rig.archive(f"{folder}-domu", {
                 "scenario.sh": script, "domu-kernel": domu_kernel or rig.kernel(),
                 "domu-initrd": initrd or guest_initrd(), **(files or {})})]
    disk = rig.BUILD / "run" / folder / "pagefile"
    disk.parent.mkdir(parents=True, exist_ok=True)
    with open(disk, "wb") as f:
        f.truncate(PAGEFILE_MIB << 20)

    with rig.Boot(folder, rig.kernel(), parts, accel=MACHINE, xen=XEN_LINE,
                  guests=True,
                  options=("-m", str(MACHINE_MIB), "-drive",
                           "if=none,id=pagefile,format=raw,file=pagefile,cache=unsafe",
                           "-device", "virtio-blk-pci,drive=pagefile")) as boot:
        return follow(boot, guests, "pagefile", reads,
                      90 + sum(g.limit + 20 for g in guests))


def host(*guests, **how):
    """A boot of Xen with GUESTS, for a scenario to yield. HOW: as for run_guests()."""
    return Plan(run_guests, list(guests), how, {"reads": "reads"})


# 90 MiB of ZONE_MOVABLE, most of it for the load of 72. The guest keeps 190 MiB of
# 224 when it has filled its memory, so that some 30 of the load are out.
MIB = 224
LINE = "kernelcore=128M load.mb=72 load.settle=60"
PAGER = "--target 190"


def domu(name, line="", pager=PAGER, **more):
    guest = DomU(name, f"{LINE} {line}", **{"mib": MIB, "limit": 300, **more})
    guest.pager = pager
    return guest


def check_paged(v, guest, told=True):
    """What holds for every guest with a pager."""
    check_guest(v, guest, asynchronous=told)
    name = guest.name
    v.check(f"{name}: pages went out and came in",
            guest.get("pager.page_ins", 0) > 100, guest.get("pager.page_ins"))
    v.check(f"{name}: the pager ended well, without a bug of its own",
            guest.get("pager.pager_exit") == 0 and guest.get("pager.bugs") == 0,
            f"exit {guest.get('pager.pager_exit')}, {guest.get('pager.bugs')} bugs")


def held(guest):
    """Why vCPUs were held, as the pager counted."""
    prefix = "pager.held_"
    return {k.removeprefix(prefix): int(v) for k, v in guest.said.items()
            if k.startswith(prefix)}
