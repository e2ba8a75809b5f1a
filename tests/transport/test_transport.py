"""Colos over real sockets: what one writes the others have, whatever happens on the way."""

from __future__ import annotations

import asyncio

from tests.transport.colos import colos, eventually, same


def test_three_colos_become_one_cluster() -> None:
    """Two join through the first, and find each other by what it says."""

    async def run() -> None:
        async with colos("lhr", "sin", "fra") as made:
            for i, colo in enumerate(made):
                await asyncio.to_thread(colo.store().put, f"k{i}", i)
            await eventually(lambda: same(made))
            assert all(dict(colo.store()) == {"k0": 0, "k1": 1, "k2": 2} for colo in made)

    asyncio.run(run())
