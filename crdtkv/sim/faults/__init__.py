"""What goes wrong: by name, each in the file of its kind."""

from crdtkv.sim.faults.base import Fault
from crdtkv.sim.faults.clocks import Jump, Strobe
from crdtkv.sim.faults.disks import Full, Slow
from crdtkv.sim.faults.links import BadLinks, Clog
from crdtkv.sim.faults.machines import Crash, Evict, Pause, Restart, Restore, Versions, Wipe
from crdtkv.sim.faults.partition import Flapping, Isolate, OneWay, Partition, Ring

__all__ = ["FAULTS", "Fault"]

FAULTS: dict[str, type[Fault]] = {
    "partition": Partition, "one-way": OneWay, "isolate": Isolate, "ring": Ring, "flapping": Flapping,
    "link": BadLinks, "clog": Clog,
    "crash": Crash, "restart": Restart, "pause": Pause, "wipe": Wipe, "restore": Restore, "evict": Evict,
    "versions": Versions,
    "clock-jump": Jump, "clock-strobe": Strobe,
    "disk-full": Full, "slow-disk": Slow,
}  # fmt: skip
