"""Strings: an lww where no rule speaks of the key; else what the rule says, as JSON text."""

from __future__ import annotations

from typing import Any

from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.client import Client
from crdtkv.doors.redis.kinds import of_rule, string_of, value_of
from crdtkv.doors.redis.replies import OK
from crdtkv.doors.redis.table import command

__all__ = ["get", "set_"]


def _known(client: Client, args: list[bytes]) -> bytes | None:
    return client.place.known(args[1])


@command("get", 2, "readonly fast", (1, 1, 1), group="string", maps="the value", hot=_known)
def get(at: At, args: list[bytes]) -> Any:
    """The string value of a key."""
    name = args[1]
    key = key_of(name)
    root = at.shown(key)
    found = string_of(root)
    if root is not None and found is not None:
        if root[0].name in _OF_NO_BASE:
            at.remember(name, key, found)
        else:
            at.check_alone(key)
            at.client.note_base(key, at.context(key))
    return found


_OF_NO_BASE = frozenset({"lww", "counter"})
"""Where a put replaces whatever is here: nothing is merged."""


@command("set", -3, "write denyoom", (1, 1, 1), group="string", maps="put")
def set_(at: At, args: list[bytes]) -> Any:
    """Sets the string value of a key, whatever it held."""
    key = key_of(args[1])
    root = at.shown(key)
    spec = of_rule(at.draft.rule_of(key)) if root is None else root[0].name
    at.put(key, value_of(args[2], spec.partition("?")[0]), spec if root is None else None)
    return OK
