"""What Workers KV refuses, in its own words, which its clients' users know; they are miniflare's, letter by letter.

Only the words are foreign: each is an error of the tree, with a status and whether anything happened.
"""

from __future__ import annotations

import re
from typing import Any

from crdtkv.core import values
from crdtkv.errors import BadRequest, TooLarge, ValueInvalid
from crdtkv.http.refusals import KeyTooLong
from crdtkv.store.operations import MAX_TTL

__all__ = [
    "MAX_BULK_GET", "MAX_KEY", "MAX_LIST", "MAX_METADATA", "MAX_VALUE", "MIN_CACHE_TTL", "MIN_TTL", "check_cache_ttl",
    "check_key", "check_metadata", "check_prefix", "check_size", "expires_at", "list_limit", "metadata_in", "value_in",
]  # fmt: skip

MAX_KEY = 512
MAX_VALUE = 25 * 1024 * 1024
MAX_METADATA = 1024
MAX_LIST = 1000
MAX_BULK_GET = 100
MIN_TTL = 60
MIN_CACHE_TTL = 30

_INTEGER = re.compile(r"\s*([+-]?\d{1,18})")


def check_key(key: str) -> str:
    """`key`, if Workers KV takes it. Raises BadRequest, KeyTooLong.

    >>> check_key("..")
    Traceback (most recent call last):
    crdtkv.errors.BadRequest: Illegal key name "..". Please use a different name.
    """
    if key == "":
        raise BadRequest("Key names must not be empty")
    if key in (".", ".."):
        raise BadRequest(f'Illegal key name "{key}". Please use a different name.')
    return check_prefix(key)


def check_prefix(prefix: str) -> str:
    """`prefix`, if a key may begin so. Raises KeyTooLong.

    >>> check_prefix("x" * 513)
    Traceback (most recent call last):
    crdtkv.http.refusals.KeyTooLong: UTF-8 encoded length of 513 exceeds key length limit of 512.
    """
    size = len(prefix) if prefix.isascii() else len(prefix.encode("utf-8", "surrogatepass"))
    if size > MAX_KEY:
        raise KeyTooLong(f"UTF-8 encoded length of {size} exceeds key length limit of {MAX_KEY}.")
    return prefix


def check_size(size: int, limit: int = MAX_VALUE) -> None:
    """Raises TooLarge for a value of so many bytes."""
    if size > limit:
        raise TooLarge(f"Value length of {size} exceeds limit of {limit}.")


def metadata_in(text: str) -> Any:
    """The metadata in JSON text; None if there is none. Raises TooLarge, ValueInvalid.

    >>> metadata_in('{"owner": "ann"}')
    {'owner': 'ann'}
    """
    _check_metadata_size(len(text.encode("utf-8", "surrogatepass")))
    return values.parse_json(text)


def check_metadata(metadata: Any) -> Any:
    """That JSON value, if it is short enough as JSON text. Raises TooLarge, ValueInvalid."""
    _check_metadata_size(len(values.to_json(metadata).encode("utf-8", "surrogatepass")))
    return metadata


def _check_metadata_size(size: int) -> None:
    if size > MAX_METADATA:
        raise TooLarge(f"Metadata length of {size} exceeds limit of {MAX_METADATA}.")


def value_in(body: bytes, kind: str) -> Any:
    """A body as a bulk read tells it: `kind` text, or json. Raises BadRequest for one that is no JSON.

    >>> value_in(b"[1]", "text"), value_in(b"[1]", "json"), value_in(b"\\xff", "text")
    ('[1]', [1], '\ufffd')
    """
    if kind == "text":
        return body.decode("utf-8", "replace")
    try:
        return values.parse_json(body)
    except ValueInvalid:
        raise BadRequest(f"At least one of the requested keys corresponds to a non-{kind} value") from None


def expires_at(ttl: str | int | None, expiration: str | int | None, now: int) -> int | None:
    """When a key is to be gone, in seconds since 1970; None: it stays. Of both, the ttl is asked. Raises BadRequest.

    `now`: in seconds since 1970.

    >>> expires_at("60", None, 1000), expires_at(None, "1060", 1000), expires_at("60", "5000", 1000)
    (1060, 1060, 1060)
    >>> expires_at("10", None, 1000)
    Traceback (most recent call last):
    crdtkv.errors.BadRequest: Invalid expiration_ttl of 10. Expiration TTL must be at least 60.
    """
    if ttl is not None:
        seconds = _integer(ttl)
        if seconds is None or seconds <= 0:
            raise BadRequest(f"Invalid expiration_ttl of {ttl!s:.80}. Please specify integer greater than 0.")
        if seconds < MIN_TTL:
            raise BadRequest(f"Invalid expiration_ttl of {ttl!s:.80}. Expiration TTL must be at least {MIN_TTL}.")
        return _dated(now + seconds, "expiration_ttl", ttl, now)
    if expiration is not None:
        date = _integer(expiration)
        if date is None or date <= now:
            words = "Please specify integer greater than the current number of seconds since the UNIX epoch."
            raise BadRequest(f"Invalid expiration of {expiration!s:.80}. {words}")
        if date < now + MIN_TTL:
            words = f"Expiration times must be at least {MIN_TTL} seconds in the future."
            raise BadRequest(f"Invalid expiration of {expiration!s:.80}. {words}")
        return _dated(date, "expiration", expiration, now)
    return None


def _dated(date: int, name: str, given: str | int, now: int) -> int:
    """A date that a store keeps: not a hundred years away (a stamp has 48 bits of milliseconds)."""
    if date - now > MAX_TTL:
        raise BadRequest(f"Invalid {name} of {given!s:.80}. At most {MAX_TTL} seconds from now are allowed.")
    return date


def check_cache_ttl(given: str | int | None) -> None:
    """Raises BadRequest. It has no effect: what is read here is the colo's own copy."""
    if given is None:
        return
    seconds = _integer(given)
    if seconds is None or seconds < MIN_CACHE_TTL:
        raise BadRequest(f"Invalid cache_ttl of {given!s:.80}. Cache TTL must be at least {MIN_CACHE_TTL}.")


def list_limit(given: str | None, name: str = "limit") -> int:
    """How many keys a page has. Raises BadRequest.

    >>> list_limit(None), list_limit("10")
    (1000, 10)
    """
    if given is None:
        return MAX_LIST
    limit = _integer(given)
    if limit is None or limit < 1:
        raise BadRequest(f"Invalid {name} of {given!s:.80}. Please specify an integer greater than 0.")
    if limit > MAX_LIST:
        raise BadRequest(f"Invalid {name} of {given!s:.80}. Please specify an integer less than {MAX_LIST}.")
    return limit


def _integer(given: str | int) -> int | None:
    """As JavaScript's parseInt: what a text begins with; None of what begins otherwise."""
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        return None
    found = _INTEGER.match(given) if isinstance(given, str) else None
    if found is not None:
        return int(found[1])
    if isinstance(given, str) or given != given or abs(given) > 1e18:
        return None
    return int(given)
