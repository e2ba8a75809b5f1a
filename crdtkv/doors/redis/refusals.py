"""What Redis' clients are refused, in Redis' words."""

from __future__ import annotations

from crdtkv.doors.redis.replies import Failed
from crdtkv.errors import (
    BaseRequired,
    BaseTooOld,
    CrdtkvError,
    Forbidden,
    Overflow,
    QuotaExceeded,
    StrategyMismatch,
    Unauthorized,
    Unavailable,
    WrongOperation,
)

__all__ = ["NOT_FLOAT", "NOT_INT", "SYNTAX", "WRONG_TYPE", "Refusal", "told", "wrong_number"]


class Refusal(Exception):
    """A command is refused: the error's code and words. Nothing was written by it."""


WRONG_TYPE = "WRONGTYPE Operation against a key holding the wrong kind of value"
SYNTAX = "ERR syntax error"
NOT_INT = "ERR value is not an integer or out of range"
NOT_FLOAT = "ERR value is not a valid float"


def wrong_number(name: str) -> Failed:
    """It has too few words, or too many."""
    return Failed(f"ERR wrong number of arguments for '{name.lower()}' command")


def told(error: CrdtkvError) -> Failed:
    """An error of the store, with a code that clients know."""
    if isinstance(error, (StrategyMismatch, WrongOperation)):
        return Failed(WRONG_TYPE)
    code = next((code for kind, code in _CODES if isinstance(error, kind)), "ERR")
    return Failed(f"{code} {error}")


_CODES: tuple[tuple[type[CrdtkvError], str], ...] = (
    (Unauthorized, "NOAUTH"), (Forbidden, "NOPERM"), (QuotaExceeded, "OOM"), (Unavailable, "TRYAGAIN"),
    (BaseTooOld, "BASETOOOLD"), (BaseRequired, "BASEREQUIRED"), (Overflow, "ERR"),
)  # fmt: skip
