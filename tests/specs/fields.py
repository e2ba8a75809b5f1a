"""hash, zset: each name its last write, plus every add that no write's or remove's base had seen.

A name is there if a write of it stands, or an add of it that no remove's base had seen.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from crdtkv.core import values
from crdtkv.core.clocks import covers
from crdtkv.strategies.base import ABSENT
from tests.specs.history import GONE, Effect, Event, covered, live, standing

EMPTY = None
Done = list[tuple[Event, str, Any, Any]]
"""Event, what it did ("write", "add", "remove"; "empty"), the name, what it said."""


def value(events: list[Event], norm: Callable[[Any], Any], number: Callable[[Fraction], Any]) -> Any:
    done: Done = []
    for event in events:
        now = [d for d in done if covers(event.seen, d[0].dot)]
        base = [d for d in done if covers(event.base, d[0].dot)]
        done += _effects(event, now, base, norm, number)
    return _read(done, number)


def _effects(
    event: Event, now: Done, base: Done, norm: Callable[[Any], Any], number: Callable[[Fraction], Any]
) -> Done:
    name, args = event.operation
    if name == "set":
        pairs = dict(zip(args[::2], args[1::2], strict=True))
        return [(event, "write", field, norm(v)) for field, v in pairs.items()]
    if name == "add":
        there = args[0] in (_shown(now, number) or {})
        return [(event, "add", args[0], Fraction(str(args[1])))] if args[1] or not there else []
    if name == "remove":
        return [(event, "remove", field, None) for field in dict.fromkeys(args)]
    if name in ("clear", "delete"):
        there = {what[2] for what in base} - {EMPTY}
        marked = [(event, "remove", EMPTY, None)] if covered(_places(now).get(EMPTY, []), event) else []
        return [*marked, *((event, "remove", field, None) for field in sorted(there))]
    before = _shown(base, number) or {} if _read(now, number) is not ABSENT else {}
    out: Done = [(event, "remove", field, None) for field in before if field not in args[0]]
    for field, v in args[0].items():
        if field not in before or not values.equal(before[field], norm(v)):
            out.append((event, "write", field, norm(v)))
    if not args[0] and not live(_places(now).get(EMPTY, [])):
        out.append((event, "write", EMPTY, "here"))
    return out


def _places(done: Done) -> Any:
    """The registers that stand."""
    own = {d[0].dot: [x for x in done if x[0].dot == d[0].dot and x[1] != "add"] for d in done}

    def effects(event: Event, now: Any, base: Any) -> list[Effect]:
        out = []
        for _, what, name, said in own[event.dot]:
            if what == "write":
                out.append(Effect(name, said, "seen"))
            elif covered(now.get(name, []), event):
                out.append(Effect(name, GONE, "base"))
        return out

    events = {d[0].dot: d[0] for d in done}
    return standing(list(events.values()), effects)


def _shown(done: Done, number: Callable[[Fraction], Any]) -> dict[str, Any] | None:
    found = _read(done, number)
    return None if found is ABSENT else found


def _read(done: Done, number: Callable[[Fraction], Any]) -> Any:
    registers = _places(done)
    out: dict[str, Any] = {}
    for name in sorted({d[2] for d in done} - {EMPTY}):
        written = live(registers.get(name, []))
        by = {what: [e for e, w, n, _ in done if n == name and w == what] for what in ("write", "remove")}
        adds = [(e, n) for e, w, field, n in done if w == "add" and field == name]
        unseen = [n for e, n in adds if not any(covers(b.base, e.dot) for b in (*by["write"], *by["remove"]))]
        alive = any(not any(covers(b.base, e.dot) for b in by["remove"]) for e, _ in adds)
        if written or alive:
            total = sum(unseen, Fraction(0))
            out[name] = number(total + Fraction(written[-1])) if written and total else (
                written[-1] if written else number(total)
            )
    return out if out or live(registers.get(EMPTY, [])) else ABSENT
