"""Three colos in one process, with a clock and a die that a seed decides.

Nothing here knows how a store works: three stores are opened, written at and
synced, as a reader of the README would. Only the clock is not real, so that the
same seed shows the same run.
"""

import random
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import crdtkv

__all__ = ["NAMES", "Colos", "Wall", "three"]

NAMES = ("lhr", "sin", "gru")
_START = 1_767_225_600  # 2026-01-01: any fixed day, so that a run can be shown again


class Wall:
    """A wall clock that moves when it is told to. Calling it gives seconds since 1970."""

    def __init__(self) -> None:
        self.now = float(_START)

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


class Colos:
    """Three open stores by name. `exchanged` counts the bytes that their syncs sent."""

    def __init__(self, stores: dict[str, crdtkv.Store], wall: Wall) -> None:
        self.stores = stores
        self.wall = wall
        self.exchanged = 0

    def __getitem__(self, name: str) -> crdtkv.Store:
        return self.stores[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stores)

    def link(self, a: str, b: str) -> None:
        """The two exchange what either lacks."""
        self.exchanged += self.stores[a].sync(self.stores[b]).bytes
        self.wall.wait(0.001)

    def meet(self) -> None:
        """All exchange until nobody lacks anything: twice round the ring."""
        for _ in range(2):
            for a, b in zip(NAMES, (*NAMES[1:], NAMES[0]), strict=True):
                self.link(a, b)

    def agree(self, keys: Iterable[str]) -> bool:
        """Whether every colo reads the same value, siblings and version of each of `keys`."""
        return all(len({_reading(store, key) for store in self.stores.values()}) == 1 for key in keys)


@contextmanager
def three(rules: dict[str, str], seed: int) -> Iterator[Colos]:
    """Three stores in files of a temporary folder, members of one namespace, with `rules` (pattern -> strategy)."""
    wall = Wall()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="crdtkv-demo-")))
        stores: dict[str, crdtkv.Store] = {}
        for i, name in enumerate(NAMES):
            store = crdtkv.open(folder / f"{name}.db", colo=name, clock=wall, random=random.Random(f"{seed}/{i}"))
            stack.callback(store.close)
            stores[name] = store
        colos = Colos(stores, wall)
        for pattern, strategy in rules.items():
            stores[NAMES[0]].rules.set(pattern, strategy)
        colos.meet()
        colos.exchanged = 0
        yield colos


def _reading(store: crdtkv.Store, key: str) -> str:
    entry = store.get(key)
    return "absent" if entry is None else repr((entry.value, entry.siblings, str(entry.version)))
