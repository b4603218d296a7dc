# SPDX-License-Identifier: GPL-2.0
"""KVM scenarios: L1 is a real KVM host that swaps its guest, L2."""

import itertools

import rig
from checks import READS, USUAL, check_guest
from guests import HERE, Guest, Plan, follow, guest_initrd

SWAP_MIB = 1024
L1_MIB = 1536
# One CPU: on two, QEMU 7.2's multi-threaded TCG loses its way in nested SVM.
# See Documentation/virt/pvfault/testing.rst.
L1_CPUS = 1

# One access in so many is watched by KCSAN; only pvfault's are.
KCSAN = "kcsan.skip_watch=20"


class L2(Guest):
    steps = ""          # of life.sh, for a guest that is more than booted
    initrd = None       # if not the one of this boot
    memory = None       # the limit of its group, if not the one of this boot
    # Does the host end a guest that it can't keep below the limit? Reclaim gives up
    # early in a small group that keeps touching all it has; else it's only slowed down.
    strict = True

    def script(self, memory):
        """What L1 is to do for it."""
        kernel, initrd = (f"/l2-{what}" + (f"-{self.name}" if own else "") for what, own
                          in (("kernel", self.kernel), ("initrd", self.initrd)))
        qemu = (f"{self.limit} {self.vcpus} {self.mib} '{self.line}' "
                f"{' '.join(self.options)}")
        run = (f'. /life.sh\n{self.before}\nvm() {{ qemu {qemu} "$@"; }}\n'
               f"life {self.name}\n{self.steps}\nlife_end" if self.steps else
               f"{self.before}\nl2 {self.name} {qemu}")
        limit = self.memory or memory
        return (f"echo {limit if self.strict else 'max'} >/cg/l2/memory.max\n"
                f"echo {'max' if self.strict else limit} >/cg/l2/memory.high\n"
                f"l2_kernel={kernel}\nl2_initrd={initrd}\n{run}\n")

    def files(self):
        own = {f"l2-kernel-{self.name}": self.kernel, f"l2-initrd-{self.name}": self.initrd}
        return {name: path for name, path in own.items() if path}


def life_files():
    return {"life.sh": HERE / "life.sh",
            "bin/relay": rig.guest_program("relay", HERE / "relay.c")}


def slow_disk(ms):
    """What L1's kernel has to be told to swap to its own memory, as if that were a disk
    that takes MS for each read, of which it does 64 at once."""
    return ("null_blk.memory_backed=1 null_blk.gb=1 null_blk.bs=4096 null_blk.irqmode=2 "
            f"null_blk.completion_nsec={ms * 1000000}")


def run_guests(folder, guests, memory="150M", reads=100, l1_kernel=None,
               l2_kernel=None, l1_line="", l1_setup="", initrd=None, icount=False):
    """Boot L1, let it run GUESTS one after the other, collect what they say.
    Its swap gives READS reads a second, 0: as many as it can. With ICOUNT the TSC counts
    instructions, as many a second. Return what is wrong on its console."""
    script = f"{l1_setup}\nswap_on\n" + "".join(g.script(memory) for g in guests)
    parts = [rig.l1_root(),
             rig.archive(f"{folder}-l2", {
                 "scenario.sh": script,
                 "l2-kernel": l2_kernel or rig.kernel(),
                 "l2-initrd": initrd or guest_initrd(), **life_files(),
                 **{k: v for g in guests for k, v in g.files().items()}})]
    swap = rig.BUILD / "run" / folder / "swap"
    swap.parent.mkdir(parents=True, exist_ok=True)
    with open(swap, "wb") as f:
        f.truncate(SWAP_MIB << 20)
    khz = 1000000 if icount else rig.tsc_khz()
    thread = "single" if icount else "multi"
    counting = ("-icount", "shift=0,sleep=off") if icount else ()
    with rig.Boot(folder, l1_kernel or rig.kernel(), parts,
                  append=f"tsc_early_khz={khz} tsc=reliable {l1_line}",
                  guests=True, accel=("-accel", f"tcg,thread={thread}", "-cpu", "max"),
                  options=(*rig.smp(L1_CPUS), "-m", str(L1_MIB), *counting,
                           "-drive", "if=none,id=swap,format=raw,file=swap,"
                           "cache=unsafe", "-device",
                           "virtio-blk-pci,drive=swap")) as boot:
        return follow(boot, guests, "swap", reads,
                      60 + sum(g.limit + 10 for g in guests))


def host(*guests, clean=True, **how):
    """A boot of L1 with GUESTS, for a scenario to yield. HOW: as for run_guests()."""
    return Plan(run_guests, list(guests), how,
                {"reads": "reads", "memory": "memory", "l2_kernel": "kernel",
                 "initrd": "initrd"}, host_clean=clean)


def usual_line(sabotage):
    """A guest's command line, with one of the usual sabotages if it is one."""
    if sabotage == "off":
        return "pvfault=off"
    return f"pvfault=on load.sabotage={sabotage}" if sabotage in USUAL else "pvfault=on"


def nested(v, kernel):
    """L2, with this KERNEL, runs guests of its own while L1 swaps the memory of all."""
    guest = L2("nested", "pvfault=on load.secs=15 load.alone=1 load.mb=128 "
               "load.tasks=2 load.guest=2")
    # QEMU 7.2 has no name for KVM_FEATURE_ASYNC_PF_VMEXIT, and passes on what
    # it can't name only to guests that can't migrate.
    guest.before = "cpu=$cpu,migratable=off"
    yield host(guest, memory="130M", reads=4 * READS, l2_kernel=kernel)
    check_guest(v, guest)
    check_nested(v, guest)
    v.check("nested: notifications came as #PF vmexits",
            guest.counter("deferred") > 0, guest.counter("deferred"))
    v.metrics.update(async_faults=guest.counter("sleep"),
                     by_vmexit=guest.counter("deferred"),
                     corrupt=guest.get("corrupt", -1))


def check_nested(v, guest):
    """It has run guests of its own."""
    v.check(f"{guest.name}: the guest's guests ran", guest.get("nested_walks", 0) > 0,
            guest.get("nested_walks"))
    v.check(f"{guest.name}: their memory verified", guest.get("nested_wrong") == 0,
            guest.get("nested_wrong"))


def told_turns(guest):
    """For each vCPU, on and off in turns, as it wrote MSR_KVM_ASYNC_PF_EN: its host
    has traced that, see trace_msr in life.sh."""
    vcpus = {}
    for written in guest.all("en_written"):
        thread, value = written.split()
        vcpus.setdefault(thread, []).append(int(value, 16) != 0)
    return [[on for on, _ in itertools.groupby(said)] for said in vcpus.values()]
