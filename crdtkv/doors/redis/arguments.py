"""Words of a command as numbers and times, in Redis' strictness and words."""

from __future__ import annotations

import math
import re

from crdtkv.doors.redis.refusals import NOT_FLOAT, NOT_INT, Refusal

__all__ = ["MAX_INT", "MIN_INT", "count_of", "expiry_of", "float_of", "int_of", "shown"]

MAX_INT = 2**63 - 1
MIN_INT = -(2**63)
_INT = re.compile(rb"-?[1-9]\d{0,18}|0")
_FLOAT = re.compile(rb"[+-]?(\d+\.?\d*([eE][+-]?\d+)?|\.\d+([eE][+-]?\d+)?|inf(inity)?)", re.IGNORECASE)


def int_of(word: bytes, words: str = NOT_INT) -> int:
    """A whole number of 64 bits, written as Redis writes it. Raises Refusal with `words`.

    >>> int_of(b"-12")
    -12
    >>> int_of(b"012")
    Traceback (most recent call last):
    crdtkv.doors.redis.refusals.Refusal: ERR value is not an integer or out of range
    """
    if len(word) < 19 and word.isdigit() and (word[0] != 48 or len(word) == 1):
        return int(word)
    if _INT.fullmatch(word) is None or not MIN_INT <= (found := int(word)) <= MAX_INT:
        raise Refusal(words)
    return found


def float_of(word: bytes, words: str = NOT_FLOAT) -> float:
    """A number, which may be infinite. Raises Refusal with `words`."""
    if len(word) > 400 or _FLOAT.fullmatch(word) is None:
        raise Refusal(words)
    return float(word)


def count_of(word: bytes, words: str = "ERR value is out of range, must be positive") -> int:
    """A whole number, 0 or more."""
    found = int_of(word)
    if found < 0:
        raise Refusal(words)
    return found


def expiry_of(option: bytes, word: bytes, now_ms: int, command: str) -> int:
    """The date in ms since 1970 that EX, PX, EXAT or PXAT (in lower case) says. Raises Refusal."""
    found = int_of(word)
    invalid = f"ERR invalid expire time in '{command}' command"
    if found <= 0:
        raise Refusal(invalid)
    if option in (b"ex", b"exat"):
        found *= 1000
    if option in (b"ex", b"px"):
        found += now_ms
    if found > MAX_INT:
        raise Refusal(invalid)
    return found


def shown(value: float) -> bytes:
    """A number as INCRBYFLOAT writes it: never with an exponent, 17 digits behind the point at the most.

    >>> shown(3.0), shown(10.6), shown(5e3)
    (b'3', b'10.6', b'5000')
    """
    if math.isinf(value) or value != value:
        raise Refusal("ERR increment would produce NaN or Infinity")
    text = f"{value:.17f}" if "e" in repr(value) else repr(value)
    return (text.rstrip("0").rstrip(".") if "." in text else text).encode()
