"""What a key may be called, and patterns over keys.

Rule of this room: no pattern, however it was made and whoever sent it, takes more
than a bounded time on a key. A glob is compiled to an expression that never goes
back beyond its last `*`; a regular expression runs in RE2, which never goes back.
Every pattern has a `prefix` that all its matches begin with, so a scan reads only
that range of keys.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from crdtkv.core.show import show
from crdtkv.errors import KeyInvalid, PatternInvalid

__all__ = [
    "MAX_KEY", "MAX_PATTERN", "METADATA", "SYSTEM", "Pattern", "check_key", "exact", "glob", "prefix", "regex",
]  # fmt: skip

MAX_KEY = 512  # bytes of UTF-8, as Workers KV
SYSTEM: Final = "\x00"
"""System keys begin with NUL, which no user's key may hold."""

METADATA: Final = SYSTEM + "metadata/"
"""Beside a user's key stands its metadata, under this and the key itself."""

MAX_PATTERN = 1000
_REGEX_MEMORY = 1 << 20  # RE2 refuses to compile what needs more


def check_key(key: object) -> str:
    """`key`, if it is one: 1 to 512 bytes of UTF-8 without NUL. Raises KeyInvalid. O(1) for most.

    >>> check_key("cart-7")
    'cart-7'
    >>> check_key("")
    Traceback (most recent call last):
    crdtkv.errors.KeyInvalid: key '' is empty; 1 to 512 bytes
    """
    if not isinstance(key, str):
        raise KeyInvalid(f"key {show(key)} is {type(key).__name__}; a key is a string")
    try:
        size = len(key) if key.isascii() else len(key.encode("utf-8"))
    except UnicodeEncodeError as error:
        raise KeyInvalid(f"key {show(key)} has a lone surrogate at {error.start}; a key is UTF-8") from None
    if not key:
        raise KeyInvalid(f"key '' is empty; 1 to {MAX_KEY} bytes")
    if size > MAX_KEY:
        raise KeyInvalid(f"key {show(key)} is {size} bytes; at most {MAX_KEY}")
    if "\0" in key:
        raise KeyInvalid(f"key {show(key)} has a NUL at {key.index(chr(0))}; any other character may be in a key")
    return str(key)


@dataclass(frozen=True, slots=True)
class Pattern:
    """A set of keys: made by `exact`, `prefix`, `glob` or `regex`.

    `text` is as it was written, `prefix` what every key that matches begins with
    ("" if nothing is known).
    """

    kind: Literal["exact", "prefix", "glob", "regex"]
    text: str
    prefix: str
    _search: Callable[[str], Any] | None = field(default=None, repr=False, compare=False)

    def matches(self, key: str) -> bool:
        """Whether `key` is in the set. O(key * pattern) at worst, mostly O(key); never more.

        >>> glob("user:*:cart").matches("user:7:cart")
        True
        """
        if not key.startswith(self.prefix):
            return False
        if self._search is None:
            return self.kind == "prefix" or key == self.prefix
        return self._search(key) is not None


def exact(text: object) -> Pattern:
    """The one key `text`. Raises PatternInvalid if it can be none.

    >>> exact("a*").matches("ab")
    False
    """
    text = _check_pattern("exact", text)
    return Pattern("exact", text, text)


def prefix(text: object) -> Pattern:
    """The keys that begin with `text`; every key, if it is empty. Raises PatternInvalid.

    >>> prefix("cart-").matches("cart-7")
    True
    """
    text = _check_pattern("prefix", text)
    return Pattern("prefix", text, text)


def glob(text: object) -> Pattern:
    """The keys that match `text` as a whole.

    `*` is any run of characters, `?` one; `[abc]`, `[a-z]` one of these, `[!abc]`
    or `[^abc]` one of the others; a backslash takes the next character as it is.
    A glob without these is exact, one whose only `*` is its last character is a
    prefix. Cost: O(pattern). Raises PatternInvalid with the position.

    >>> glob("cart-[0-9]*").matches("cart-7"), glob("cart-*").kind, glob("cart").kind
    (True, 'prefix', 'exact')
    """
    text = _check_pattern("glob", text)
    parts = _glob_parts(text)
    literal = ""
    for part in parts:
        if not isinstance(part, str):
            break
        literal += part
    rest = parts[len(literal) :]
    if not rest:
        return Pattern("exact", text, literal)
    if rest == [_STAR]:
        return Pattern("prefix", text, literal)
    return Pattern("glob", text, literal, re.compile(_glob_regex(parts), re.DOTALL).fullmatch)


def regex(text: object) -> Pattern:
    """The keys in which the RE2 expression `text` is found; `^` and `$` bind it to the ends.

    No look-around and no back-references (RE2 has none, so that no expression can
    take exponential time). Cost: O(pattern) once, O(key) per key, about 5 us.
    Raises PatternInvalid with RE2's words.

    >>> regex("^cart-[0-9]+$").matches("cart-7"), regex("^cart-[0-9]+$").prefix
    (True, 'cart-')
    """
    text = _check_pattern("regex", text)
    import re2  # here, not above: most processes never need it, and loading it takes 10 ms

    options = re2.Options()
    options.max_mem = _REGEX_MEMORY
    options.log_errors = False
    try:
        compiled = re2.compile(text, options)
    except re2.error as error:
        why = error.args[0] if error.args else "not a regular expression"
        words = why.decode("utf-8", "replace") if isinstance(why, bytes) else str(why)
        raise PatternInvalid(f"regex {show(text)}{_where(text, words)}: {words}; RE2 syntax is allowed") from None
    return Pattern("regex", text, _regex_prefix(text), compiled.search)


def _check_pattern(kind: str, text: object) -> str:
    if not isinstance(text, str):
        raise PatternInvalid(f"{kind} {show(text)} is {type(text).__name__}; a pattern is a string")
    if len(text) > MAX_PATTERN:
        raise PatternInvalid(f"{kind} {show(text)} is {len(text)} characters; at most {MAX_PATTERN}")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise PatternInvalid(f"{kind} {show(text)} has a lone surrogate at {error.start}; none matches") from None
    if kind == "exact" and not text:
        raise PatternInvalid("exact '' is no key; 1 to 512 bytes")
    return text


# Globs


@dataclass(frozen=True, slots=True)
class _Class:
    """One character of some: a regular expression for it."""

    regex: str


_STAR = None
_ANY = _Class(".")


def _glob_parts(text: str) -> list[str | _Class | None]:
    """The glob as characters, classes and stars; stars in a row are one."""
    parts: list[str | _Class | None] = []
    at = 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            if not parts or parts[-1] is not _STAR:
                parts.append(_STAR)
        elif char == "?":
            parts.append(_ANY)
        elif char == "[":
            found, at = _glob_class(text, at)
            parts.append(found)
        elif char == "\\":
            parts.append(_escaped(text, at))
            at += 1
        else:
            parts.append(char)
    return parts


def _glob_class(text: str, at: int) -> tuple[_Class, int]:
    """The class whose `[` is just before `at`, and where it ends. A `]` that comes first is a member."""
    opened = at - 1
    negated = text[at : at + 1] in ("!", "^") and at < len(text)
    at += negated
    ranges: list[str] = []
    first = True
    while first or text[at : at + 1] != "]":
        first = False
        low, at = _class_char(text, at, opened)
        high = low
        if text[at : at + 1] == "-" and text[at + 1 : at + 2] not in ("]", ""):
            start = at
            high, at = _class_char(text, at + 1, opened)
            if high < low:
                raise PatternInvalid(f"glob {show(text)} at {start}: the range {low}-{high} is empty")
        ranges.append(f"{re.escape(low)}-{re.escape(high)}")
    return _Class(f"[{'^' if negated else ''}{''.join(ranges)}]"), at + 1


def _class_char(text: str, at: int, opened: int) -> tuple[str, int]:
    if at >= len(text):
        raise PatternInvalid(f"glob {show(text)} at {opened}: '[' without ']'; for the character itself write '\\['")
    if text[at] == "\\":
        return _escaped(text, at + 1), at + 2
    return text[at], at + 1


def _escaped(text: str, at: int) -> str:
    if at >= len(text):
        raise PatternInvalid(f"glob {show(text)} at {at - 1}: a backslash with nothing after it; write '\\\\'")
    return text[at]


def _glob_regex(parts: list[str | _Class | None]) -> str:
    """The glob for Python's `re`, without its exponential time.

    What stands between two stars is taken where it first occurs and never given
    back (an atomic group): if the rest matches after a later occurrence, it does
    after the first.
    """
    segments = [""]
    for part in parts:
        if part is _STAR:
            segments.append("")
        elif isinstance(part, str):
            segments[-1] += re.escape(part)
        else:
            segments[-1] += part.regex
    if len(segments) == 1:
        return segments[0]
    return segments[0] + "".join(f"(?>.*?{middle})" for middle in segments[1:-1]) + ".*" + segments[-1]


# Regular expressions

_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-:/~@#%&=,;<>!'\" ")


def _regex_prefix(text: str) -> str:
    """What all matches begin with, as far as it is plain to see."""
    if not text.startswith("^") or "|" in text:
        return ""
    end = 1
    while end < len(text) and text[end] in _PLAIN:
        end += 1
    if text[end : end + 1] in ("*", "?", "{") and end > 1:
        end -= 1  # the last one need not be there
    return text[1:end]


def _where(text: str, words: str) -> str:
    """RE2 names the offending part, not its place: " at 3" if the part is in the text once."""
    part = words.rpartition(": ")[2]
    return f" at {text.index(part)}" if part and part != text and text.count(part) == 1 else ""
