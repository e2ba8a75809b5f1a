"""What goes wrong: by name, each in the file of its kind."""

from crdtkv.sim.faults.base import Fault
from crdtkv.sim.faults.partition import Flapping, Isolate, OneWay, Partition, Ring

__all__ = ["FAULTS", "Fault"]

FAULTS: dict[str, type[Fault]] = {
    "partition": Partition, "one-way": OneWay, "isolate": Isolate, "ring": Ring, "flapping": Flapping,
}  # fmt: skip
