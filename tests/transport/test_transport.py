"""Colos over real sockets: what one writes the others have, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import random
import shutil
from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.core.versions import parse_version
from crdtkv.errors import BaseNotHere, Unauthorized
from crdtkv.node import session as session_room
from crdtkv.node.node import Node
from crdtkv.node.session import Session, missing
from crdtkv.node.tokens import EVERYWHERE, Scope
from crdtkv.transport import transport as transport_room
from crdtkv.transport.transport import Transport
from tests.cluster.proxy import Proxy
from tests.transport.colos import PATIENCE_S, Colo, apart, colos, eventually, met, same


def run(story: Coroutine[Any, Any, None]) -> None:
    asyncio.run(story)


async def put(colo: Colo, key: str, value: Any, namespace: str = "default") -> str:
    return (await asyncio.to_thread(colo.store(namespace).put, key, value)).version


def test_three_colos_become_one_cluster() -> None:
    """Two join through the first, and find each other by what it says."""

    async def story() -> None:
        async with colos("lhr", "sin", "fra") as made:
            for i, colo in enumerate(made):
                await put(colo, f"k{i}", i)
            await eventually(lambda: same(made))
            assert all(dict(colo.store()) == {"k0": 0, "k1": 1, "k2": 2} for colo in made)
            await eventually(lambda: all(len(colo.transport.status()["peers"]) == 2 for colo in made))

    run(story())


def test_all_start_at_once_and_join_each_other() -> None:
    async def story() -> None:
        made = [Colo(name) for name in ("lhr", "sin", "fra")]
        for colo in made:
            await colo.start()
            await put(colo, colo.name, 1)
        try:
            for colo in made:
                for other in made:
                    colo.transport._spawn(colo.transport._scout(other.url))
            await eventually(lambda: same(made, "default", 3) and same(made, "~system", 3))
            # What each wrote before they met is minted anew once all have spoken.
            await eventually(lambda: all(dict(colo.store()) == {"lhr": 1, "sin": 1, "fra": 1} for colo in made))
        finally:
            await asyncio.gather(*(colo.stop() for colo in made))

    run(story())


def test_a_clock_that_was_years_ahead_is_mended_where_nobody_writes() -> None:
    """What it said by that clock is told to nobody: all would wait for its word, as long as it has that name."""

    async def story() -> None:
        async with colos("lhr", "sin") as made:
            system = made[1].node.system
            replica, id, right = system._replica, system.id, system._replica.wall_ms
            replica.wall_ms = lambda: right() + 10 * 365 * 86_400_000
            with system._lock:
                replica.speak()
            replica.wall_ms = right
            await eventually(lambda: system.id != id, "it has the name still")
            await eventually(lambda: same(made, "~system", 2) and system.id in made[0].node.system.members)

    run(story())


# namespaces


def test_a_namespace_comes_and_goes_at_every_colo() -> None:
    async def story() -> None:
        async with colos("lhr", "sin", "fra") as made:
            lhr, sin, fra = made
            id = (await asyncio.to_thread(lhr.node.create, "shop")).id
            await put(lhr, "a", 1, "shop")
            await eventually(lambda: same(made, "shop", 3))
            await put(fra, "b", 2, "shop")
            await eventually(lambda: same(made, "shop"))
            assert dict(sin.store("shop")) == {"a": 1, "b": 2}
            await asyncio.to_thread(sin.node.delete, "shop")
            await eventually(lambda: not any(id in colo.node.stores() for colo in made))
            await eventually(lambda: not any(id in colo.transport._actors for colo in made))

    run(story())


def test_a_namespace_of_some_colos_is_not_told_to_others() -> None:
    async def story() -> None:
        async with colos("lhr", "sin", "fra") as made:
            lhr, sin, fra = made
            id = (await asyncio.to_thread(lhr.node.create, "eu", ["lhr", "fra"])).id
            await put(lhr, "a", 1, "eu")
            await eventually(lambda: same([lhr, fra], "eu", 2))
            assert sin.transport.office.dropped["namespace not here"] == 0
            assert id not in sin.node.stores()
            await asyncio.to_thread(fra.node.host, "eu", "sin")
            await eventually(lambda: same(made, "eu", 3))
            assert sin.store("eu")["a"] == 1

    run(story())


def test_what_the_founder_of_a_namespace_has_written_is_there_all_the_while() -> None:
    """The others' new stores join its own, one after the other; it never joins theirs, nor do they each other's."""

    async def story() -> None:
        async with colos("lhr", "sin", "fra", "nrt") as made:
            for i in range(4):
                founder = made[i]
                await asyncio.to_thread(founder.node.create, f"n{i}")
                store = founder.store(f"n{i}")
                before = store.id
                version = await put(founder, "a", i, f"n{i}")
                while not same(made, f"n{i}", 4):
                    assert store["a"] == i
                    await asyncio.sleep(0)
                assert store.id == before
                assert all(colo.store(f"n{i}").get("a").version == version for colo in made)

    run(story())


def test_where_the_founder_is_away_the_others_meet_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_room, "FOUNDER_MS", 300)

    async def story() -> None:
        async with apart("lhr", "sin", "fra") as (made, proxy):
            lhr, sin, fra = made
            proxy.partition(["lhr"], ["sin", "fra"])  # first: else one may have joined it before
            id = (await asyncio.to_thread(lhr.node.create, "shop")).id
            await asyncio.to_thread(lhr.store("shop").put, "a", 1)
            await asyncio.to_thread(sin.node.system.sync, lhr.node.system)
            await asyncio.to_thread(sin.node.refresh)
            await eventually(lambda: id in fra.node.stores())
            await eventually(lambda: same([sin, fra], "shop", 2))
            await put(sin, "b", 2, "shop")
            proxy.heal()
            await eventually(lambda: same(made, "shop", 3))
            await eventually(lambda: all(dict(colo.store("shop")) == {"a": 1, "b": 2} for colo in made))

    run(story())


# faults


async def both_sides_write(made: list[Colo]) -> None:
    for i in range(20):
        for colo in made:
            await asyncio.to_thread(colo.store().list("l").append, f"{colo.name}{i}")
            await asyncio.to_thread(colo.store().counter("n").add, 1)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(lambda proxy: proxy.partition(["lhr"], ["sin", "fra"]), id="partition"),
        pytest.param(lambda proxy: proxy.partition(["lhr"], ["sin"], ["fra"]), id="all apart"),
        pytest.param(lambda proxy: proxy.cut("lhr", "sin", one_way=True), id="one way"),
        pytest.param(lambda proxy: (proxy.refuse("lhr", "sin"), proxy.refuse("fra", "sin")), id="refused"),
        pytest.param(lambda proxy: (proxy.delay("lhr", "sin", 0.2), proxy.delay("fra", "sin", 0.1)), id="delay"),
    ],
)
def test_what_was_written_on_both_sides_of_a_fault_is_everywhere_after(fault: Callable[[Proxy], object]) -> None:
    async def story() -> None:
        async with apart("lhr", "sin", "fra") as (made, proxy):
            await both_sides_write(made)
            await eventually(lambda: same(made))
            fault(proxy)
            await both_sides_write(made)
            proxy.heal()
            await eventually(lambda: same(made))
            for colo in made:
                assert colo.store()["n"] == 120
                assert Counter(colo.store()["l"]) == {f"{c.name}{i}": 2 for c in made for i in range(20)}

    run(story())


def test_connections_that_break_lose_nothing() -> None:
    async def story() -> None:
        async with apart("lhr", "sin", "fra") as (made, proxy):
            for i in range(100):
                for colo in made:
                    await asyncio.to_thread(colo.store().counter("n").add, 1)
                if i % 10 == 0:
                    proxy.break_connections()
            await eventually(lambda: same(made))
            assert [colo.store()["n"] for colo in made] == [300] * 3

    run(story())


def test_one_that_only_goes_out_hears_and_is_heard() -> None:
    """Nobody reaches sin, as behind a router: what others have for it goes with the answers to what it asks."""

    async def story() -> None:
        async with apart("lhr", "sin", "fra") as (made, proxy):
            lhr, sin, _ = made
            proxy.refuse("lhr", "sin")
            proxy.refuse("fra", "sin")
            await put(sin, "a", 1)
            await eventually(lambda: same(made))
            await put(lhr, "b", 2)
            await eventually(lambda: same(made))
            assert sin.store()["b"] == 2

    run(story())


def test_a_colo_that_was_down_catches_up_and_one_that_was_wiped_joins_anew(tmp_path: Path) -> None:
    async def story() -> None:
        lhr, sin = Colo("lhr", tmp_path / "lhr"), Colo("sin", tmp_path / "sin")
        try:
            await lhr.start()
            await sin.start(join=[lhr.url])
            await eventually(lambda: met([lhr, sin]))
            await sin.stop()
            for i in range(300):
                await put(lhr, f"k{i}", i)
            await sin.start()  # whom to ask it knows by now
            await eventually(lambda: same([lhr, sin], "default", 2))
            assert len(sin.store()) == 300
            await sin.stop()
            for path in (tmp_path / "sin").iterdir():
                path.unlink()
            await sin.start(join=[lhr.url])
            await eventually(lambda: same([lhr, sin], "default", 2) and len(sin.store()) == 300)
            await put(sin, "new", 1)
            await eventually(lambda: same([lhr, sin]))
        finally:
            await asyncio.gather(*(colo.stop() for colo in (lhr, sin) if colo.running))

    run(story())


def test_who_stops_has_sent_all_and_says_goodbye() -> None:
    async def story() -> None:
        async with colos("lhr", "sin") as (lhr, sin):
            for i in range(200):
                lhr.store().put(f"k{i}", i)  # in the event loop: nothing has gone yet
            await lhr.transport.stop(PATIENCE_S)
            assert len(sin.store()) == 200
            assert sin.transport._actors["~default"]._machine._desk.peers["lhr"].leaving

    run(story())


# sessions


def test_what_a_lost_disk_had_written_is_asked_for_and_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else happens meanwhile: who waits makes the colo tell, twice, all that it has."""
    monkeypatch.setattr(session_room, "ANEW_MS", 0)

    async def story() -> None:
        async with colos("lhr", "sin") as (lhr, sin):
            await eventually(lambda: same((lhr, sin)))
            session = Session({"~default": {"sin~lost": 7}})
            with pytest.raises(BaseNotHere):
                await lhr.node.waiting.caught_up(lhr.store(), session, 0)

            async def shown() -> bool:
                try:
                    await lhr.node.waiting.caught_up(lhr.store(), session, 0.1)
                except BaseNotHere:
                    return False
                return True

            end = asyncio.get_running_loop().time() + PATIENCE_S
            while not await shown():
                assert asyncio.get_running_loop().time() < end

    run(story())


def test_a_session_pulls_what_it_has_seen() -> None:
    async def story() -> None:
        async with apart("lhr", "sin") as ((lhr, sin), proxy):
            proxy.cut("lhr", "sin")
            session = Session()
            session.note("~default", parse_version("a", await put(lhr, "a", 1)))
            with pytest.raises(BaseNotHere):
                await sin.node.waiting.caught_up(sin.store(), session, 0.1)
            proxy.heal()
            await sin.node.waiting.caught_up(sin.store(), session, 30)
            assert missing(session, sin.store(), 0) == {}
            assert sin.store()["a"] == 1

    run(story())


# who is let in


def test_a_colo_without_the_secret_learns_and_changes_nothing() -> None:
    async def story() -> None:
        async with colos("lhr", "sin") as made:
            await put(made[0], "a", 1)
            await eventually(lambda: same(made))
            for secrets in ((), (b"some other secret",)):
                stranger = Colo("fra", secrets=secrets)
                await stranger.start(join=[made[0].url])
                try:
                    await eventually(lambda: made[0].transport.office.refused["cluster"] > 0)
                    assert len(stranger.store()) == 0
                    assert stranger.transport.office.received["letters"] == 0
                    assert [m.split("~")[0] for m in made[0].store().members] == ["lhr", "sin"]
                finally:
                    await stranger.stop()
                made[0].transport.office.refused.clear()

    run(story())


def test_the_secret_is_replaced_without_a_stop() -> None:
    old, new = b"correct horse battery staple", b"another long secret"

    async def story() -> None:
        async with colos("lhr", "sin", secrets=(old,)) as made:
            for n, secrets in enumerate([(old, new), (new, old), (new,)]):
                assert not any(colo.transport.office.refused for colo in made)
                for colo in made:
                    colo.transport.set_secrets(secrets)
                    await put(colo, f"{colo.name}{n}", n)
                    await eventually(lambda: same(made))

    run(story())




@pytest.mark.parametrize(("url", "told"), [("http://0.0.0.0:1", ""), ("http://[::]:1", ""), ("http://a:1", "http://a:1")])
def test_all_addresses_is_no_address_to_be_called_at(url: str, told: str) -> None:
    with Node(None, colo="lhr") as node:
        assert Transport(node, url=url).office.url == told


def test_colos_that_agree_say_little() -> None:
    """Probes go on; the letters around them are not much larger than they are."""

    async def story() -> None:
        async with colos("lhr", "sin") as (lhr, _):
            counts = lhr.transport._actors["~default"]._machine.counts
            begin, sent = counts["got probe"], dict(lhr.transport.office.sent)
            await eventually(lambda: counts["got probe"] >= begin + 4)
            letters = lhr.transport.office.sent["letters"] - sent["letters"]
            assert lhr.transport.office.sent["bytes"] - sent["bytes"] <= 400 * letters  # with a heard round among them

    run(story())


def test_two_processes_for_one_colo_are_not_mixed() -> None:
    """Another lhr, of a disk of its own, joins through sin: lhr is told, and goes on as it was."""

    async def story() -> None:
        async with colos("lhr", "sin") as (lhr, sin):
            await put(lhr, "a", 1)
            other = await Colo("lhr", seed=1).start(join=[lhr.url])
            try:
                await eventually(lambda: lhr.transport.office.refused["doubled"] > 0)
                await put(lhr, "b", 2)
                await eventually(lambda: same([lhr, sin]))
                assert sorted(lhr.store().members) == sorted([lhr.store().id, sin.store().id])
                assert len(other.store()) == 0
            finally:
                await other.stop()

    run(story())


def test_a_copy_that_may_not_write_yet_is_served(tmp_path: Path) -> None:
    """Its system namespace was restored, too: it starts, meets a member, and is reached again."""

    async def story() -> None:
        lhr, sin = Colo("lhr", tmp_path / "lhr"), Colo("sin", tmp_path / "sin")
        try:
            await lhr.start()
            await sin.start(join=[lhr.url])
            await eventually(lambda: met([lhr, sin]))
            await sin.stop()
            shutil.copytree(tmp_path / "sin", tmp_path / "copy")
            sin.folder, sin.port = tmp_path / "copy", 0
            await sin.start(join=[lhr.url])
            await eventually(lambda: same([lhr, sin], "~system", 2) and same([lhr, sin], "default", 2))
            await put(lhr, "a", 1)
            await eventually(lambda: same([lhr, sin]) and "a" in sin.store())
            await eventually(lambda: lhr.node.system.get("peer/sin").value == sin.url)
        finally:
            await asyncio.gather(*(colo.stop() for colo in (lhr, sin) if colo.running))

    run(story())


def test_its_status_says_how_it_stands_with_each_colo() -> None:
    async def story() -> None:
        async with colos("lhr", "sin") as (lhr, sin):
            gone = sin.url
            await eventually(lambda: default_peer(lhr)["compared_ms_ago"] is not None)
            assert [(p["colo"], p["urls"], p["up"]) for p in lhr.transport.status()["peers"]] == [("sin", [gone], True)]
            assert (default_peer(lhr)["replica"], default_peer(lhr)["met"]) == (sin.store().id, True)
            await sin.stop()
            await eventually(lambda: not lhr.transport.status()["peers"][0]["up"])
            assert sin.url in lhr.transport.status()["peers"][0]["error"]
            json.dumps(lhr.transport.status())

    run(story())


def default_peer(colo: Colo) -> dict[str, Any]:
    [default, _] = colo.transport.status()["namespaces"]
    [peer] = default["peers"]
    return peer  # type: ignore[no-any-return]


def test_two_clusters_become_one_with_all_that_either_has(tmp_path: Path) -> None:
    """Each has had users, a namespace of one name, and a token: afterwards all of it is at both."""

    async def story() -> None:
        lhr, sin = Colo("lhr", tmp_path / "lhr"), Colo("sin", tmp_path / "sin")
        texts = []
        try:
            for colo in (lhr, sin):
                await colo.start()
                await asyncio.to_thread(colo.node.create, "shop")
                for i in range(3 if colo is lhr else 5):
                    await put(colo, f"{colo.name}{i}", i, "shop")
                    await put(colo, f"{colo.name}{i}", i)
                scopes = [Scope(EVERYWHERE, "", ("admin",))]
                texts.append((await asyncio.to_thread(colo.node.tokens.create, colo.name, scopes))[1])
            shops = {colo.name: colo.node.namespace("shop").id for colo in (lhr, sin)}
            await sin.stop()
            await sin.start(join=[lhr.url])
            await eventually(lambda: same([lhr, sin], "~system", 2) and same([lhr, sin], "default", 2))
            await eventually(lambda: all({*shops.values()} <= colo.node.stores().keys() for colo in (lhr, sin)))
            await eventually(lambda: not lhr.node.withheld and not sin.node.withheld)
            whole = {f"lhr{i}": i for i in range(3)} | {f"sin{i}": i for i in range(5)}
            own = {shops[c]: {k: v for k, v in whole.items() if k.startswith(c)} for c in ("lhr", "sin")}
            both = (lhr, sin)
            await eventually(lambda: all(dict(colo.store()) == whole for colo in both))
            await eventually(lambda: all(dict(colo.store(id)) == own[id] for colo in both for id in own))
            await eventually(lambda: all(_opens(colo.node, text) for colo in both for text in texts))
            assert lhr.node.namespace("shop").id == sin.node.namespace("shop").id
        finally:
            await asyncio.gather(*(colo.stop() for colo in (lhr, sin) if colo.running))

    run(story())


def _opens(node: Node, text: str) -> bool:
    try:
        node.authorize(text, "admin")
    except Unauthorized:
        return False
    return True


def test_what_is_large_goes_through_and_holds_nobody_up() -> None:
    """A blob as large as a value may be nearly is; small writes go on meanwhile."""

    async def story() -> None:
        async with colos("lhr", "sin") as made:
            lhr, sin = made
            large = random.Random(1).randbytes(20 << 20)
            await put(lhr, "large", crdtkv.Blob(large))
            for i in range(20):
                await put(sin, f"k{i}", i)
            await eventually(lambda: same(made))
            assert sin.store()["large"].data == large
            assert lhr.store()["k19"] == 19

    run(story())
