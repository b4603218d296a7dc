# SPDX-License-Identifier: GPL-2.0
"""The configurations that are built: what each has beside, or instead of, BASE."""

import dataclasses
from collections.abc import Iterable, Mapping

# A small guest kernel, on top of tinyconfig.
BASE = """
64BIT=y SMP=y PRINTK=y BUG=y EXPERT=y MULTIUSER=y FUTEX=y SYSFS=y PROC_FS=y DEBUG_FS=y
PCI=y X86_LOCAL_APIC=y X86_X2APIC=y JUMP_LABEL=y KALLSYMS=y MODULES=y UNWINDER_ORC=y
HYPERVISOR_GUEST=y PARAVIRT=y KVM_GUEST=y CPU_SUP_AMD=y CPU_SUP_INTEL=y
DEBUG_KERNEL=y PM=y PVFAULT=y PVFAULT_KVM=y PVFAULT_SIM=y
"""
KUNIT = "KUNIT=y PVFAULT_KUNIT_TEST=y"
XEN = "XEN=y XEN_PVH=y XEN_PVHVM_GUEST=y ACPI=y PVFAULT_XEN=y"
X32 = "64BIT=n X86_32=y UNWINDER_ORC=n X86_X2APIC=n"
HOST = "VIRTUALIZATION=y HIGH_RES_TIMERS=y"

# Files of the kernel that a change of ours can break, if the configuration has them.
OBJECTS = ("arch/x86/kernel/pvfault/", "drivers/pvfault/", "arch/x86/mm/fault.o",
           "mm/page_alloc.o", "mm/filemap.o", "mm/memory.o")

VERSIONS = ("6.12", "7.3", "6.1")


@dataclasses.dataclass(frozen=True)
class Case:
    """One configuration of one version."""

    name: str
    version: str
    options: Mapping[str, str]
    linked: bool = False
    arch: str = "x86_64"
    how: tuple[str, ...] = ()       # for make
    seed: int = 0                   # of a randconfig; then OPTIONS are what it must have
    gone: tuple[str, ...] = ()      # OPTIONS that this kernel can't have, as intended

    @property
    def title(self) -> str:
        return f"{self.version} {self.name}"


def parsed(text: str) -> dict[str, str]:
    return dict(word.split("=", 1) for word in text.split())


def case(name: str, text: str = "", versions: Iterable[str] = ("6.12",),
         linked: Iterable[str] = (), **more) -> list[Case]:
    """One for each of VERSIONS; all of it is LINKED with these."""
    return [Case(name, version, parsed(f"{BASE} {text}"), linked=version in linked, **more)
            for version in versions]


def random(seed: int, version: str) -> Case:
    """Options drawn from SEED. Fixed are those that pvfault needs, and those that would take
    minutes, or tools of their own, to build."""
    must = parsed("HYPERVISOR_GUEST=y PARAVIRT=y X86_LOCAL_APIC=y KVM_GUEST=y PVFAULT=y "
                  "WERROR=n COMPILE_TEST=n DEBUG_INFO_NONE=y DEBUG_INFO=n GCC_PLUGINS=n "
                  "MODULE_SIG=n SYSTEM_TRUSTED_KEYRING=n DEBUG_INFO_BTF=n RUST=n "
                  "X86_DECODER_SELFTEST=n")
    return Case(f"random {seed}", version, must, seed=seed)


CLANG = ("LLVM=1",)

BOTH = ("6.12", "7.3")

CASES = [
    # One processor, 32 bit.
    *case("one CPU", f"SMP=n {KUNIT}", VERSIONS, linked=BOTH),
    *case("i386", f"{X32} {KUNIT}", BOTH, linked=("6.12",), arch="i386"),
    *case("i386 one CPU", f"{X32} SMP=n X86_UP_APIC=y X86_UP_IOAPIC=y {KUNIT}", BOTH,
          linked=("6.12",), arch="i386"),
    *case("i386 PAE", f"{X32} HIGHMEM64G=y {KUNIT}", linked=("6.12",), arch="i386"),
    # Preemption.
    *case("preempt none", f"PREEMPT_NONE=y PREEMPT_DYNAMIC=n {KUNIT}", linked=("6.12",)),
    *case("preempt voluntary", f"PREEMPT_VOLUNTARY=y PREEMPT_DYNAMIC=n {KUNIT}"),
    *case("preempt full", f"PREEMPT=y PREEMPT_DYNAMIC=n {KUNIT}", BOTH),
    *case("preempt lazy", f"PREEMPT_LAZY=y PREEMPT_DYNAMIC=n {KUNIT}", ("7.3",),
          linked=("7.3",)),
    *case("preempt dynamic", f"PREEMPT=y PREEMPT_DYNAMIC=y {KUNIT}", VERSIONS),
    *case("preempt RT", f"PREEMPT_RT=y {KUNIT}", BOTH, linked=("6.12",)),
    # Backends, hosts.
    *case("no backend", f"KVM_GUEST=n PVFAULT_KVM=n {KUNIT}", BOTH, linked=("6.12",)),
    *case("KVM without the backend", f"PVFAULT_KVM=n {KUNIT}", BOTH, linked=("6.12",)),
    *case("PVFAULT off", "PVFAULT=n PVFAULT_KVM=n PVFAULT_SIM=n", VERSIONS, linked=("6.12",)),
    *case("Xen alone", f"{XEN} KVM_GUEST=n PVFAULT_KVM=n {KUNIT}", VERSIONS, linked=BOTH),
    *case("Xen and KVM", f"{XEN} {KUNIT}", BOTH),
    *case("host AMD", f"{HOST} KVM=y KVM_AMD=y KVM_GUEST=n PVFAULT_KVM=n PVFAULT_SIM=n", BOTH,
          linked=("6.12",)),
    *case("host Intel", f"{HOST} KVM=y KVM_INTEL=y", BOTH, linked=("7.3",)),
    *case("host as modules", f"{HOST} KVM=m KVM_AMD=m KVM_INTEL=m", BOTH, linked=BOTH),
    *case("host as modules, PVFAULT off",
          f"{HOST} KVM=m KVM_AMD=m PVFAULT=n PVFAULT_KVM=n PVFAULT_SIM=n"),
    # Tests.
    *case("KUNIT as a module", "KUNIT=m", BOTH),
    *case("KUNIT, all tests", "KUNIT=y KUNIT_ALL_TESTS=y PVFAULT_KUNIT_TEST=y"),
    # Things that a kernel can do without.
    *case("no KALLSYMS", f"KALLSYMS=n {KUNIT}", VERSIONS, linked=("6.12",)),
    *case("no JUMP_LABEL", f"JUMP_LABEL=n {KUNIT}", BOTH, linked=("6.12",)),
    *case("no MODULES", "MODULES=n"),
    *case("no PM", "PM=n SUSPEND=n"),
    *case("suspend", "SUSPEND=y HIBERNATION=y SWAP=y BLOCK=y SHMEM=y"),
    *case("kexec", "KEXEC=y CRASH_DUMP=y", BOTH),
    *case("no SYSFS", "SYSFS=n"),
    *case("no DEBUG_FS", "DEBUG_FS=n PVFAULT_SIM=n"),
    *case("no PROC_FS", "PROC_FS=n"),
    *case("no PRINTK", "PRINTK=n"),
    *case("memory hotplug", "MEMORY_HOTPLUG=y MEMORY_HOTREMOVE=y MIGRATION=y SPARSEMEM=y"),
    *case("tracing", f"FTRACE=y ENABLE_DEFAULT_TRACERS=y {KUNIT}", BOTH),
    # Allocators and checkers.
    *case("init_on_alloc", "INIT_ON_ALLOC_DEFAULT_ON=y INIT_ON_FREE_DEFAULT_ON=y"),
    *case("DEBUG_PAGEALLOC", f"DEBUG_PAGEALLOC=y PAGE_POISONING=y {KUNIT}", BOTH),
    *case("KFENCE", "KFENCE=y STACKTRACE=y"),
    *case("KASAN", f"KASAN=y {KUNIT}"),
    *case("UBSAN", "UBSAN=y UBSAN_BOUNDS=y"),
    *case("lockdep", f"PROVE_LOCKING=y PROVE_RAW_LOCK_NESTING=y DEBUG_ATOMIC_SLEEP=y {KUNIT}",
          BOTH),
    *case("noinstr", "NOINSTR_VALIDATION=y DEBUG_ENTRY=y UNWINDER_ORC=y"),
    # Machines.
    *case("NUMA", f"NUMA=y ACPI=y X86_64_ACPI_NUMA=y SPARSEMEM=y {KUNIT}", BOTH),
    *case("FRED", "X86_FRED=y", BOTH),
    *case("AMD memory encryption", "AMD_MEM_ENCRYPT=y ACPI=y EFI=y EFI_STUB=y", BOTH),
    *case("TDX", "INTEL_TDX_GUEST=y EFI=y EFI_STUB=y ACPI=y", BOTH),
    *case("five levels", "X86_5LEVEL=y", ("6.12",)),
    *case("8192 CPUs", "MAXSMP=y CPUMASK_OFFSTACK=y", ("6.12",)),
    *case("shadow stack, uffd", "X86_USER_SHADOW_STACK=y USERFAULTFD=y"),
    *case("stack protector", "STACKPROTECTOR=y STACKPROTECTOR_STRONG=y FORTIFY_SOURCE=y"),
    *case("KCSAN", f"KCSAN=y DEBUG_KERNEL=y {KUNIT}"),
    *case("GCOV", f"GCOV_KERNEL=y {KUNIT}"),
    # objtool with IBT, whose warnings are about vmlinux.o; compilers and checkers.
    *case("IBT", f"X86_KERNEL_IBT=y {KUNIT}", BOTH, linked=BOTH),
    *case("W=1", f"{XEN} {KUNIT}", BOTH, how=("W=1",)),
    # 7.3 wants a newer sparse than Debian 12 has.
    *case("sparse", f"{XEN} {KUNIT}", ("6.12", "6.1"), how=("C=2",)),
    *case("clang", f"{XEN} {KUNIT}", linked=("6.12",), how=CLANG),
    *case("clang, IBT and CFI", f"X86_KERNEL_IBT=y CFI_CLANG=y {KUNIT}", ("6.12",), how=CLANG,
          gone=("CFI_CLANG",)),
    *case("clang, LTO", f"LTO_CLANG_THIN=y {KUNIT}", ("6.12",), how=CLANG),
    *case("clang, KMSAN", f"KMSAN=y {KUNIT}", ("6.12",), how=CLANG),
    *(random(seed, "6.12" if seed % 2 else "7.3") for seed in range(1, 21)),
]
