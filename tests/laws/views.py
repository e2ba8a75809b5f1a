"""What a reader sees, as something that can be compared; and what the plain definitions say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

from crdtkv.core import values
from crdtkv.strategies.roots import expired, pick, roots_in
from tests.laws.disks import Colo
from tests.specs import counter, fields, flag, greatest, log, lww, merge, mv, words
from tests.specs import set as set_spec
from tests.specs.history import Event

__all__ = ["PLAIN", "pairs", "same", "show", "then_shown", "view_of"]


def pairs(colos: list[Colo]) -> Iterator[tuple[Colo, Colo]]:
    for i, a in enumerate(colos):
        for b in colos[i + 1 :]:
            yield a, b


def view_of(cells: Any, context: Any, now: int, memo: dict[bytes, Any]) -> Any:
    """What a reader sees of a key at `now`, as bytes, and the key's context; None if it is absent."""
    if not cells:
        return None
    shown = pick(list(roots_in(cells, expired(cells, now), memo)))
    if shown is None:
        return None
    found, tree = shown
    siblings = found.siblings(tree)
    return (
        found.spec, values.pack(found.read(tree)), values.pack(siblings) if siblings else b"",
        tuple(sorted(context.items())),
    )  # fmt: skip


def then_shown(cells: Any) -> tuple[Any, Any]:
    """What cells show to who reads them as soon as they are so: value and siblings."""
    stamp = max(s.stamp for cell in cells.values() for s in cell)
    shown = pick(list(roots_in(cells, expired(cells, stamp)))) or pick(list(roots_in(cells)))
    return (None, ()) if shown is None else (shown[0].read(shown[1]), tuple(shown[0].siblings(shown[1])))


def show(view: Any) -> str:
    if view is None:
        return "absent"
    spec, packed, siblings, context = view
    more = f" siblings {values.unpack(siblings)!r}" if siblings else ""
    return f"{values.unpack(packed)!r}{more} ({spec}, context {dict(context)})"


def same(a: Any, b: Any) -> bool:
    return values.pack_canonical(_listed(a)) == values.pack_canonical(_listed(b))


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _folded(base: Any, mine: Any, theirs: Any) -> Any:
    from tests.laws.operations import folded

    return folded(base, mine, theirs)


def _number(total: Fraction) -> int | float:
    return int(total) if total.denominator == 1 else float(total)


PLAIN: dict[str, Callable[[list[Event]], Any]] = {
    "lww": lww.value,
    "mv": mv.value,
    "max": lambda e: greatest.value(e, values.sort_key),
    "min": lambda e: greatest.value(e, lambda v: -v),
    "latch?order=open,paid,sent": lambda e: greatest.value(e, ["open", "paid", "sent"].index),
    "flag": lambda e: flag.value(e, True),
    "flag?wins=disable": lambda e: flag.value(e, False),
    "counter": counter.value,
    "set": lambda e: set_spec.value(e, True),
    "set?wins=remove": lambda e: set_spec.value(e, False),
    "hash": lambda e: fields.value(e, lambda v: v, _number),
    "zset": lambda e: fields.value(e, lambda v: v, _number),
    "log": log.value,
    "merge:folded": lambda e: merge.value(e, _folded),
    "words": words.value,
    "words?wins=delete": lambda e: words.value(e, True),
}
