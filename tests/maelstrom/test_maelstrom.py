"""Nodes as real processes, over a network that loses, doubles, delays and parts: Maelstrom's own rules hold.

What is asked for at the end is asked for once all hear each other again.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from tests.maelstrom import checkers
from tests.maelstrom.checkers import Op
from tests.maelstrom.driving import Draw, Driver
from tests.maelstrom.runner import Network, Runner

BAD = Network(loss=0.1, double=0.1, delay_ms=40)
CLIENTS = 4


def _element(random: Random, n: int) -> tuple[dict[str, Any], Any]:
    return {"type": "add", "element": n}, n


def _message(random: Random, n: int) -> tuple[dict[str, Any], Any]:
    return {"type": "broadcast", "message": n}, n


def _delta(random: Random, n: int) -> tuple[dict[str, Any], Any]:
    delta = random.randint(-5, 4)
    return {"type": "add", "delta": delta}, delta


def _growth(random: Random, n: int) -> tuple[dict[str, Any], Any]:
    delta = random.randint(0, 4)
    return {"type": "add", "delta": delta}, delta


async def _under_fire(
    workload: str, draw: Draw, answer: str, check: Callable[[list[Op]], list[str]], nodes: int = 3, seed: int = 1
) -> None:
    """Work on a bad network; cut in two; one that hears and is not heard; one that sleeps; heal, and look."""
    async with Runner(nodes, workload, seed, BAD) as runner:
        if workload == "broadcast":
            await _tell_topology(runner)
        driver = Driver(runner, draw, answer, seed)
        await driver.work(CLIENTS, 1.5)
        runner.partition(runner.nodes[:1], runner.nodes[1:])
        await driver.work(CLIENTS, 0.7)
        runner.partition(runner.nodes)
        runner.cut("n1", "n2")
        runner.cut("n1", "n3")
        await driver.work(CLIENTS, 0.7)
        runner.heal()
        runner.pause("n2")
        await driver.work(2, 0.5)
        runner.resume("n2")
        await driver.settle(lambda reads: check([*driver.history, *reads]) == [])
        wrong = check(driver.history)
        assert runner.counts["lost"] and runner.counts["cut"]
        assert not wrong, wrong
    assert runner.complaints == []


async def _tell_topology(runner: Runner) -> None:
    line = dict(zip(runner.nodes, [[node] for node in runner.nodes[1:]] + [[runner.nodes[0]]], strict=True))
    for node in runner.nodes:
        assert (await runner.ask(node, {"type": "topology", "topology": line}))["type"] == "topology_ok"


def test_g_set() -> None:
    """What was added is in every later read for good, and nothing else."""
    asyncio.run(_under_fire("g-set", _element, "value", checkers.check_set))


def test_broadcast() -> None:
    """Every value is at every node in the end."""
    asyncio.run(_under_fire("broadcast", _message, "messages", checkers.check_broadcast, nodes=5))


def test_pn_counter() -> None:
    """The final reads are the sum of what was added."""
    asyncio.run(_under_fire("pn-counter", _delta, "value", checkers.check_counter))


def test_g_counter() -> None:
    asyncio.run(_under_fire("g-counter", _growth, "value", checkers.check_counter, seed=2))


def test_unique_ids() -> None:
    """No name comes twice, also while nobody hears anybody."""

    async def story() -> None:
        async with Runner(3, "unique-ids", 1, BAD) as runner:
            runner.partition(*([node] for node in runner.nodes))
            driver = Driver(runner, lambda random, n: ({"type": "generate"}, None), "id", 1)
            await asyncio.gather(*(driver.generate(40) for _ in range(CLIENTS)))
        assert len(driver.history) == 40 * CLIENTS
        assert checkers.check_unique(driver.history) == []
        assert runner.complaints == []

    asyncio.run(story())


def test_echo() -> None:
    said = [1, None, "naïve ☃", [1, {"a": []}], {"echo": {"echo": 1.5}}, ""]

    async def story() -> None:
        async with Runner(1, "echo", 1) as runner:
            for word in said:
                reply = await runner.ask("n1", {"type": "echo", "echo": word})
                assert (reply["type"], reply["echo"]) == ("echo_ok", word)
        assert runner.complaints == []

    asyncio.run(story())
