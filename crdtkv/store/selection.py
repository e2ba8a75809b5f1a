"""Which keys a scan passes over, and where one of its pages ends."""

from __future__ import annotations

import base64
from typing import NamedTuple

from crdtkv.core.keys import Pattern, check_key, glob, regex
from crdtkv.core.show import show
from crdtkv.errors import CursorInvalid, KeyInvalid, ValueInvalid

__all__ = ["USER_KEYS", "Selection", "check_limit", "decode_cursor", "encode_cursor"]

USER_KEYS = "\x01"
"""The least key that is not the system's."""


class Selection(NamedTuple):
    """The keys with `prefix` that match both patterns, `start` <= key < `end`, in order."""

    prefix: str = ""
    glob: str | None = None
    regex: str | None = None
    start: str | None = None
    end: str | None = None
    reverse: bool = False

    def checked(self) -> Selection:
        """Itself. Raises ValueInvalid or PatternInvalid if it is not one."""
        for name in ("prefix", "start", "end"):
            given = getattr(self, name)
            if not isinstance(given, str) and (given is not None or name == "prefix"):
                raise ValueInvalid(f"{name} is {show(given)}; text is wanted")
        if not isinstance(self.reverse, bool):
            raise ValueInvalid(f"reverse is {show(self.reverse)}; True or False are allowed")
        self.patterns()
        return self

    def patterns(self) -> list[Pattern]:
        """What the keys must match."""
        found = [glob(self.glob)] if self.glob is not None else []
        return found + ([regex(self.regex)] if self.regex is not None else [])

    def bounds(self) -> tuple[str, str | None]:
        """The range of keys that holds all that may match."""
        prefixes = [self.prefix, *(p.prefix for p in self.patterns())]
        ends = [e for e in (self.end, *map(_after, prefixes)) if e is not None]
        return max([USER_KEYS, self.start or "", *prefixes]), min(ends, default=None)

    def behind(self, cursor: str | None) -> Selection:
        """What is left of it behind the page that gave `cursor`. Raises CursorInvalid."""
        if cursor is None:
            return self
        key = decode_cursor(cursor)
        if self.reverse:
            return self._replace(end=key if self.end is None else min(key, self.end))
        return self._replace(start=max(key + "\x00", self.start or ""))

    def of_one(self, key: str) -> Selection:
        """What of it is `key`."""
        last = key + "\x00"
        return self._replace(start=max(key, self.start or ""), end=last if self.end is None else min(last, self.end))


def check_limit(limit: object) -> None:
    """Raises ValueInvalid if that is no limit."""
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise ValueInvalid(f"limit is {show(limit)}; a whole number of at least 1 is allowed")


def _after(prefix: str) -> str | None:
    """The least text above everything that begins with `prefix`; None if there is none.

    (Not the prefix and U+10FFFF: a key may go on with that, and further.)
    """
    head = prefix.rstrip("\U0010ffff")
    if not head:
        return None
    # Between U+D7FF and U+E000 are the surrogates, which no key has.
    return head[:-1] + ("\ue000" if head[-1] == "\ud7ff" else chr(ord(head[-1]) + 1))


def encode_cursor(key: str) -> str:
    """A cursor that continues behind `key`."""
    return base64.urlsafe_b64encode(key.encode()).decode().rstrip("=")


def decode_cursor(cursor: str) -> str:
    """The key in a cursor. Raises CursorInvalid."""
    try:
        key = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
        return check_key(key)
    except (ValueError, TypeError, KeyInvalid) as error:
        raise CursorInvalid(f"cursor {show(cursor)} is not one; use what a page returned") from error
