"""A run: clients at work on a cluster while faults come and go, then heal, wait, and judge."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from tests.cluster import faults, workloads
from tests.cluster.colos import Cluster
from tests.cluster.workloads import Client, Workload

__all__ = ["AGREE_S", "Report", "run"]

AGREE_S = 10.0
"""So soon after the healing all hold the same."""


@dataclass
class Report:
    """What was done, what happened, and what was wrong."""

    seed: int
    colos: int
    faults: Counter[str] = field(default_factory=Counter)
    acknowledged: dict[str, int] = field(default_factory=dict)
    unknown: dict[str, int] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    agreed_s: float | None = None
    seconds: float = 0.0
    purged: int = 0
    """Colos whose purge floor has moved: what was deleted before is forgotten there."""
    wrong: list[str] = field(default_factory=list)


class _Run:
    def __init__(self, cluster: Cluster, seed: int, kinds: Iterable[type[Workload]], pause: float) -> None:
        self.cluster = cluster
        self.random = Random(seed)
        self.report = Report(seed, len(cluster.colos))
        self.workloads = [kind() for kind in kinds]
        ports = {name: colo.port for name, colo in cluster.colos.items()}
        self.clients = [
            (workload, Client(f"{home}.{workload.name}", home, ports, Random(f"{seed} {home} {workload.name}")))
            for home in cluster.colos
            for workload in self.workloads
        ]
        self._pause = pause
        self._go = asyncio.Event()
        self._acting = 0
        self._ended = False

    # clients

    async def work(self) -> None:
        """All clients, until `end`."""
        self._go.set()
        await asyncio.gather(*(self._client(workload, client) for workload, client in self.clients))

    async def _client(self, workload: Workload, client: Client) -> None:
        while not self._ended:
            await self._go.wait()
            self._acting += 1
            try:
                await workload.act(client)
            finally:
                self._acting -= 1
            await asyncio.sleep(self._pause * (0.5 + client.random.random()))

    def end(self) -> None:
        """No client begins anything new."""
        self._ended = True
        self._go.set()

    @asynccontextmanager
    async def rest(self) -> AsyncIterator[None]:
        """No client does anything meanwhile."""
        self._go.clear()
        try:
            while self._acting:
                await asyncio.sleep(0.01)
            yield
        finally:
            self._go.set()

    # faults

    async def fail(self, names: list[str], seconds: float, at_once: int) -> None:
        """These faults, so many at once."""
        scene = faults.Scene(self.cluster, self.random, seconds, self.rest, self.spread)
        waiting = iter(names)

        async def one_after_the_other() -> None:
            for name in waiting:
                self.report.faults[name] += 1
                await scene.happen(name)
                await asyncio.sleep(0.3)

        await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))

    async def had_work(self) -> None:
        """Until each kind of client was told that something of its own is done; or it is given up."""
        end = time.monotonic() + 60
        while time.monotonic() < end and not all(workload.ledger.acknowledged for workload in self.workloads
                                                 if workload.name != "sessions"):  # fmt: skip
            await asyncio.sleep(0.05)

    async def spread(self) -> None:
        """Until all hold the same."""
        if await self.agree(60) is None:
            self.report.wrong.append(f"while clients rested: no agreement in 60 s: {await self.told()}")

    # the end

    async def heal(self) -> None:
        """Everything runs, and hears everything."""
        self.cluster.proxy.heal()
        for colo in self.cluster.colos.values():
            colo.set_clock(0)
            colo.resume()
            if colo.pid is None:
                await colo.start()

    async def agree(self, seconds: float) -> float | None:
        """After how many seconds all have equal vectors, floors and digests; None: not in time."""
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            found = {repr(each) for each in await self.states()}
            if len(found) == 1 and "to mint anew" not in repr(found) and "says nothing" not in repr(found):
                return time.monotonic() - begun
            await asyncio.sleep(0.05)
        return None

    async def states(self) -> list[Any]:
        """What each holds, as hashes: to be compared."""
        return await asyncio.gather(*(_state(colo) for colo in self.cluster.colos.values()))

    async def told(self) -> str:
        """What each says of itself, for who has to find out why."""
        return "; ".join(
            f"{name}: {state}" for name, state in zip(self.cluster.colos, await self.states(), strict=True)
        )

    async def judge(self) -> None:
        """What each colo shows is what clients were told, and the same everywhere."""
        shown = {name: await everything(self.cluster, name) for name in self.cluster.colos}
        answers = [await colo.status() for colo in self.cluster.colos.values()]
        told = [answer.json()["namespaces"] for answer in answers if answer.ok]
        self.report.purged = sum(each["floor"] > 0 for all_ in told for each in all_ if each["name"] == "default")
        first, *others = shown
        for name in others:
            keys = sorted(key for key in shown[first].keys() | shown[name].keys()
                          if shown[first].get(key) != shown[name].get(key))  # fmt: skip
            if keys:
                self.report.wrong.append(f"{first} and {name} differ at {keys[:5]} ({len(keys)})")
        for workload in self.workloads:
            self.report.acknowledged[workload.name] = workload.ledger.acknowledged
            self.report.unknown[workload.name] = workload.ledger.unknown
            self.report.wrong += [f"{workload.name}: {words}" for words in workload.judge(shown[first])]
        for _, client in self.clients:
            self.report.answers += client.answers
            self.report.wrong += client.complaints
            await client.close()


async def run(
    number: int, folder: Path, seed: int, names: list[str], seconds: float, pause: float = 0.02,
    kinds: Iterable[type[Workload]] = workloads.ALL, at_once: int = 1, agree_s: float = AGREE_S,
) -> Report:  # fmt: skip
    """A cluster of so many, and these faults, each of about so many seconds, `at_once` of them at a time; after the
    healing they have `agree_s` seconds until they hold the same."""
    begun = time.monotonic()
    async with Cluster(number, folder) as cluster:
        it = _Run(cluster, seed, kinds, pause)
        if await it.agree(60) is None:
            it.report.wrong.append(f"the colos did not become one: {await it.told()}")
            return it.report
        working = asyncio.create_task(it.work())
        try:
            await it.fail(names, seconds, at_once)
            await it.had_work()
        finally:
            it.end()
            await working
        await it.heal()
        it.report.agreed_s = await it.agree(agree_s)
        if it.report.agreed_s is None:
            it.report.wrong.append(f"no agreement {agree_s} s after the healing: {await it.told()}")
        for workload, client in it.clients:
            await workload.settle(client)
        await it.agree(agree_s)
        await it.judge()
        it.report.seconds = time.monotonic() - begun
        return it.report


async def everything(cluster: Cluster, name: str) -> dict[str, Any]:
    """Each key and its value, as one colo shows them."""
    found: dict[str, Any] = {}
    cursor = ""
    while True:
        path = f"/v1/default/keys?values=true&limit=1000{f'&cursor={cursor}' if cursor else ''}"
        answer = await cluster.colos[name].ask("GET", path)
        if not answer.ok:
            raise AssertionError(f"{name}: {path}: {answer.status} {answer.body[:300]!r}")
        body = answer.json()
        found |= {entry["key"]: entry["value"] for entry in body["entries"]}
        cursor = body["cursor"]
        if not cursor:
            return found


async def _state(colo: Any) -> Any:
    answer = await colo.status()
    if not answer.ok:
        return f"{colo.name} says nothing ({answer.status})"
    told = answer.json()["namespaces"]
    waiting = [
        f"{colo.name} has {each['pending']} writes of {each['name']} to mint anew" for each in told if each["pending"]
    ]
    return waiting or [(each["name"], sorted(each["vector"].items()), each["floor"], each["digest"]) for each in told]
