"""Sorted set: members with scores; a score is its last write and whatever was added since.

Members are strings or bytes, scores floats (`"inf"` and `"-inf"`, which JSON lacks, as
text). Adds of all colos count: their sum is exact and rounded once, when it is read, so
that colos agree to the last digit whatever the order of arrival. An add counts what
makes the score that its own colo then shows the sum in floats, as one server would.

The anomaly that survives: a member whose score is written while another colo adds to it
shows what was written plus what was added. A set whose last member is removed reads as
absent, unless it was put empty.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

from mypy_extensions import mypyc_attr

from crdtkv.core.show import show
from crdtkv.errors import ValueInvalid, WrongType
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.fields import Fields

__all__ = ["Zset", "kept", "score_of"]

_INTEGERS = 2**53
"""Below it each whole number is a float."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Zset(Fields):
    """Members and scores."""

    name = "zset"
    summary = "members with scores that can be added to"
    wins = "each member by itself: the later score, with all that was added meanwhile; a write or add over a remove"
    anomaly = "a score written while another colo adds to it shows what was written plus what was added"
    cost = "one cell per member, one per member and replica that adds to it; an operation costs as much in any size"

    def value(self, value: Any) -> Any:
        if value in ("inf", "-inf"):
            return value
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise WrongType(f"a score is a number, or 'inf' or '-inf'; not {show(value)}")
        try:
            return kept(float(value))
        except OverflowError:
            raise ValueInvalid(f"score {show(value)} is beyond a float; 'inf' is one") from None

    def total(self, written: Any, added: Fraction) -> Any:
        if isinstance(written, str):
            return written
        base = Fraction(0) if written is ABSENT else _exact(score_of(written))
        try:
            return kept(float(base + added))
        except OverflowError:
            return "inf" if base + added > 0 else "-inf"

    def step(self, shown: Any, n: Any) -> Any:
        before = 0.0 if shown is ABSENT else score_of(shown)
        step = score_of(self.value(n))
        after = before + step
        if math.isnan(after):
            raise ValueInvalid(f"{shown!r} and {n!r} have no sum")
        if math.isinf(after) or math.isinf(before):
            return kept(after)
        return _exact(after) - _exact(before)


def score_of(value: Any) -> float:
    """The score that a value of the set says; nan for what says none.

    >>> score_of("inf"), score_of(3)
    (inf, 3.0)
    """
    return float(value) if isinstance(value, int | float) or value in ("inf", "-inf") else math.nan


def kept(score: float) -> Any:
    """How a score is kept: whole numbers as integers. Raises ValueInvalid.

    >>> kept(3.0), kept(0.5), kept(float("-inf"))
    (3, 0.5, '-inf')
    """
    if math.isnan(score):
        raise ValueInvalid("a score is a number; not nan")
    if math.isinf(score):
        return "inf" if score > 0 else "-inf"
    whole = abs(score) < _INTEGERS and score.is_integer() and (score != 0 or math.copysign(1.0, score) > 0)
    return int(score) if whole else score


def _exact(score: float) -> Fraction:
    """The number that a score is written as: 0.1 is a tenth. (And nan, of a foreign payload, nothing.)"""
    return Fraction(repr(score)) if math.isfinite(score) else Fraction(0)
