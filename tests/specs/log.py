"""log: every entry appended, by (stamp, replica, n, index), but for those a trim, keep, remove or delete had seen."""

from typing import Any

from crdtkv.core.clocks import make_stamp
from crdtkv.strategies.base import ABSENT
from tests.specs.history import GONE, Effect, Event, Standing, covered, live, standing

EMPTY = "put empty"


def value(events: list[Event]) -> Any:
    return read(standing(events, effects))


def effects(event: Event, now: Standing, base: Standing) -> list[Effect]:
    name, args = event.operation
    if name == "append":
        return _append(event, args, event.stamp)
    if name == "put":
        shown = (read(base) or []) if read(now) is not ABSENT else []
        if not args[0] and EMPTY not in _there(now):
            return [Effect(EMPTY, "here", "seen")]
        last = max((p[0] for p in _there(now) if p != EMPTY), default=-1)
        return _append(event, args[0][len(shown) :], max(event.stamp, last + 1))
    entries = sorted(p for p in _there(now) if p != EMPTY)
    if name == "remove":
        gone = entries[args[0] :][: args[1] if len(args) > 1 else 1]
        return [Effect(p, GONE, "base") for p in gone if covered(now[p], event)]
    if name == "trim":
        entries = [p for p in entries if p[0] < make_stamp(args[0])]
    elif name == "keep":
        entries = entries[: max(0, len(entries) - args[0])]
    seen = [p for p in entries if covered(now[p], event)]
    if seen or (name == "delete" and covered(now.get(EMPTY, []), event)):
        return [Effect(p, GONE, "base") for p in [*seen, EMPTY]]
    return []


def _append(event: Event, added: Any, stamp: int) -> list[Effect]:
    return [Effect((stamp, *event.dot, i), v, "seen") for i, v in enumerate(added)]


def _there(stands: Standing) -> list[Any]:
    return [p for p, said in stands.items() if live(said)]


def read(stands: Standing) -> Any:
    there = _there(stands)
    if not there:
        return ABSENT
    return [live(stands[p])[0] for p in sorted(p for p in there if p != EMPTY)]
