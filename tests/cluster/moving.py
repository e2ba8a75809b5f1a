"""A namespace that is put on colos and taken off them at random, while clients count in it and colos die and part.

    python -m tests.cluster.moving --seed 8 --runs 5 --seconds 20

In the end all that was acknowledged is counted at every colo that holds it, all say the same of where it is, and
nobody that was told to go is still there, but for the last. The first run that goes wrong is told, and exits with 1.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from tests.cluster.asking import Answer, Connection
from tests.cluster.colos import Cluster, Colo

__all__ = ["Counting", "Silent", "begun", "eventually", "held", "listed", "members", "moved"]

PATIENCE_S = 60.0
COUNT = "/v1/shop/keys/count"


class Silent(Exception):
    """A colo did not answer; it may be about to."""


class Counting:
    """A client that adds one at a colo again and again, until it is told to end; unless it `stays`, also until the colo
    serves the counter no more."""

    def __init__(self, colo: Colo, stays: bool = False) -> None:
        self.acknowledged = self.unknown = 0
        self.refused = ""
        self.ended = False
        self._stays = stays
        self._client = Connection(colo.port)
        self._task = asyncio.create_task(self._count())

    async def _count(self) -> None:
        while not self.ended:
            answer = await self._client.ask("POST", f"{COUNT}/operations", {"op": "increment"}, seconds=10)
            self.acknowledged += answer.ok
            self.unknown += answer.happened == "unknown"
            if answer.status == 421 and not self._stays:
                self.refused = answer.json()["code"]
                return
            await asyncio.sleep(0.01 if answer.ok else 0.05)

    async def sent_away(self) -> str:
        """What it was told when it was served no more: waited for."""
        async with asyncio.timeout(PATIENCE_S):
            await self._task
        await self._client.close()
        return self.refused

    async def end(self) -> None:
        self.ended = True
        await self._task
        await self._client.close()


async def eventually(holds: Callable[[], Awaitable[object]], words: str) -> None:
    """What must come has to, within PATIENCE_S."""
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while True:
        with suppress(Silent):
            if await holds():
                return
        assert asyncio.get_running_loop().time() < end, words
        await asyncio.sleep(0.02)


async def listed(colo: Colo) -> dict[str, Any]:
    """What a colo says of where it is. Raises Silent."""
    told = _said(colo, await colo.ask("GET", "/v1/namespaces"))["namespaces"]
    return next(n for n in told if n["name"] == "shop")


async def held(colo: Colo) -> object:
    """The count there; or why not. Raises Silent."""
    answer = await colo.ask("GET", COUNT)
    if not answer.status:
        raise Silent(colo.name)
    return answer.json() if answer.ok else answer.json()["code"]


async def members(colo: Colo, name: str) -> set[str]:
    """The colos that are members of a namespace, as that one says. Raises Silent."""
    told = _said(colo, await colo.status())["namespaces"]
    return {id.partition("~")[0] for n in told if n["name"] == name for id in n["members"]}


def _said(colo: Colo, answer: Answer) -> Any:
    if not answer.ok:
        raise Silent(colo.name)
    return answer.json()


async def begun(cluster: Cluster) -> None:
    """There is a namespace `shop`, which all are members of."""
    first = next(iter(cluster.colos.values()))
    assert (await first.ask("POST", "/v1/namespaces", {"name": "shop"})).ok
    assert (await first.ask("PUT", "/v1/shop/rules/count", {"strategy": "counter"})).ok

    async def joined() -> bool:
        return all([await members(colo, "shop") == set(cluster.colos) for colo in cluster.colos.values()])

    await eventually(joined, "they did not become one")


async def moved(folder: Path, seed: int, seconds: float) -> str:
    """One run; what was wrong, or nothing."""
    random = Random(seed)
    async with Cluster(3, folder) as cluster:
        await begun(cluster)
        clients = [Counting(colo, stays=True) for colo in cluster.colos.values()]
        done = await _moves(cluster, random, seconds)
        cluster.proxy.heal()
        for client in clients:
            await client.end()
        least = sum(client.acknowledged for client in clients)
        most = least + sum(client.unknown for client in clients)
        found: list[Any] = []

        async def settled() -> bool:
            found[:] = await _told(cluster)
            (where, *others), counts, sets, pending = found
            leaving = set(where["leaving"]) - {name for name, count in counts.items() if isinstance(count, int)}
            alike = all(other == where for other in others) and len({*counts.values()}) == 1
            return alike and not leaving and not pending and all(each == sets[0] for each in sets) and bool(counts)

        try:
            await eventually(settled, "it did not settle")
        except AssertionError as error:
            return f"{error}: {found}; after {done}"
        counts = set(found[1].values())
        (count,) = counts
        if not isinstance(count, int) or not least <= count <= most:
            return f"{least} to {most} were counted, {count} are there; after {done}"
    return ""


async def _moves(cluster: Cluster, random: Random, seconds: float) -> list[tuple[str, str, str]]:
    """What was asked for, where, of which colo."""
    done = []
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        act = random.choice(["unhost", "unhost", "host", "host", "kill", "part", "heal"])
        at, of = random.choice(list(cluster.colos.values())), random.choice(list(cluster.colos))
        done.append((act, at.name, of))
        if act in ("unhost", "host"):
            method = "PUT" if act == "host" else "DELETE"
            await at.ask(method, f"/v1/namespaces/shop/colos/{of}", seconds=5)  # it may be refused
        elif act == "kill":
            at.kill()
            await asyncio.sleep(random.random())
            await at.start()
        elif act == "part":
            cluster.proxy.partition([at.name], [name for name in cluster.colos if name != at.name])
        else:
            cluster.proxy.heal()
        await asyncio.sleep(random.random() * 1.5)
    return done


async def _told(cluster: Cluster) -> tuple[list[dict[str, Any]], dict[str, object], list[set[str]], int]:
    """Where it is, as each colo says; by colo that serves it the count; its members, as these say; writes to be said
    anew."""
    where, counts, sets, pending = [], {}, [], 0
    for colo in cluster.colos.values():
        told = await listed(colo)
        where.append({name: told[name] for name in ("without", "leaving", "colos")})
        pending += sum(n["pending"] for n in _said(colo, await colo.status())["namespaces"])
        if told["hosted"]:
            counts[colo.name] = await held(colo)
            sets.append(await members(colo, "shop"))
    return where, counts, sets, pending


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.cluster.moving", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args(words)
    for seed in range(given.seed, given.seed + given.runs):
        with tempfile.TemporaryDirectory() as folder:
            wrong = asyncio.run(moved(Path(folder), seed, given.seconds))
        print(f"seed {seed}: {wrong or 'holds'}", flush=True)
        if wrong:
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
