"""What a client asks of the store, and of a dictionary of ours that must then say the same."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import crdtkv

__all__ = ["Twin", "Wish", "draw"]

Twin = dict[str, Any]
"""key -> value, of the keys that only this colo writes."""


class Wish(NamedTuple):
    """One call: `act` does it to the store, `expect` to the twin."""

    words: str
    act: Callable[[crdtkv.Store], object]
    expect: Callable[[Twin], object]


def draw(dice: Random, n: int) -> Wish:
    """Any call; what it writes has `n` in it, so that no two write the same."""
    return dice.choices(list(_KINDS), list(_KINDS.values()))[0](dice, n)


def _put(dice: Random, n: int) -> Wish:
    key, value = f"put/{dice.randrange(6)}", {"n": n}
    return Wish(f"put {key}", lambda kv: kv.put(key, value), lambda twin: twin.update({key: value}))


def _large(dice: Random, n: int) -> Wish:
    key, value = f"large/{dice.randrange(2)}", f"{n} " + "x" * dice.randrange(20_000)
    return Wish(f"put {key}", lambda kv: kv.put(key, value), lambda twin: twin.update({key: value}))


def _delete(dice: Random, n: int) -> Wish:
    key = f"put/{dice.randrange(6)}"
    return Wish(f"delete {key}", lambda kv: kv.delete(key), lambda twin: twin.pop(key, None))


def _add(dice: Random, n: int) -> Wish:
    def expect(twin: Twin) -> None:
        twin["set"] = sorted({*twin.get("set", ()), n})

    return Wish(f"set add {n}", lambda kv: kv.set("set").add(n), expect)


def _append(dice: Random, n: int) -> Wish:
    return Wish(
        f"list append {n}",
        lambda kv: kv.list("list").append(n),
        lambda twin: twin.update({"list": [*twin.get("list", ()), n]}),
    )


def _count(dice: Random, n: int) -> Wish:
    return Wish(
        f"counter add {n}",
        lambda kv: kv.counter("sum").add(n),
        lambda twin: twin.update({"sum": twin.get("sum", 0) + n}),
    )


def _together(dice: Random, n: int) -> Wish:
    """One transaction over many keys and several pages."""
    keys, value = [f"one/{i}" for i in range(dice.randrange(2, 20))], f"{n} " + "x" * 300

    def act(kv: crdtkv.Store) -> None:
        with kv.transaction() as t:
            for key in keys:
                t.put(key, value)

    return Wish(f"transaction {n} of {len(keys)} keys", act, lambda twin: twin.update(dict.fromkeys(keys, value)))


def _compact(dice: Random, n: int) -> Wish:
    return Wish("compact", lambda kv: kv.compact(), lambda twin: None)


_KINDS: dict[Callable[[Random, int], Wish], int] = {
    _put: 6, _large: 1, _delete: 2, _add: 4, _append: 4, _count: 4, _together: 2, _compact: 1,
}  # fmt: skip
"""How often each is drawn."""
