"""One seed of one world."""

from tests.model.data_world import DataWorld
from tests.model.guards import BROKEN, GUARDS
from tests.model.members_world import MembersWorld, PowerWorld
from tests.model.purge_world import PurgeWorld

__all__ = ["WORLDS", "run"]

WORLDS = {"data": DataWorld, "members": MembersWorld, "power": PowerWorld, "purge": PurgeWorld}


def run(seed, steps=220, broken=(), world="data"):
    """One seed; AssertionError with what differed. Broken guards are restored afterwards."""
    BROKEN.clear()
    BROKEN.update(broken)
    assert GUARDS.keys() >= BROKEN, f"no guard {sorted(BROKEN - GUARDS.keys())}; there are {sorted(GUARDS)}"
    try:
        return WORLDS[world](seed).run(steps)
    finally:
        BROKEN.clear()
