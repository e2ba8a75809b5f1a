"""Sorted sets as the commands see them: scores, places, ranges, and what is put in the place of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import dropwhile, takewhile
from typing import Any, NamedTuple, cast

from crdtkv.core import values
from crdtkv.core.paths import first
from crdtkv.doors.redis.arguments import float_of
from crdtkv.doors.redis.at import At
from crdtkv.doors.redis.held import end_if_empty, held
from crdtkv.doors.redis.refusals import Refusal
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.fields import Fields
from crdtkv.strategies.indexes import Ranking, ranking
from crdtkv.strategies.zset import kept, score_of

__all__ = [
    "Bound", "Place", "Scores", "by_lex", "by_score", "lex_bounds", "ranked", "remove", "replace", "score_at",
    "score_bounds",
]  # fmt: skip

Place = tuple[float, bytes, bytes]
"""Score, member, path of its register."""
Scores = dict[bytes, float]
"""By path."""

_AFTER_ALL = b"\xff" * 4000
"""Greater than any member."""
_NO_FLOAT = "ERR min or max is not a float"
_NO_STRING = "ERR min or max not valid string range item"


def ranked(at: At, key: str) -> Ranking | None:
    """The members in order; None: there is no such key. Raises WRONGTYPE."""
    root = held(at, key, "zset")
    return None if root is None else ranking(cast("Fields", root[0]), root[1])


def score_at(at: At, key: str, path: bytes) -> float | None:
    """The score of a member; None: it is not there. O(log n)."""
    root = held(at, key, "zset")
    found = ABSENT if root is None else cast("Fields", root[0]).at(root[1], path)
    return None if found is ABSENT else score_of(found)


def remove(at: At, key: str, paths: Iterable[bytes], event: str) -> int:
    """Members that are there are gone; how many."""
    gone = [values.unpack(first(path)[1]) for path in paths]
    if gone:
        at.operate(key, "zset", "remove", *gone)
        at.note(event, key)
        end_if_empty(at, key)
    return len(gone)


def replace(at: At, target: str, scores: Mapping[bytes, float], event: str) -> int:
    """A sorted set of these stands at `target`, whatever stood there, without a date; how many they are."""
    root = at.shown(target)
    if root is not None and (root[0].name != "zset" or not scores):
        at.delete(target)
        root = None
        if not scores:
            at.note("del", target)
    if scores:
        was = {} if root is None else ranking(cast("Fields", root[0]), root[1]).places
        gone = [values.unpack(first(path)[1]) for path in was if path not in scores]
        new = [(path, score) for path, score in scores.items() if path not in was or was[path][0] != score]
        if new:
            words = [word for path, score in new for word in (values.unpack(first(path)[1]), kept(score))]
            at.operate(target, "zset", "set", *words)
        if gone:
            at.operate(target, "zset", "remove", *gone)
        at.expire(target, None)
        at.note(event, target)
    return len(scores)


# ranges


class Bound(NamedTuple):
    """One end of a range; `open`: without what is there."""

    at: Any
    open: bool


def score_bounds(least: bytes, most: bytes) -> tuple[Bound, Bound]:
    """A range of scores. Raises Refusal."""
    # (Nothing is 0, as Redis reads it here.)
    ends = [(word.removeprefix(b"(") or b"0", word[:1] == b"(") for word in (least, most)]
    low, high = [Bound(float_of(word, _NO_FLOAT), without) for word, without in ends]
    return low, high


def by_score(found: Ranking, low: Bound, high: Bound) -> tuple[int, int]:
    """From which place to before which the scores lie between. O(log n)."""
    order = found.order
    start = order.bisect_right((low.at, _AFTER_ALL)) if low.open else order.bisect_left((low.at,))
    stop = order.bisect_left((high.at,)) if high.open else order.bisect_right((high.at, _AFTER_ALL))
    return (start, stop) if start < stop else (0, 0)


def lex_bounds(least: bytes, most: bytes) -> tuple[Bound, Bound]:
    """A range of members' bytes. Raises Refusal."""
    return _lex(least), _lex(most)


def _lex(word: bytes) -> Bound:
    if word in (b"-", b"+"):
        return Bound(b"" if word == b"-" else _AFTER_ALL, False)
    if word[:1] not in (b"(", b"["):
        raise Refusal(_NO_STRING)
    return Bound(word[1:], word[:1] == b"(")


def by_lex(found: Ranking, low: Bound, high: Bound, reverse: bool = False) -> list[Place]:
    """The members whose bytes lie between, in order: O(log n) and O(1) each where all have one score.

    Where they have not, what Redis makes of a small set: the run that begins with the first that is not before.
    """
    order = found.order
    if not order:
        return []
    score = order[0][0]
    if score == order[-1][0]:
        start = order.bisect_left((score, low.at, _AFTER_ALL if low.open else b""))
        stop = order.bisect_left((score, high.at, b"" if high.open else _AFTER_ALL))
        return list(order.islice(start, stop, reverse)) if start < stop else []

    def before(place: Place) -> bool:
        return bool(place[1] <= low.at if low.open else place[1] < low.at)

    def beyond(place: Place) -> bool:
        return bool(place[1] >= high.at if high.open else place[1] > high.at)

    if before(order[-1]) or beyond(order[0]):
        return []
    skip, stop_at = (beyond, before) if reverse else (before, beyond)
    run = dropwhile(skip, reversed(order) if reverse else order)
    return list(takewhile(lambda place: not stop_at(place), run))
