"""The transport of a node: links to other colos, a machine for each namespace, a clock that ticks.

Law of this room: addresses come from the settings, from the letters of their colos, and
from the system namespace, `peer/colo`; a colo is known by its name, whatever its address.
Who knows the cluster's secret may speak for any colo of it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from ipaddress import ip_address
from itertools import count
from random import Random, SystemRandom
from ssl import SSLContext
from typing import Any, TypeVar
from urllib.parse import urlsplit

from crdtkv.core.views import colo_of
from crdtkv.errors import CrdtkvError
from crdtkv.gossip.machine import Gossip
from crdtkv.gossip.settings import Send, Settings
from crdtkv.node.catalogue import PEERS
from crdtkv.node.naming import SYSTEM_ID
from crdtkv.node.node import Node, is_new
from crdtkv.store import door
from crdtkv.store.opening import is_colo
from crdtkv.store.store import Store
from crdtkv.transport.actor import Act, Actor, now_ms
from crdtkv.transport.calls import Calls
from crdtkv.transport.door import Door
from crdtkv.transport.leaving import Leaving
from crdtkv.transport.letters import Letter, Message
from crdtkv.transport.link import Link, backoff
from crdtkv.transport.office import Office
from crdtkv.transport.settled import Settled
from crdtkv.transport.wire import Unreached, Wire

__all__ = [
    "FORGET_S", "FOUNDER_MS", "IDLE_MS", "IDLE_TICKS", "LEAVE_S", "MAX_PEERS", "PULLS", "TEND_S", "THREADS",
    "TICK_S", "Transport",
]  # fmt: skip

THREADS = 4
TICK_S = 0.05
IDLE_MS = 2_000
"""A namespace in which nothing happened for so long ticks each `IDLE_TICKS` only."""

IDLE_TICKS = 10
LEAVE_S = 0.25
"""What is to go is looked after so often."""

FOUNDER_MS = 5_000
"""A new store of a namespace that another colo began waits so long for that one."""

FORGET_S = 10.0
"""A step of the purge floor."""

TEND_S = 3_600.0

MAX_PEERS = 1_024
PULLS = 3
"""Colos asked at once for what a request waits for."""

_T = TypeVar("_T")
_log = logging.getLogger("crdtkv")


class Transport:
    """Carries the messages of `node`'s namespaces. Its methods are for one event loop, `start` to `stop`.

    `door` answers what comes to `/gossip/v1`. `url`: where others reach it; "": nobody
    is told. `join`: URLs of others. `secrets`: of the cluster, the first is used, all are taken. `tls`: whose
    certificates others must show. `source`: the address of this machine that it speaks from; "": any.
    `forget_s`: how often what is deleted everywhere is dropped; None: never.
    """

    def __init__(
        self, node: Node, *, url: str = "", join: Iterable[str] = (), secrets: Sequence[bytes] = (),
        tls: SSLContext | None = None, source: str = "", forget_s: float | None = FORGET_S,
        dice: Random | None = None, settings: Settings | None = None,
    ) -> None:  # fmt: skip
        self.node = node
        node.meet()
        self.office = Office(node.colo, secrets, _reachable(url))
        self.door = Door(self.office, self._deliver)
        self._join = tuple(dict.fromkeys(join))
        self._source, self._forget_s = source, forget_s
        self._calls = Calls(tls, source)
        self._dice = dice or SystemRandom()
        self._settings = settings
        self._actors: dict[str, Actor] = {}
        self._links: dict[str, Link] = {}
        self.heralds: dict[str, Callable[[str, bytes], None]] = {}
        """A word that is no namespace's id -> who takes what other colos tell all under it: their name, and that."""
        self._tasks: set[asyncio.Task[Any]] = set()
        self._stopping = self._refreshing = self._stale = False
        self._leaving = Leaving(node, self._actors, self._hide)

    # begin and end

    async def start(self) -> None:
        """It speaks and listens. Once."""
        self._loop = asyncio.get_running_loop()
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="crdtkv-gossip")
        self.node.waiting.pull = self._pull
        self.node.listeners.append(self._on_namespace)
        for store in [self.node.system, *self.node.stores().values()]:
            self._open(store)
        if not self._join:
            await self._in_thread(self.node.found)
        await self._refresh()
        for url in self._join:
            self._spawn(self._scout(url))
        self._spawn(self._tick())
        self._spawn(self._leave())
        if self._forget_s is not None:
            self._spawn(self._care(self._forget_s))

    async def stop(self, seconds: float = 2.0) -> None:
        """Peers are told, what is queued is sent as far as `seconds` go, and nothing is taken any more. Idempotent."""
        if self._stopping:
            return
        self._stopping = self.door.closed = True
        self.node.listeners.remove(self._on_namespace)
        self.node.waiting.pull = lambda namespace, lacking: None
        await _cancelled(self._tasks)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await asyncio.gather(*map(self._farewell, list(self._actors.values())))
                await asyncio.gather(*(link.flushed() for link in self._links.values() if not link.failures))
        for actor in self._actors.values():
            actor.close()
        await asyncio.gather(*(link.close() for link in self._links.values()))
        self._calls.close()
        await asyncio.to_thread(self._pool.shutdown)

    async def _farewell(self, actor: Actor) -> None:
        self._post(actor.id, await actor.ask(lambda machine, now, dice: machine.goodbye(now)))

    def set_secrets(self, secrets: Sequence[bytes]) -> None:
        """The first seals from now on, all open."""
        self.office.set_secrets(secrets)

    def set_tls(self, tls: SSLContext | None) -> None:
        """Whose certificates others must show from now on, where a connection is opened."""
        old, self._calls = self._calls, Calls(tls, self._source)
        old.retire()

    def status(self) -> dict[str, Any]:
        """How it stands with other colos, as plain data. O(peers of each namespace); waits for locks: in a thread."""
        office = self.office
        peers = [
            {
                "colo": colo, "urls": list(link.wire.urls), "up": not link.failures, "failures": link.failures,
                "error": link.words if link.failures else "", "queued": link.queued,
            }
            for colo, link in sorted(self._links.items())
        ]  # fmt: skip
        counts = {
            "sent": dict(office.sent), "received": dict(office.received), "refused": dict(office.refused),
            "dropped": dict(office.dropped),
        }  # fmt: skip
        namespaces = [actor.status() for _, actor in sorted(self._actors.items())]
        return {"peers": peers, "doubled": office.doubled, **counts, "namespaces": namespaces}

    @property
    def left(self) -> bool:
        """Whether this colo has left the cluster, and another knows."""
        return self._leaving.left

    # namespaces

    def _on_namespace(self, id: str, store: Store | None) -> None:
        """From any thread."""
        act = partial(self._drop, id) if store is None else partial(self._open, store)
        self._loop.call_soon_threadsafe(act)

    def _open(self, store: Store) -> None:
        if not door.is_open(store) or self._stopping:
            return
        id = store.namespace
        actor = Actor(store, self._pool, self._dice, partial(self._post, id), self._moved, self._settings)
        if is_new(store):
            actor.founder = self.node.founder(id)  # what it has was acknowledged: others join it, and not it others
        self._actors[id] = actor
        for colo in self._links:
            self._introduce(actor, colo)

    def _release(self, actor: Actor) -> None:
        """It has joined: it is served. Or its founder is not to be reached: now all are met."""
        withheld = actor.id in self.node.withheld
        if not withheld and not actor.founder:
            return
        met = not is_new(actor.store)
        patient = now_ms() - actor.opened_ms <= FOUNDER_MS
        if withheld and met:
            self._spawn(self._serve(actor.id))
        if actor.founder and (met or not patient):
            actor.founder = ""
            for colo in self._links:
                self._introduce(actor, colo)

    async def _serve(self, id: str) -> None:
        await self._in_thread(partial(self.node.serve, id))

    def _drop(self, id: str) -> None:
        actor = self._actors.pop(id, None)
        if actor is not None:
            actor.close()

    def _moved(self, actor: Actor) -> None:
        """Something was absorbed."""
        self.node.waiting.arrived(actor.id)
        self._release(actor)
        if actor.id == SYSTEM_ID and not self._stopping:
            self._stale = True
            if not self._refreshing:
                self._spawn(self._refresh())

    async def _refresh(self) -> None:
        """What the system namespace says is done: stores opened and closed, addresses learnt."""
        self._refreshing = self._stale = True
        try:
            while self._stale:
                self._stale = False
                await self._in_thread(self.node.refresh)
                await self._in_thread(self._advertise)
                for colo, url in (await self._in_thread(self._addresses)).items():
                    self._meet(colo, [url])
                self._part()
                for actor in self._actors.values():
                    for colo in self._links.keys() - actor.peers:
                        self._introduce(actor, colo)
        finally:
            self._refreshing = False

    # peers

    async def _scout(self, url: str) -> None:
        """Ask until somebody answers there; then it is known who."""
        wire, failures = Wire(self.office, lambda: self._calls, [url]), 0
        while True:
            try:
                letter = await wire.exchange([])
            except Unreached as error:
                failures += 1
                (_log.warning if failures == 1 else _log.debug)("%s", error)
                await asyncio.sleep(backoff(failures, self._dice))
            else:
                self._meet(letter.colo, [letter.url, url])
                return

    def _meet(self, colo: str, urls: Iterable[str]) -> None:
        """That colo is there, reached at those, the first most likely."""
        if colo in (self.node.colo, *self.node.departed) or not is_colo(colo) or self._stopping:
            return
        link, given = self._links.get(colo), [url for url in urls if url]
        if link is not None:
            for url in reversed(given):
                link.learn(url)
        elif len(self._links) < MAX_PEERS:
            wire = Wire(self.office, lambda: self._calls, given, colo)
            self._links[colo] = Link(self.office, wire, self._answered, self._dice)
            for actor in self._actors.values():
                self._introduce(actor, colo)

    def _introduce(self, actor: Actor, colo: str) -> None:
        """The machine exchanges with that colo, if it holds the namespace too."""
        if actor.founder not in ("", colo):
            return
        if self._shares(actor, colo):
            actor.peers.add(colo)
            self._ask(actor, partial(_greet, colo))

    def _shares(self, actor: Actor, colo: str) -> bool:
        return actor.id == SYSTEM_ID or self.node.holds(actor.id, colo)

    def _part(self) -> None:
        """Nothing more is said to colos that have left, nor of a namespace to those that hold it no more."""
        departed = self.node.departed
        for colo in departed & self._links.keys():
            self._spawn(self._links.pop(colo).close())
        for actor in self._actors.values():
            for colo in [colo for colo in actor.peers if colo in departed or not self._shares(actor, colo)]:
                actor.peers.discard(colo)
                self._ask(actor, partial(_forget, colo))

    def _advertise(self) -> None:
        """In a thread: the system namespace says where this colo is reached, as soon as it may be written to."""
        key, url, system = PEERS + self.node.colo, self.office.url, self.node.system
        try:
            if url and not self.node.leaving and (key not in system or system[key] != url):
                system.put(key, url, strategy="lww")
        except CrdtkvError as error:  # a restored copy, say, that has not met a member yet
            _log.warning("others are not told yet that %s is at %s: %s", self.node.colo, url, error)

    def _hide(self) -> None:
        """In a thread: the system namespace says no more where this colo is reached, which is about to leave it."""
        key, system = PEERS + self.node.colo, self.node.system
        if not door.replica(system).state.left and key in system:
            system.delete(key)

    async def _leave(self) -> None:
        while True:
            await asyncio.sleep(LEAVE_S)
            if self._leaving.due and not self._leaving.left:
                await self._in_thread(self._leaving.step)

    def _addresses(self) -> dict[str, str]:
        """In a thread: what the system namespace says."""
        found = {e.key.removeprefix(PEERS): e.value for e in self.node.system.scan(PEERS)}
        return {colo: url for colo, url in found.items() if isinstance(url, str) and url.startswith("http")}

    # messages

    def tell_all(self, word: str, data: bytes) -> None:
        """Each colo that is reached takes that, if a herald there does: once, or not at all. In the event loop."""
        for link in self._links.values():
            link.put([(word, data)])

    def _deliver(self, letter: Letter, answered: Callable[[list[Message]], None]) -> None:
        """A letter came; `answered` is told what is answered."""
        asked = self._hand(letter)
        Settled([future for _, future in asked], lambda: answered(self._answer(letter, asked)))

    def _answer(self, letter: Letter, asked: list[tuple[str, asyncio.Future[list[Send]]]]) -> list[Message]:
        answer: list[Message] = []
        for id, future in asked:
            if future.done():
                mine = [send for send in future.result() if send.peer == letter.colo]
                answer += ((id, send.data) for send in mine)
                self._post(id, (send for send in future.result() if send.peer != letter.colo))
            else:
                self._post_later(id, future)
        link = self._links.get(letter.colo)
        return answer + link.take() if link is not None else answer

    async def _answered(self, letter: Letter) -> None:
        for id, future in self._hand(letter):
            self._post_later(id, future)

    def _hand(self, letter: Letter) -> list[tuple[str, asyncio.Future[list[Send]]]]:
        """What is for each namespace goes to its machine."""
        self._meet(letter.colo, [letter.url])
        came: dict[str, list[bytes]] = {}
        for id, data in letter.messages:
            if id in self.heralds:
                self.heralds[id](letter.colo, data)
            else:
                came.setdefault(id, []).append(data)
        asked = []
        for id, messages in came.items():
            actor = self._actors.get(id)
            if actor is None or self._stopping:
                self.office.dropped["namespace not here"] += len(messages)
            elif actor.founder not in ("", letter.colo):
                self.office.dropped["not joined yet"] += len(messages)
            else:
                asked.append((id, actor.take(letter.colo, messages)))
        return asked

    def _post(self, id: str, sends: Iterable[Send]) -> None:
        for peer, data in sends:
            link = self._links.get(peer)
            if link is None:
                self.office.dropped["no address"] += 1
            else:
                link.put([(id, data)])

    def _post_later(self, id: str, future: asyncio.Future[list[Send]]) -> None:
        future.add_done_callback(lambda done: None if done.cancelled() else self._post(id, done.result()))

    def _ask(self, actor: Actor, act: Act) -> None:
        self._post_later(actor.id, actor.ask(act))

    def _pull(self, id: str, lacking: dict[str, int]) -> None:
        """A request waits for that: ask those who wrote it, or whoever is there."""
        actor = self._actors.get(id)
        if actor is None:
            return
        likely = {colo_of(replica) for replica in lacking} & actor.peers
        up = [colo for colo in actor.peers if colo in self._links and not self._links[colo].failures]
        for colo in [c for c in likely if c in up][:PULLS] or (self._dice.sample(up, 1) if up else ()):
            self._ask(actor, partial(_pull, colo))

    # time

    async def _tick(self) -> None:
        for turn in count():
            await asyncio.sleep(TICK_S)
            for i, actor in enumerate(self._actors.values()):
                self._release(actor)
                if not actor.busy and (not self._is_idle(actor) or (turn + i) % IDLE_TICKS == 0):
                    self._ask(actor, _tick)

    @staticmethod
    def _is_idle(actor: Actor) -> bool:
        return now_ms() - actor.active_ms > IDLE_MS

    async def _care(self, forget_s: float) -> None:
        """What is deleted everywhere is forgotten; of the past, once in a while, what is too old."""
        tended = self._loop.time() - self._dice.random() * TEND_S  # not all colos at once
        for turn in count():
            await asyncio.sleep(forget_s * (0.5 + self._dice.random()))
            self._part()
            late = self._loop.time() - tended > TEND_S
            for i, actor in enumerate(list(self._actors.values())):
                if not self._is_idle(actor) or (turn + i) % IDLE_TICKS == 0:
                    await self._in_thread(actor.forget)
                if late:
                    await self._in_thread(actor.tend)
            tended = self._loop.time() if late else tended

    async def _in_thread(self, act: Callable[[], _T]) -> _T:
        return await self._loop.run_in_executor(self._pool, act)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _log.error("the transport of %s lost a task", self.node.colo, exc_info=task.exception())


def _tick(machine: Gossip, now: int, dice: Random) -> list[Send]:
    return machine.on_tick(now, dice)


def _greet(colo: str, machine: Gossip, now: int, dice: Random) -> list[Send]:
    machine.add_peer(colo)
    return machine.greet(colo, now, dice)


def _forget(colo: str, machine: Gossip, now: int, dice: Random) -> list[Send]:
    machine.drop_peer(colo)
    return []


def _pull(colo: str, machine: Gossip, now: int, dice: Random) -> list[Send]:
    return machine.pull(colo, now, dice)


def _reachable(url: str) -> str:
    """The URL, if anybody can reach it: "all addresses" is none to call."""
    host = urlsplit(url).hostname or ""
    try:
        everywhere = ip_address(host).is_unspecified
    except ValueError:
        everywhere = False
    if everywhere:
        _log.warning("other colos cannot call %s: set advertise to the URL at which they reach this one", url)
    return "" if everywhere else url


async def _cancelled(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
