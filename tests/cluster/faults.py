"""What goes wrong, one after the other: each fault begins, lasts, and ends; the seed says which.

A fault is a coroutine over a cluster and the random numbers of a run; while it lasts the
others of the run go on. What would make a colo lose what only it has (a wiped disk, an old
backup) waits first, with its clients at rest, until the others have it all.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from random import Random

from tests.cluster.colos import Cluster, Colo

__all__ = ["ALL", "ALONE", "Fault", "Scene"]


class Scene:
    """Where faults happen, several at once. `rest`: as long as it is entered, clients do nothing; `spread`: until a
    colo's writes are everywhere."""

    def __init__(
        self, cluster: Cluster, random: Random, seconds: float, rest: Callable[[], AbstractAsyncContextManager[None]],
        spread: Callable[[], Awaitable[None]],
    ) -> None:  # fmt: skip
        self.cluster, self.random, self.seconds = cluster, random, seconds
        self.rest, self.spread = rest, spread
        self._busy: set[str] = set()
        self._under_way = 0
        self._alone = asyncio.Lock()

    def some(self, n: int) -> list[str]:
        """So many colos."""
        return self.random.sample(list(self.cluster.colos), n)

    @asynccontextmanager
    async def one(self) -> AsyncIterator[Colo]:
        """A colo that no other fault has."""
        while not (free := [name for name in self.cluster.colos if name not in self._busy]):
            await asyncio.sleep(0.05)
        name = self.random.choice(free)
        self._busy.add(name)
        try:
            yield self.cluster.colos[name]
        finally:
            self._busy.discard(name)

    async def happen(self, name: str) -> None:
        """A fault, from its begin to its end; at once with others, unless it is one of those that are ALONE."""
        async with self._alone:
            while name in ALONE and self._under_way:
                await asyncio.sleep(0.05)
            self._under_way += 1
            if name in ALONE:
                await self._happen(name)
                return
        await self._happen(name)

    async def _happen(self, name: str) -> None:
        try:
            await ALL[name](self)
        finally:
            self._under_way -= 1

    async def last(self) -> None:
        """The fault lasts."""
        await asyncio.sleep(self.seconds * (0.5 + self.random.random()))


Fault = Callable[[Scene], Awaitable[None]]


async def partition(scene: Scene) -> None:
    """Two sides that hear nothing of each other; all connections stay open."""
    names = scene.some(len(scene.cluster.colos))
    cut = scene.random.randint(1, len(names) - 1)
    scene.cluster.proxy.partition(names[:cut], names[cut:])
    await scene.last()
    scene.cluster.proxy.heal()


async def one_way(scene: Scene) -> None:
    """One hears another and is not heard by it."""
    a, b = scene.some(2)
    scene.cluster.proxy.cut(a, b, one_way=True)
    await scene.last()
    scene.cluster.proxy.heal()


async def delay(scene: Scene) -> None:
    """All links are slow, each in its own way, up to 0.2 s."""
    names = list(scene.cluster.colos)
    for i, a in enumerate(names):
        for b in names[:i]:
            scene.cluster.proxy.delay(a, b, scene.random.random() * 0.2)
    await scene.last()
    scene.cluster.proxy.heal()


async def broken(scene: Scene) -> None:
    """Connections break, again and again."""
    for _ in range(10):
        scene.cluster.proxy.break_connections(*scene.some(2))
        await asyncio.sleep(scene.seconds / 10)


async def refused(scene: Scene) -> None:
    """No connection comes about between two."""
    a, b = scene.some(2)
    scene.cluster.proxy.refuse(a, b)
    scene.cluster.proxy.refuse(b, a)
    await scene.last()
    scene.cluster.proxy.heal()


async def killed(scene: Scene) -> None:
    """kill -9 in the middle of work, and a start a while later."""
    async with scene.one() as colo:
        colo.kill()
        await asyncio.sleep(scene.seconds * scene.random.random() / 2)
        await colo.start()


async def stopped(scene: Scene) -> None:
    """SIGTERM in the middle of work, and a start."""
    async with scene.one() as colo:
        await colo.stop()
        await colo.start()


async def paused(scene: Scene) -> None:
    """SIGSTOP: it holds its connections and says nothing; SIGCONT."""
    async with scene.one() as colo:
        colo.pause()
        await scene.last()
        colo.resume()


async def clock_ahead(scene: Scene) -> None:
    """One colo's wall clock is 30 s ahead, then right again, so that it runs backwards."""
    async with scene.one() as colo:
        colo.set_clock(30)
        await scene.last()
        colo.set_clock(0)


async def clock_years_ahead(scene: Scene) -> None:
    """One colo's wall clock is years ahead: it does not write, and drags nobody along."""
    async with scene.one() as colo:
        colo.set_clock(10 * 365 * 86_400)
        await scene.last()
        colo.set_clock(0)


async def wiped(scene: Scene) -> None:
    """A disk is lost, once the others have all that was on it; the colo joins anew, as a new incarnation."""
    async with scene.one() as colo:
        async with scene.rest():
            await scene.spread()
            colo.kill()
            colo.wipe()
        await asyncio.sleep(scene.seconds * scene.random.random() / 2)
        await colo.start()


async def put_back(scene: Scene) -> None:
    """An old backup in the place of the files, once the others have all; the colo goes on from there."""
    async with scene.one() as colo:
        name = f"backup-{colo.starts}"
        answer = await colo.ask("POST", "/v1/backup", {"folder": name})
        if not answer.ok:
            raise AssertionError(f"{colo.name}: no backup: {answer.status} {answer.body[:300]!r}")
        kept = scene.cluster.folder / f"{colo.name}-{name}"
        shutil.move(colo.folder / name, kept)
        await scene.last()
        async with scene.rest():
            await scene.spread()
            colo.kill()
            colo.put_back(kept)
        await colo.start()


async def evicted(scene: Scene) -> None:
    """A colo that hears nobody is evicted by the others, while its clients go on; it learns of that, and comes back."""
    async with scene.one() as colo:
        others = [other for other in scene.cluster.colos.values() if other is not colo]
        scene.cluster.proxy.partition([colo.name], [other.name for other in others])
        await scene.last()
        answer = await scene.random.choice(others).ask("POST", "/v1/default/evict", {"colo": colo.name})
        if not answer.ok and b'"not-a-member"' not in answer.body:  # (it was out, and had not come back yet)
            raise AssertionError(f"{colo.name} could not be evicted: {answer.status} {answer.body[:300]!r}")
        await scene.last()
        scene.cluster.proxy.heal()


ALL: dict[str, Fault] = {
    "partition": partition, "one-way partition": one_way, "delay": delay, "broken connections": broken,
    "refused connections": refused, "kill -9": killed, "SIGTERM": stopped, "SIGSTOP": paused,
    "clock 30 s ahead": clock_ahead, "clock years ahead": clock_years_ahead, "wiped disk": wiped,
    "old backup": put_back, "evicted": evicted,
}  # fmt: skip
ALONE = ("wiped disk", "old backup", "evicted")
"""What only one colo has would be lost: so first all have all, and no other fault hinders that."""
