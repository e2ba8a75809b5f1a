"""One key on its way in or out: `{key, value, base64?, expiration?, metadata?}`.

The shape is that of Workers KV's bulk files. What they have no words for stands in
members of its own, which others pass over: `strategy`, `content_type`, and `blobs`,
the JSON pointers of blobs inside the value. So an export, imported, is what it was.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.errors import BadRequest, ValueInvalid
from crdtkv.store import door
from crdtkv.store.metadata import beside
from crdtkv.store.store import Store

if TYPE_CHECKING:
    from crdtkv.store.results import Entry

__all__ = ["MAX_LINE", "MEMBERS", "Item", "item_of", "page_of", "plain_of", "read_word", "word_of", "workers_of"]

MAX_LINE = 6 * values.MAX_PACKED
"""Bytes of JSON that a value can take at most: six for one, where all is written \\u00xx."""

MEMBERS = ("key", "value", "base64", "expiration", "expiration_ttl", "metadata", "strategy", "content_type", "blobs")

_LOOKS_LIKE_JSON = re.compile(
    r"""\s*([\[{"].*|(-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?|true|false|null)\s*)""", re.DOTALL
)


class Item(NamedTuple):
    """A key as it is to be put. `expires`: seconds since 1970, or None; `strategy`: of a key that is made."""

    key: str
    value: Any
    expires: float | None = None
    strategy: str | None = None
    metadata: Any = None
    unknown: tuple[str, ...] = ()


def read_word(word: str) -> Any:
    """What a word stands for: JSON if it looks like it, else text. Raises ValueInvalid for what looks so and is none.

    >>> read_word("hello"), read_word("[1, 2]"), read_word("3"), read_word('"3"'), read_word("1.2.3")
    ('hello', [1, 2], 3, '3', '1.2.3')
    """
    return values.parse_json(word) if _LOOKS_LIKE_JSON.fullmatch(word) else word


def word_of(value: Any) -> str:
    """The word that `read_word` reads as `value`.

    >>> word_of("hello"), word_of("3"), word_of(3)
    ('hello', '"3"', '3')
    """
    return value if isinstance(value, str) and not _LOOKS_LIKE_JSON.fullmatch(value) else values.to_json(value)


def plain_of(entry: Entry, metadata: Any = None) -> dict[str, Any]:
    """An entry, and its metadata, as the members of an item; what is as usual is left out."""
    out: dict[str, Any] = {"key": entry.key}
    if isinstance(entry.value, Blob):
        out |= {"value": base64.b64encode(entry.value.data).decode(), "base64": True}
        if entry.value.content_type != "application/octet-stream":
            out["content_type"] = entry.value.content_type
    else:
        blobs: dict[str, str] = {}
        out["value"] = _without_blobs(entry.value, "", blobs)
        if blobs:
            out["blobs"] = blobs
    if entry.expires is not None:
        out["expiration"] = round(entry.expires / 1000)
    if metadata is not None:
        out["metadata"] = metadata
    if entry.strategy != "json":
        out["strategy"] = entry.strategy
    return out


def page_of(kv: Any, **asked: Any) -> tuple[list[dict[str, Any]], str | None]:
    """A page of `kv.scan(**asked)` as members of items, and its cursor; with metadata, where `kv` is a store. O(page).

    >>> import crdtkv; kv = crdtkv.open(colo="lhr")
    >>> kv["a"] = 1
    >>> page_of(kv)
    ([{'key': 'a', 'value': 1}], None)
    """
    if not isinstance(kv, Store):
        page = kv.scan(**asked)
        return [plain_of(entry) for entry in page], page.cursor
    with door.holding(kv):
        page = kv.scan(**asked)
        found = beside(door.replica(kv), page)
    return [plain_of(entry, found.get(entry.key)) for entry in page], page.cursor


def workers_of(plain: dict[str, Any]) -> dict[str, Any]:
    """Of the members of an item those that Workers KV takes; its value as text, as all values are there.

    >>> workers_of({"key": "n", "value": [1], "strategy": "set"})
    {'key': 'n', 'value': '[1]'}
    """
    value = plain["value"] if isinstance(plain["value"], str) else values.to_json(plain["value"])
    kept = {name: plain[name] for name in ("base64", "expiration", "metadata") if name in plain}
    return {"key": plain["key"], "value": value} | kept


def _without_blobs(value: Any, where: str, blobs: dict[str, str]) -> Any:
    if isinstance(value, Blob):
        blobs[where] = value.content_type
        return base64.b64encode(value.data).decode()
    if isinstance(value, dict):
        steps = {name: where + "/" + name.replace("~", "~0").replace("/", "~1") for name in value}
        return {name: _without_blobs(part, steps[name], blobs) for name, part in value.items()}
    if isinstance(value, list):
        return [_without_blobs(part, f"{where}/{i}", blobs) for i, part in enumerate(value)]
    return value


def item_of(plain: Any, now: float) -> Item:
    """The item that the members of one say. `now`: seconds since 1970. Raises BadRequest, naming the member."""
    if not isinstance(plain, Mapping):
        raise BadRequest(f"{plain!r:.80} is no object with a key and a value")
    for name in ("key", "value"):
        if name not in plain:
            raise BadRequest(f"there is no {name!r} in it; it has {', '.join(map(repr, plain)) or 'nothing'}")
    key, value = plain["key"], plain["value"]
    if not isinstance(key, str):
        raise BadRequest(f"key is {key!r:.80}; text is wanted")
    kind = _text_or_none(plain, "content_type") or "application/octet-stream"
    if _flag(plain, "base64"):
        value = Blob(_decoded(value, "value"), kind)
    for pointer, inside in _blobs(plain).items():
        value = _with_blob(value, pointer, inside)
    unknown = tuple(str(name) for name in plain if name not in MEMBERS)
    return Item(key, value, _expires(plain, now), _text_or_none(plain, "strategy"), plain.get("metadata"), unknown)


def _flag(plain: Mapping[str, Any], name: str) -> bool:
    found = plain.get(name)
    if found not in (None, True, False, "true", "false", ""):
        raise BadRequest(f"{name} is {found!r:.80}; true or false are allowed")
    return found in (True, "true")


def _text_or_none(plain: Mapping[str, Any], name: str) -> str | None:
    found = plain.get(name)
    if found is not None and not isinstance(found, str):
        raise BadRequest(f"{name} is {found!r:.80}; text is wanted")
    return found or None


def _decoded(value: Any, name: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (ValueError, TypeError):
        raise ValueInvalid(f"{name} is {value!r:.80}, which is no base64") from None


def _blobs(plain: Mapping[str, Any]) -> dict[str, str]:
    found = plain.get("blobs") or {}
    if not isinstance(found, dict) or not all(isinstance(kind, str) for kind in found.values()):
        raise BadRequest(f"blobs is {found!r:.80}; an object of JSON pointers and content types is wanted")
    return found


def _with_blob(value: Any, pointer: str, kind: str) -> Any:
    """`value` with the base64 text at `pointer` made the blob that it stands for."""
    above, _, last = pointer.rpartition("/")
    place = value
    try:
        for token in above.split("/")[1:]:
            place = place[_step(place, token)]
        step = _step(place, last)
        place[step] = Blob(_decoded(place[step], f"what stands at {pointer!r}"), kind)
    except (KeyError, IndexError, TypeError, ValueError):
        raise BadRequest(f"blobs names {pointer!r}, and there is nothing in the value") from None
    return value


def _step(place: Any, token: str) -> Any:
    return int(token) if isinstance(place, list) else token.replace("~1", "/").replace("~0", "~")


def _expires(plain: Mapping[str, Any], now: float) -> float | None:
    """As in Workers KV, a ttl is asked before a date."""
    for name, since in (("expiration_ttl", now), ("expiration", 0.0)):
        found = plain.get(name)
        if found is None or found == "":
            continue
        if isinstance(found, bool) or not isinstance(found, int | float) or not found > 0:
            raise BadRequest(f"{name} is {found!r:.80}; a number of seconds above 0 is wanted")
        return since + found
    return None
