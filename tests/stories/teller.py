"""Stories: prose, commands and what the colos said.

A story is a text file. A line `lhr> put todo [1,2] as json` is a command at a colo, `> sync lhr sin`
one to the world, and `all> get todo` asks every colo that is open. What follows it, indented by two
spaces, is what was said; everything else is prose. Told again, a story must say the same: the clock
(a millisecond per command, more when told) and the names of incarnations are decided here.

At the end of every story each store passes its own `check`, and digests are equal where vectors and
purge floors are: no story needs to say so.
"""

from __future__ import annotations

import json
import random
import re
import shutil
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import crdtkv
from crdtkv.core import values
from crdtkv.core.wire import CatchUp, Record, decode, encode
from crdtkv.replica import cutting, exchange
from crdtkv.replica.exchange import Outcome

__all__ = ["StoryError", "World", "parse", "tell"]

START_MS = 1_767_261_600_000  # 2026-01-01 10:00 UTC
_COMMAND = re.compile(r"(?P<who>[a-z0-9-]*)> (?P<words>.*)")
_FAMILIES = ("counter", "set", "list", "log", "flag")


class StoryError(Exception):
    """The story itself is wrong: a command that there is not, a name that was not given."""


def tell(text: str, folder: Path) -> str:
    """The story as it is told now, its stores in files in `folder`."""
    with World(folder) as world:
        out = []
        for line in text.splitlines():
            if line.startswith("  "):
                continue
            out.append(line)
            if command := _COMMAND.fullmatch(line):
                out += [f"  {said}".rstrip() for said in world.do(command["who"], command["words"])]
        world.check()
    return "\n".join(out) + "\n"


def parse(words: str) -> list[Any]:
    """The words of a command: a JSON value is one word and its value, the rest is text.

    >>> parse('put todo [1, 2] as json')
    ['put', 'todo', Json([1, 2]), 'as', 'json']
    """
    out: list[Any] = []
    at = 0
    while at < len(words):
        if words[at] == " ":
            at += 1
            continue
        end = _json_end(words, at)
        if end is None:
            end = (words + " ").index(" ", at)
            out.append(words[at:end])
        else:
            out.append(Json(words[at:end]))
        at = end
    return out


class Json:
    """A JSON value in a command, read as a door reads it: when it is asked for."""

    def __init__(self, text: str) -> None:
        self.text = text

    @property
    def value(self) -> Any:
        return values.parse_json(self.text)

    def __repr__(self) -> str:
        return f"Json({self.text})"


def _json_end(words: str, at: int) -> int | None:
    try:
        _, end = json.JSONDecoder().raw_decode(words, at)
    except ValueError:
        return None
    return end if words[end : end + 1] in ("", " ") else None


class World:
    """Colos by name, their clocks, their files, and what travels between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.stores: dict[str, crdtkv.Store] = {}
        self.open_blocks: dict[str, tuple[ExitStack, crdtkv.Transaction]] = {}
        self.now_ms = START_MS
        self.offsets: dict[str, int] = {}
        self.names: dict[str, str] = {}  # what a story calls a version, a cursor
        self.sent: dict[str, list[bytes]] = {}  # the records that a colo has minted and not yet pushed
        self.cut: dict[str, bytes] = {}  # catch-ups on their way
        self.dice: dict[str, random.Random] = {}
        self.lives: dict[str, int] = {}

    def __enter__(self) -> World:
        return self

    def __exit__(self, *exc: object) -> None:
        for block, _ in self.open_blocks.values():
            block.close()
        for store in self.stores.values():
            store.close()

    # the script

    def do(self, who: str, words: str) -> list[str]:
        """Carry out one command; the lines it says."""
        self.now_ms += 1
        name, *rest = words.split(" = ", 1) if re.match(r"\w+ = ", words) else ("", words)
        command, *args = parse(rest[0])
        if who == "all":
            said = {colo: self._ask(colo, "", str(command), args) for colo in self.stores}
            if len({tuple(lines) for lines in said.values()}) == 1:
                return next(iter(said.values()))
            return [f"{colo}: {line}" for colo, lines in said.items() for line in lines]
        return self._ask(who, name, str(command), args)

    def _ask(self, who: str, name: str, command: str, args: list[Any]) -> list[str]:
        place: Any = self._at(who) if who else self
        method: Callable[..., Any] | None = getattr(place, f"do_{command.replace('-', '_')}", None)
        if method is None:
            raise StoryError(f"there is no command {command!r} {'at a colo' if who else 'of the world'}")
        try:
            said = method(*args)
        except crdtkv.CrdtkvError as error:
            return [
                self._hide(f"error {error.code}: {error}"),
                self._hide(f"  happened: {error.happened}; next: {error.next_step}"),
            ]
        if isinstance(said, Named):
            if name:
                self.names[name] = said.name
            said = said.lines
        elif name:
            raise StoryError(f"{command!r} gives nothing to call {name!r}")
        return [self._hide(line) for line in ([said] if isinstance(said, str) else said or [])]

    def _at(self, colo: str) -> Colo:
        if colo not in self.stores:
            raise StoryError(f"there is no colo {colo!r}; there are {', '.join(self.stores)}")
        return Colo(self, colo)

    def _hide(self, words: str) -> str:
        """Without what differs from machine to machine, and with the story's own names for versions and cursors."""
        words = words.replace(str(self.folder), "...")
        for name, said in self.names.items():
            if len(said) > 8:
                words = words.replace(said, name).replace(repr(said)[:80], repr(name))
        return words

    def named(self, name: str) -> str:
        """What a story calls `name`; a version may also be written out."""
        return self.names.get(name, name)

    def check(self) -> None:
        """What holds at the end of any story."""
        seen: dict[Any, str] = {}
        for colo, store in self.stores.items():
            assert store.check() == [], f"{colo}: {store.check()}"
            at = (store._replica.state.namespace, tuple(sorted(store.vector.items())), store.floor)
            assert seen.setdefault(at, store.digest()) == store.digest(), f"{colo} differs at an equal vector"

    # colos

    def open(self, colo: str, path: Path | None = None) -> crdtkv.Store:
        """Open the file of a colo."""
        dice = self.dice.setdefault(colo, random.Random(f"{colo}/0"))

        def clock() -> float:
            return (self.now_ms + self.offsets.get(colo, 0)) / 1000

        store = crdtkv.open(
            path or self.folder / f"{colo}.db", colo=colo, clock=clock, random=dice, purge_step_ms=1
        )  # fmt: skip
        outbox = self.sent.setdefault(colo, [])
        store.on_commit.append(lambda record, data: outbox.append(data))
        return store

    def do_colos(self, *colos: str) -> None:
        """Open these colos, and make them members of one namespace."""
        for colo in colos:
            self.stores[colo] = self.open(colo)
        for other in colos[1:]:
            self._exchange(colos[0], other)
        if len(colos) > 1:
            self.do_sync()
        for colo in colos:
            self.sent[colo].clear()

    def do_open(self, *colos: str) -> None:
        """Open these colos, each a namespace of its own until it syncs."""
        for colo in colos:
            self.stores[colo] = self.open(colo)

    def do_open_again(self, colo: str) -> None:
        """What a second process does: open the file that is open already."""
        self.open(colo).close()

    def do_close(self, *colos: str) -> None:
        """Let go of the files."""
        for colo in colos or tuple(self.stores):
            self.stores.pop(colo).close()

    def do_restart(self, colo: str) -> None:
        """Close and open again."""
        self.stores[colo].close()
        self.sent[colo].clear()
        self.stores[colo] = self.open(colo)

    def do_backup(self, colo: str) -> None:
        """Copy a colo's file, as it is now."""
        self.stores[colo].close()
        shutil.copy(self.folder / f"{colo}.db", self.folder / f"{colo}.bak")
        self.stores[colo] = self.open(colo)

    def do_restore(self, colo: str) -> None:
        """Put the copy in the place of a colo's file."""
        self.stores[colo].close()
        self.sent[colo].clear()
        copy = self.folder / f"{colo}.tmp"
        shutil.copy(self.folder / f"{colo}.bak", copy)
        copy.replace(self.folder / f"{colo}.db")  # another inode, as a restored file has
        self.stores[colo] = self.open(colo)

    def do_wipe(self, colo: str) -> None:
        """The disk of a colo is lost; it starts with an empty one."""
        self.stores[colo].close()
        self.sent[colo].clear()
        for file in self.folder.glob(f"{colo}.db*"):
            file.unlink()
        self.stores[colo] = self.open(colo)

    # time

    def do_clock(self, *words: str) -> str | None:
        """`clock +5s`: time passes everywhere. `clock lhr +5s`: the clock of one colo goes wrong."""
        ms = _ms(words[-1])
        if len(words) == 1:
            self.now_ms += ms
        else:
            self.offsets[words[0]] = self.offsets.get(words[0], 0) + ms

    # exchange

    def do_sync(self, *colos: str) -> list[str]:
        """These two exchange both ways; of more, or all, each with each until nobody lacks anything."""
        given = colos or tuple(self.stores)
        if len(given) == 2:
            return self._exchange(*given)
        refused: list[str] = []
        for _ in range(3):
            for a, b in zip(given, (*given[1:], given[0]), strict=True):
                refused += self._exchange(a, b)
        return sorted(set(refused))

    def _exchange(self, one: str, other: str) -> list[str]:
        """Who is refused. What had to be mended in an exchange would hide what the story is about."""
        report = self.stores[one].sync(self.stores[other])
        if report.repairs:
            raise StoryError(f"{one} and {other} differed where they must not, and an exchange mended it")
        return list(report.refused)

    def do_push(self, source: str, target: str, *which: str) -> str:
        """The records that `source` has minted reach `target`, in this order (1 2 2 ..., or all)."""
        pushed = self.sent[source]
        numbers = [int(w.text if isinstance(w, Json) else w) for w in which] or range(1, len(pushed) + 1)
        said = [self.receive(target, pushed[n - 1]) for n in numbers]
        return ", ".join(said) or "nothing to push"

    def do_forget(self, source: str) -> None:
        """What `source` has minted so far is not pushed again."""
        self.sent[source].clear()

    def do_cut(self, source: str, target: str, name: str) -> None:
        """A catch-up for what `target` lacks now; it is on its way."""
        one = self.stores[source]
        with one._lock:
            self.cut[name] = encode(cutting.catch_up(one._replica, self.stores[target].vector))

    def do_arrive(self, target: str, name: str) -> str:
        """A catch-up reaches `target`."""
        return self.receive(target, self.cut[name])

    def receive(self, target: str, data: bytes) -> str:
        """A message reaches a colo: absorbed, known, waiting, refused or unfit."""
        store = self.stores[target]
        message = decode(data)
        with store._lock:
            if isinstance(message, Record):
                outcome: Outcome = exchange.receive(store._replica, message, data)
            else:
                assert isinstance(message, CatchUp)
                outcome = exchange.absorb(store._replica, message)
            store._writer.changed.notify_all()
        return str(outcome.value)

    def do_purge(self) -> None:
        """All exchange and forget, until nobody has anything left to forget."""
        for _ in range(4):
            self.now_ms += 20_000
            self.do_sync(*self.stores)
            for store in self.stores.values():
                store.compact()

    def do_same(self) -> str:
        """Whether every colo reads every key the same."""
        read = {colo: [_entry(e) for e in store.scan()] for colo, store in self.stores.items()}
        if len({repr(entries) for entries in read.values()}) == 1:
            return f"{', '.join(read)} read the same"
        return "; ".join(f"{colo} reads {entries}" for colo, entries in read.items())


class Named:
    """What a command says, and what a story may give a name: a version or a cursor."""

    def __init__(self, lines: str | list[str], name: str) -> None:
        self.lines = lines
        self.name = name


class Colo:
    """The commands at one colo."""

    def __init__(self, world: World, colo: str) -> None:
        self.world = world
        self.colo = colo
        self.store = world.stores[colo]

    @property
    def kv(self) -> Any:
        """The store, or the transaction that is open in it."""
        block = self.world.open_blocks.get(self.colo)
        return block[1] if block else self.store

    # writes

    def do_put(self, key: str, value: Any, *options: Any) -> Named:
        given = self._options(options)
        return self._receipt(self.kv.put(key, value.value if isinstance(value, Json) else value, **given))

    def do_delete(self, key: str, *options: Any) -> Named:
        return self._receipt(self.kv.delete(key, **self._options(options)))

    def do_patch(self, key: str, patch: Json, *options: Any) -> Named:
        return self._receipt(self.kv.patch(key, patch.value, **self._options(options)))

    def do_expire(self, key: str, after: str) -> Named:
        return self._receipt(self.kv.expire(key, None if after == "never" else _ms(after) / 1000))

    def do_revert(self, key: str, version: str) -> Named:
        return self._receipt(self.kv.revert(key, self.world.named(version)))

    def do_json(self, key: str, pointer: str, *words: Any) -> Any:
        """`json doc /hits counter add 1`, `json doc /a put 1`."""
        if words[0] in _FAMILIES:
            return self._handle(getattr(self.kv.json(key), words[0])(pointer), words[1:])
        return self._handle(self.kv.json(key).at(pointer), words)

    def _family(self, family: str, key: str, words: tuple[Any, ...]) -> Any:
        return self._handle(getattr(self.kv, family)(key), words)

    def do_counter(self, key: str, *words: Any) -> Any:
        return self._family("counter", key, words)

    def do_set(self, key: str, *words: Any) -> Any:
        return self._family("set", key, words)

    def do_list(self, key: str, *words: Any) -> Any:
        return self._family("list", key, words)

    def do_log(self, key: str, *words: Any) -> Any:
        return self._family("log", key, words)

    def do_flag(self, key: str, *words: Any) -> Any:
        return self._family("flag", key, words)

    def _handle(self, handle: Any, words: tuple[Any, ...]) -> Any:
        name, args, options = str(words[0]), [], []
        for at, word in enumerate(words[1:], 1):
            if word in ("base", "once"):
                options = list(words[at:])
                break
            args.append(word.value if isinstance(word, Json) else word)
        return self._receipt(getattr(handle, name)(*args, **self._options(options)))

    def _options(self, words: Any) -> dict[str, Any]:
        out: dict[str, Any] = {}
        named = self.world.named
        for name, value in zip(words[::2], words[1::2], strict=True):
            if name == "as":
                out["strategy"] = value
            elif name == "base":
                out["base"] = named(value)
            elif name == "if":
                out["if_version"] = None if value == "none" else named(value)
            elif name == "ttl":
                out["ttl"] = _ms(value) / 1000
            elif name == "once":
                out["idempotency_key"] = value
            else:
                raise StoryError(f"there is no option {name!r}")
        return out

    def _receipt(self, receipt: Any) -> Named:
        return Named("absent" if not receipt.strategy else values.to_json(receipt.value), receipt.version)

    # transactions

    def do_begin(self) -> None:
        block = ExitStack()
        self.world.open_blocks[self.colo] = (block, block.enter_context(self.store.transaction()))

    def do_commit(self) -> None:
        self.world.open_blocks.pop(self.colo)[0].close()

    def do_give_up(self) -> None:
        class GivenUp(Exception):
            pass

        block, _ = self.world.open_blocks.pop(self.colo)
        with suppress(GivenUp):
            block.__exit__(GivenUp, GivenUp(), None)

    # reads

    def do_get(self, key: str, *options: str) -> Any:
        entry = self.kv.get(key, at=self.world.named(options[1]) if options else None)
        return "absent" if entry is None else Named(_entry(entry), entry.version)

    def do_keys(self, prefix: str = "") -> str:
        return ", ".join(self.kv.keys(prefix)) or "none"

    def do_history(self, key: str) -> list[str]:
        return [
            f"by {r.replica.split('~')[0]}: "
            + ("not known here" if not r.known else "absent" if r.value is None else values.to_json(r.value))
            for r in self.store.history(key)
        ]  # fmt: skip

    def do_diff(self, key: str, *versions: str) -> list[str]:
        return [values.to_json(op) for op in self.store.diff(key, *map(self.world.named, versions))]

    def do_blame(self, key: str) -> list[str]:
        return [
            f"{b.path or '(whole)'} {values.to_json(b.value)}: {b.replica.split('~')[0]}" for b in self.store.blame(key)
        ]

    def do_conflicts(self, prefix: str = "") -> list[str]:
        found = self.store.conflicts(prefix)
        return [
            f"{n}. {c.key}{c.path}: {c.reason}: {values.to_json(c.value)}, beaten by {values.to_json(c.winner)}"
            for n, c in enumerate(found, 1)
        ] or ["none"]  # fmt: skip

    def do_bring_back(self, number: Any) -> Named:
        """Restore the n-th conflict."""
        n = int(number.text if isinstance(number, Json) else number)
        if n > len(self.store.conflicts()):
            raise StoryError(f"there is no conflict {n} to bring back")
        return self._receipt(self.store.conflicts()[n - 1].restore())

    def do_watch(self, *options: str) -> Named:
        """The changes since a cursor (or from now on), and where that leaves off."""
        since = self.world.named(options[1]) if options else None
        cursor = since or ""
        said = []
        if since is None:
            from crdtkv.store.watching import cursor_of

            vector = self.store.vector
            return Named([], cursor_of((vector, vector, "")))
        for change in self.store.watch(since=since, timeout=0):
            cursor = change.cursor
            if change.reset:
                said.append("reset")
            else:
                said.append(f"{change.key}: {_entry(change.entry)[0] if change.entry else 'absent'}")
        return Named(said or ["nothing"], cursor)

    def do_cells(self, key: str) -> str:
        """How many cells a key holds, tombstones too."""
        return str(len(self.store._replica.storage.cells(key)))

    # care

    def do_compact(self) -> str:
        return f"{self.store.compact()} dropped"

    def do_rule(self, pattern: str, strategy: str, *options: Json) -> None:
        self.store.rules.set(pattern, strategy, **(options[0].value if options else {}))

    def do_migrate(self, pattern: str, *dry: str) -> list[str]:
        return [
            f"{m.key}: {m.old} -> {m.new}: " + (m.problem or f"{values.to_json(m.before)} -> {values.to_json(m.after)}")
            for m in self.store.rules.migrate(pattern, dry_run=bool(dry))
        ] or ["nothing to do"]  # fmt: skip

    def do_members(self) -> str:
        return ", ".join(sorted(m.split("~")[0] for m in self.store.members))

    def do_incarnation(self) -> Any:
        """Whether this colo still bears the name that it was first asked under."""
        name = f"incarnation/{self.colo}"
        same = self.world.names.setdefault(name, self.store.id) == self.store.id
        self.world.names[name] = self.store.id
        return "as before" if same else "a new one"

    def do_evict(self, colo: str) -> None:
        self.store.evict(colo)

    def do_leave(self) -> None:
        self.store.leave()

    def do_forks(self) -> str:
        count = len(self.store.forks)
        return f"{count} membership conflict{'s' if count != 1 else ''}"

    def do_resolve(self, colo: str) -> None:
        """For what `colo` decided."""
        links = [link for fork in self.store.forks for link in fork if link.startswith(f"{colo}~")]
        self.store.resolve(links[0] if links else colo)

    def do_vector(self) -> str:
        return ", ".join(f"{r.split('~')[0]} {n}" for r, n in sorted(self.store.vector.items()))


def _entry(entry: Any) -> list[str]:
    out = [values.to_json(entry.value)]
    if entry.siblings:
        out.append(f"siblings: {', '.join(map(values.to_json, entry.siblings))}")
    if entry.conflicts:
        out.append(f"conflicts: {', '.join(map(values.to_json, entry.conflicts))}")
    return out


def _ms(words: str) -> int:
    found = re.fullmatch(r"([+-]?\d+)(ms|s|m|h|d|y)", words)
    if not found:
        raise StoryError(f"{words!r} is no time; write +250ms, 10s, 5m, 2h, 1d, 10y")
    unit = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "y": 31_557_600_000}[found[2]]
    return int(found[1]) * unit
