"""What Redis' types are here: which of them a key is follows from its strategy, and strings are translated.

A string that no rule speaks of is an lww: text where it is UTF-8, else a blob. Under a rule of another strategy it is
what Workers KV's doors take it for (`doors.items.bodies`): a document where it is one as JSON, and read as JSON.
"""

from __future__ import annotations

from typing import Any

from crdtkv.core.blob import Blob
from crdtkv.core.rules import DEFAULT, Rule
from crdtkv.doors.items import bodies
from crdtkv.doors.items.bodies import body_of
from crdtkv.doors.redis.refusals import WRONG_TYPE, Refusal
from crdtkv.strategies.base import ABSENT
from crdtkv.strategies.roots import Root

__all__ = ["MERGES_NOT", "is_string", "of_rule", "said", "string_of", "type_of", "value_of"]

MERGES_NOT = frozenset({"lww", "counter"})
"""Where a put replaces whatever is here."""
_TYPES = {"hash": "hash", "list": "list", "log": "stream", "set": "set", "zset": "zset"}


def type_of(root: Root | None) -> str:
    """What TYPE says: none, string, list, set, zset, hash, stream. O(1)."""
    if root is None:
        return "none"
    return _TYPES.get(root[0].name, "string")


def is_string(root: Root) -> bool:
    """Whether GET reads it."""
    return type_of(root) == "string"


def string_of(root: Root | None) -> bytes | None:
    """What GET reads; None: there is no such key. O(value). Raises WRONGTYPE."""
    if root is None:
        return None
    if not is_string(root):
        raise Refusal(WRONG_TYPE)
    value = root[0].read(root[1])
    return None if value is ABSENT else said(value, root[0].name)


def said(value: Any, strategy: str) -> bytes:
    """A value as a string: text and bytes as they are, else JSON."""
    return value.encode() if type(value) is str else body_of(value)


def of_rule(rule: Rule) -> str:
    """The strategy that SET makes a key by: that of its rule; lww where there is none."""
    return "lww" if rule is DEFAULT else rule.strategy


def value_of(data: bytes, strategy: str) -> Any:
    """What SET puts, of the bytes it was given. `strategy`: the name of the key's. O(data)."""
    if strategy != "lww":
        return bodies.value_of(strategy, data)
    try:
        return data.decode()
    except UnicodeDecodeError:
        return Blob(data)
