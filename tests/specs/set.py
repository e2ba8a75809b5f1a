"""set: an element is in if an add of it stands (and, under wins=remove, no remove does).

An add replaces whatever it saw, a remove what its base saw. A clear removes all.
"""

from typing import Any

from crdtkv.core import values
from crdtkv.strategies.base import ABSENT
from tests.specs.history import GONE, Effect, Event, Said, Standing, covered, standing

EMPTY = "put empty"


def value(events: list[Event], add_wins: bool) -> Any:
    return read(standing(events, lambda event, now, base: effects(event, now, base, add_wins)), add_wins)


def effects(event: Event, now: Standing, base: Standing, add_wins: bool) -> list[Effect]:
    name, args = event.operation
    if name == "add":
        return [_add(identity(e)) for e in args]
    if name == "remove":
        return _remove(event, now, [identity(e) for e in args], add_wins)
    if name in ("clear", "delete"):
        return _remove(event, now, list(now), add_wins)
    wanted = [identity(e) for e in args[0]]
    before = _present(base, add_wins) if read(now, add_wins) is not ABSENT else []
    out = _remove(event, now, [p for p in before if p not in wanted and p != EMPTY], add_wins)
    out += [_add(p) for p in wanted if p not in before and p not in _present(now, add_wins)]
    if not wanted and EMPTY not in _present(now, add_wins):
        out.append(_add(EMPTY))
    return out


def _add(place: Any) -> Effect:
    return Effect(place, "here", "seen")


def _remove(event: Event, now: Standing, places: list[Any], add_wins: bool) -> list[Effect]:
    there = [p for p in places if p in _present(now, add_wins)]
    return [Effect(p, GONE, "base") for p in there if not add_wins or covered(now[p], event)]


def _in(said: Said, add_wins: bool) -> bool:
    return (any if add_wins else all)(s is not GONE for _, s in said)


def _present(stands: Standing, add_wins: bool) -> list[Any]:
    return [p for p, said in stands.items() if _in(said, add_wins)]


def identity(element: Any) -> bytes:
    return values.pack_canonical(element)


def read(stands: Standing, add_wins: bool) -> Any:
    there = _present(stands, add_wins)
    if not there:
        return ABSENT
    return sorted((values.unpack(p) for p in there if p != EMPTY), key=values.sort_key)
