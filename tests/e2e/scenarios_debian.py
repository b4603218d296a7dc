# SPDX-License-Identifier: GPL-2.0
"""An ordinary Debian that installs the packages."""

import debianguests
from checks import check_guest
from debianguests import SERVICES
from registry import scenario

HELD = {"balances_wrong": "the sums of pgbench's balances agree",
        "values_wrong": "redis has every value", "files_wrong": "nginx serves every file"}


@scenario(kernels=("main", "debian"), minutes=10,
          sabotages={"off": "async faults happened", "unit": "no unit has failed",
                     "flip": "memory verified"})
def kvm_debian(v, sabotage):
    """Debian 12 from its own packages, with the kernel's package installed by apt: systemd to
    multi-user, then PostgreSQL with pgbench, redis and nginx work while the host fetches
    their memory at 100 reads a second, and what they hold is verified. Sabotage "flip" spoils
    something in each of the three, "unit" is a unit that fails."""
    line = f"{'pvfault=off' if sabotage == 'off' else ''} load.sabotage={sabotage}"
    guest = debianguests.guest("debian", line, secs=5 if sabotage else 20)
    yield debianguests.host(guest)
    v.check("debian: it runs the package's kernel", "-pvfault-" in guest.get("kernel", ""),
            guest.get("kernel"))
    v.check("debian: systemd has reached multi-user", guest.get("multi_user") == "active",
            guest.get("multi_user"))
    failed = guest.all("failed_unit")
    v.check("debian: no unit has failed", guest.get("system") == "running" and not failed,
            failed or guest.get("system"))
    v.check("debian: the backend is kvm", guest.get("backend") == "kvm", guest.get("backend"))
    for unit, done in SERVICES.items():
        v.check(f"debian: {unit} is active and has worked",
                guest.get(unit) == "active" and guest.get(done, 0) > 0,
                f"{guest.get(unit)}, {done} {guest.get(done)}")
    v.check("debian: GRUB's default is this kernel, not Debian's",
            guest.get("menu_default") == 1, guest.get("menu_default"))
    for wrong, text in HELD.items():
        v.check(f"debian: {text}", guest.get(wrong) == 0, guest.get(wrong))
    check_guest(v, guest)
    v.metrics.update({done: guest.get(done) for done in SERVICES.values()},
                     async_faults=guest.counter("sleep"))
