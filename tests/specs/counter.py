"""counter: the sum of all adds that no reset's or delete's base had seen.

Adds under one key count once, and not at all if a reset had seen any of them. It is
there as long as anything ever done to it has not been seen by a delete.
"""

from typing import Any

from crdtkv.core.clocks import covers
from crdtkv.strategies.base import ABSENT
from tests.specs.history import Event

Done = list[tuple[Event, str, int]]  # event, its once key or "" or "reset" or "delete", amount


def value(events: list[Event]) -> Any:
    done: Done = []
    for event in events:
        now = [d for d in done if covers(event.seen, d[0].dot)]
        base = [d for d in done if covers(event.base, d[0].dot)]
        done += effects(event, now, base)
    return read(done)


def effects(event: Event, now: Done, base: Done) -> Done:
    name, args = event.operation
    shown = read(now)
    if name == "add" and len(args) == 2:
        return [] if any(what == args[1] for _, what, _ in now) else [(event, args[1], args[0])]
    if name in ("add", "put"):
        before = (read(base) or 0) if name == "put" and shown is not ABSENT else 0
        n = args[0] - before
        return [(event, "", n)] if n or shown is ABSENT else []
    if name == "reset" and (shown is ABSENT or not _takes(event, now)):
        return []
    return [(event, name, 0)]


def _takes(event: Event, now: Done) -> bool:
    """Whether it sees something that is not cancelled yet."""
    return any(covers(event.base, e.dot) and n and not _cancelled((e, what, n), now) for e, what, n in now)


def _cancelled(add: tuple[Event, str, int], done: Done) -> bool:
    """Whether a reset or delete had seen the add, or another under its key."""
    same = [e for e, what, _ in done if what == add[1]] if add[1] else [add[0]]
    return any(what in ("reset", "delete") and any(covers(r.base, e.dot) for e in same) for r, what, _ in done)


def read(done: Done) -> Any:
    deletes = [e for e, what, _ in done if what == "delete"]
    there = [e for e, what, _ in done if what != "delete" and not any(covers(d.base, e.dot) for d in deletes)]
    if not there:
        return ABSENT
    adds = [d for d in done if d[1] not in ("reset", "delete") and not _cancelled(d, done)]
    keyed = {what: n for _, what, n in adds if what}
    return sum(n for _, what, n in adds if not what) + sum(keyed.values())
