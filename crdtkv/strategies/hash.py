"""Hash: fields, each its last write and whatever was added to it since.

A field holds any value; one that is a number, or text that says one, can be added to:
adds of all colos count, exactly (decimals too), and a write takes away those that it
had seen. See `fields` for how.

The anomaly that survives: a field that is written while another colo adds to it shows
what was written plus what was added, if that is a number, else what was written; and a
rule that spans fields may be broken by two writes that each kept it. A hash whose last
field is removed reads as absent, unless it was put empty.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

from mypy_extensions import mypyc_attr

from crdtkv.core import values
from crdtkv.core.show import show
from crdtkv.errors import ValueInvalid, WrongType
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.fields import UNITS, Fields

__all__ = ["Hash", "amount", "text_of"]

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_MAX_TEXT = 400
_END = 10**400


@mypyc_attr(allow_interpreted_subclasses=True)
class Hash(Fields):
    """Fields and values."""

    name = "hash"
    summary = "fields with values, each of which can be added to"
    wins = "each field by itself: the later write, with all that was added meanwhile; a write or add over a remove"
    anomaly = "a field written while another colo adds to it shows what was written plus what was added"
    cost = "one cell per field, one per field and replica that adds to it; an operation costs as much in any size"

    def value(self, value: Any) -> Any:
        return values.unpack(values.pack(value))

    def total(self, written: Any, added: Fraction) -> Any:
        base = Fraction(0) if written is ABSENT else amount(written)
        if base is None:
            return written
        both = base + added
        if isinstance(written, str):
            return text_of(both)
        return int(both) if both.denominator == 1 else float(both)

    def step(self, shown: Any, n: Any) -> Any:
        found = amount(n)
        if found is None:
            raise WrongType(f"what is added is a number, or text that says one; not {show(n)}")
        if shown is not ABSENT and amount(shown) is None:
            raise WrongType(f"{show(shown)} is no number, so {show(n)} cannot be added to it")
        if (found * 10 ** UNITS[-1]).denominator != 1:
            raise ValueInvalid(f"{show(n)} has more than {UNITS[-1]} decimals")
        return found


def amount(value: Any) -> Fraction | None:
    """The number that a value is or says, exactly; None if it says none.

    >>> amount("0.1"), amount(0.1), amount("1/2"), amount(True)
    (Fraction(1, 10), Fraction(1, 10), None, None)
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    text = repr(value) if isinstance(value, float) else value
    if isinstance(text, str) and (len(text) > _MAX_TEXT or _NUMBER.fullmatch(text) is None):
        return None
    found = Fraction(text)
    return found if -_END < found < _END else None


def text_of(number: Fraction) -> str:
    """A number as text: at most 17 decimals, as many as it takes.

    >>> text_of(Fraction(21, 2)), text_of(Fraction(3)), text_of(Fraction(-1, 3))
    ('10.5', '3', '-0.33333333333333333')
    """
    whole = round(abs(number) * 10**17)
    digits = f"{whole:018d}"
    text = f"{digits[:-17]}.{digits[-17:]}".rstrip("0").rstrip(".")
    return f"-{text}" if number < 0 and whole else text
