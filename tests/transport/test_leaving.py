"""Namespaces that are taken off a colo, and put on it again; colos that leave altogether."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from crdtkv.errors import BadRequest, MembershipConflict, NamespaceElsewhere, NotAMember, Refused, Unavailable
from tests.transport.colos import Colo, apart, colos, eventually, same


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def put(colo: Colo, key: str, value: Any, namespace: str = "shop") -> None:
    await asyncio.to_thread(colo.store(namespace).put, key, value)


def members(colo: Colo, name: str = "shop") -> list[str]:
    return [id.partition("~")[0] for id in colo.store(name).members]


def held(colo: Colo, name: str = "shop") -> Any:
    try:
        return dict(colo.store(name))
    except NamespaceElsewhere:
        return "elsewhere"
    except Unavailable:
        return "not yet"


def test_what_is_taken_off_a_colo_is_with_the_others_and_gone_there(tmp_path: Path) -> None:
    """All that it wrote stands at the others, which count it no more; its file is gone; it says where to go."""

    async def story() -> None:
        async with colos("lhr", "sin", "fra") as made:
            lhr, sin, fra = made
            id = (await asyncio.to_thread(lhr.node.create, "shop")).id
            await eventually(lambda: same(made, "shop", 3))
            await put(lhr, "a", 1)
            found = await asyncio.to_thread(sin.node.unhost, "shop", "lhr")
            assert found.leaving == ("lhr",)
            await eventually(lambda: id not in lhr.node.stores(), "it was not given up")
            await eventually(lambda: all(members(colo) == ["fra", "sin"] for colo in (sin, fra)))
            assert held(sin) == held(fra) == {"a": 1}
            assert held(lhr) == "elsewhere"
            assert lhr.node.namespace("shop").without == ("lhr",)
            await eventually(lambda: not sin.node.namespace("shop").hosted or sin.node.namespace("shop").leaving == ())
            await eventually(lambda: "lhr" not in sin.transport._actors[id].peers)
            # again: as one that comes anew, by what the others have
            await put(fra, "b", 2)
            await eventually(lambda: held(sin) == {"a": 1, "b": 2})
            before = {colo.store("shop").id for colo in (sin, fra)}
            await asyncio.to_thread(fra.node.host, "shop", "lhr")
            seen: list[Any] = []
            await eventually(lambda: seen.append(held(lhr)) or seen[-1] == {"a": 1, "b": 2})
            assert [each for each in seen[:-1] if each not in ("elsewhere", "not yet")] == [], "never half of it"
            await eventually(lambda: same(made, "shop", 3))
            await put(lhr, "c", 3)
            await eventually(lambda: held(sin) == held(fra) == {"a": 1, "b": 2, "c": 3})
            assert before == {colo.store("shop").id for colo in (sin, fra)}

    run(story())


def test_it_is_not_given_up_before_the_others_have_it() -> None:
    """A colo that is cut off serves it no more, and keeps it until the last of the others is reached."""

    async def story() -> None:
        async with apart("lhr", "sin", "fra") as (made, proxy):
            lhr, sin, fra = made
            id = (await asyncio.to_thread(lhr.node.create, "shop")).id
            await eventually(lambda: same(made, "shop", 3))
            proxy.partition(["lhr", "sin"], ["fra"])
            await put(lhr, "a", 1)
            await asyncio.to_thread(lhr.node.unhost, "shop", "lhr")
            await eventually(lambda: held(sin) == {"a": 1})
            status = lambda: next(n for n in lhr.transport.status()["namespaces"] if n["id"] == id)  # noqa: E731
            await eventually(lambda: [name.partition("~")[0] for name in status()["lacking"]] == ["fra"])
            for _ in range(8):
                await asyncio.to_thread(lhr.transport._leaving.step)
            assert held(lhr) == "elsewhere"
            assert id in lhr.node.stores()
            proxy.heal()
            await eventually(lambda: id not in lhr.node.stores())
            assert held(fra) == {"a": 1}

    run(story())


def test_two_that_are_told_to_go_at_once_do_not_count_on_each_other() -> None:
    """Cut off from each other both are told to; one at least goes on holding it, and serves it."""

    async def story() -> None:
        async with apart("lhr", "sin") as (made, proxy):
            lhr, sin = made
            id = (await asyncio.to_thread(lhr.node.create, "shop")).id
            await put(lhr, "a", 1)
            await eventually(lambda: same(made, "shop", 2))
            proxy.partition(["lhr"], ["sin"])
            await asyncio.to_thread(lhr.node.unhost, "shop", "lhr")
            await asyncio.to_thread(sin.node.unhost, "shop", "sin")
            proxy.heal()
            await eventually(lambda: same(made, "~system"))
            await asyncio.to_thread(lhr.node.refresh)
            await asyncio.to_thread(sin.node.refresh)
            for colo in made:
                await asyncio.to_thread(colo.transport._leaving.step)
            assert [id in colo.node.stores() for colo in made] == [True, True]
            assert held(lhr) == held(sin) == {"a": 1}
            await asyncio.to_thread(lhr.node.host, "shop", "lhr")  # somebody decides
            await eventually(lambda: id not in sin.node.stores())
            assert held(lhr) == {"a": 1}
            assert held(sin) == "elsewhere"

    run(story())


def test_what_cannot_be_taken_off() -> None:
    async def story() -> None:
        async with colos("lhr", "sin") as (lhr, sin):
            await asyncio.to_thread(lhr.node.create, "eu", ["lhr"])
            await eventually(lambda: same([lhr, sin], "~system"))
            await asyncio.to_thread(sin.node.refresh)
            with pytest.raises(Refused, match="'eu' would be held by no colo that is there"):
                await asyncio.to_thread(sin.node.unhost, "eu", "lhr")
            with pytest.raises(BadRequest, match="'eu' is not held by 'sin'; it is at lhr"):
                await asyncio.to_thread(sin.node.unhost, "eu", "sin")
            with pytest.raises(Refused, match="'eu' would be held by no colo"):
                await asyncio.to_thread(lhr.node.leave)
            await asyncio.to_thread(sin.node.leave)
            told = ""
            while "'lhr' is the only colo that stays" not in told:  # once it has heard that sin goes
                with pytest.raises(Refused) as caught:
                    await asyncio.to_thread(lhr.node.leave)
                told = str(caught.value)
                await asyncio.sleep(0)

    run(story())


def test_a_colo_leaves_with_all_that_it_holds() -> None:
    """What it wrote last is with the others; they speak to it no more, and wait for it in nothing."""

    async def story() -> None:
        async with colos("lhr", "sin", "fra") as made:
            lhr, sin, fra = made
            await asyncio.to_thread(lhr.node.create, "shop")
            await eventually(lambda: same(made, "shop", 3))
            await put(lhr, "a", 1)
            await put(lhr, "b", 2, "default")
            await asyncio.to_thread(lhr.node.leave)
            await eventually(lambda: lhr.transport.left, "it did not leave")
            for name in ("shop", "default"):
                await eventually(lambda name=name: all(members(c, name) == ["fra", "sin"] for c in (sin, fra)))
            await eventually(lambda: all(len(colo.node.system.members) == 2 for colo in (sin, fra)))
            assert [held(colo) for colo in made] == ["elsewhere", {"a": 1}, {"a": 1}]
            assert held(sin, "default") == held(fra, "default") == {"b": 2}
            await eventually(lambda: all("lhr" not in colo.transport._links for colo in (sin, fra)))
            await put(sin, "c", 3)
            await eventually(lambda: held(fra) == {"a": 1, "c": 3})
            # one that begins anew under its name is another, and holds what all hold
            await lhr.stop()
            again = await Colo("lhr").start(join=[sin.url])
            try:
                await eventually(lambda: same([again, sin, fra], "shop", 3))
                assert held(again) == {"a": 1, "c": 3}
            finally:
                await again.stop()

    run(story())


def test_a_colo_that_is_lost_is_evicted_from_all() -> None:
    """Nobody waits for it, where it was reached is forgotten; it comes back with what it had alone."""

    async def story() -> None:
        async with apart("lhr", "sin", "fra") as (made, proxy):
            lhr, sin, fra = made
            await asyncio.to_thread(lhr.node.create, "shop")
            await eventually(lambda: same(made, "shop", 3))
            proxy.partition(["lhr", "sin"], ["fra"])
            await put(fra, "alone", 1)
            out = await asyncio.to_thread(lhr.node.evict, "fra")
            assert set(out) == {"default", "shop", "system"}
            assert all(id.startswith("fra~") for ids in out.values() for id in ids)
            await eventually(lambda: same([lhr, sin], "shop", 2) and same([lhr, sin], "~system", 2))
            assert "peer/fra" not in sin.node.system
            with pytest.raises(NotAMember, match="no other member at colo 'fra'; others are at sin"):
                await asyncio.to_thread(lhr.node.evict, "fra")
            with pytest.raises(NotAMember, match="no other member at colo 'lhr'"):
                await asyncio.to_thread(lhr.node.evict, "lhr")
            proxy.heal()
            await eventually(lambda: same(made, "shop", 3) and same(made, "~system", 3))
            await eventually(lambda: all(held(colo) == {"alone": 1} for colo in made))
            await eventually(lambda: "peer/fra" in sin.node.system)

    run(story())


def test_two_halves_that_evicted_each_other() -> None:
    """The conflict is shown in every namespace, the system's too; who resolves it names a link, and not where."""

    async def story() -> None:
        async with apart("lhr", "sin") as (made, proxy):
            lhr, sin = made
            proxy.partition(["lhr"], ["sin"])
            await asyncio.to_thread(lhr.node.evict, "sin")
            await asyncio.to_thread(sin.node.evict, "lhr")
            proxy.heal()
            stores = [store for colo in made for store in (colo.node.system, colo.store())]
            await eventually(lambda: all(store.forks for store in stores))
            for store in (lhr.node.system, lhr.store()):
                (fork,) = store.forks
                mine = next(link for link in fork if link.startswith("lhr~"))
                assert await asyncio.to_thread(lhr.node.resolve, mine) == [
                    "system" if store is lhr.node.system else "default"
                ]
            with pytest.raises(MembershipConflict, match="no membership conflict has the link 'x~1'"):
                await asyncio.to_thread(lhr.node.resolve, "x~1")
            await eventually(lambda: same(made, "default", 2) and same(made, "~system", 2))

    run(story())
