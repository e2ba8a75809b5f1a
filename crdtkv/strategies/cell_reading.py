"""What most strategies ask of a cell: its readable values, and what a base takes away.

Rule of this room: reading never raises. A payload that cannot be unpacked (of a
newer version, or foreign) is no value: it stays where it is and is a loser.
"""

from __future__ import annotations

from typing import Any

from crdtkv.core import values
from crdtkv.core.cells import Cell, Sibling, is_live, is_value, rank
from crdtkv.core.show import show
from crdtkv.core.tree import Tree
from crdtkv.errors import RuleInvalid, TooManySiblings, WrongOperation
from crdtkv.strategies.base import ABSENT, Env, Operation, Strategy, Write

__all__ = [
    "MAX_SIBLINGS",
    "choose",
    "covers_live",
    "misfit",
    "put_beside",
    "readable",
    "take_away",
    "unreadable",
    "value_of",
]

MAX_SIBLINGS = 64
"""Concurrent values of one cell where none replaces the others. (Riak warns at 25 siblings and stops at 100.)"""


def value_of(payload: bytes | None) -> Any:
    """The value in `payload`, a fresh object; ABSENT if there is none that can be read."""
    if payload is None or not is_value(payload):
        return ABSENT
    try:
        return values.unpack(payload)
    except Exception:  # whatever a foreign payload makes a decoder raise: a read must go on
        return ABSENT


def readable(cell: Cell) -> list[tuple[Sibling, Any]]:
    """The siblings that hold a readable value, the latest last. Cost: O(siblings)."""
    found = [(s, value_of(s.payload)) for s in sorted(cell, key=rank)]
    return [(s, v) for s, v in found if v is not ABSENT]


def unreadable(cell: Cell) -> list[Sibling]:
    """The siblings that hold something that is live and cannot be read."""
    return [s for s in cell if is_live(s.payload) and value_of(s.payload) is ABSENT]


def covers_live(cell: Cell, env: Env) -> bool:
    """Whether the base had seen something live that still stands in `cell`."""
    return any(is_live(s.payload) and env.covers(s.dot) for s in cell)


def take_away(tree: Tree, env: Env, path: bytes = b"") -> list[Write]:
    """A tombstone for what the base shows at `path`; nothing where it would take nothing away.

    (Were it written anyway, deletes repeated on one old base would pile up.)
    """
    return [Write(path, None)] if covers_live(tree.cell(path), env) else []


def put_beside(cell: Cell, payload: bytes, env: Env, absent: bool) -> list[Write]:
    """A put that leaves standing what the base has not seen.

    Raises TooManySiblings beyond MAX_SIBLINGS.
    """
    standing = 0 if absent else sum(not env.covers(s.dot) for s in cell)
    if standing >= MAX_SIBLINGS:
        raise TooManySiblings(f"{standing} concurrent values stand that this write has not seen; read again")
    return [Write(b"", payload, all=absent)]


def misfit(strategy: Strategy, operation: Operation) -> WrongOperation:
    """The error for an operation that the strategy lacks, or that was given the wrong arguments."""
    name, args = operation
    if name in strategy.operations:
        return WrongOperation(f"{name}{show(args)} does not fit {strategy.operations[name]} of {strategy.name}")
    return WrongOperation(f"{strategy.name} takes {', '.join(strategy.operations)}; not {name!r}")


def choose(strategy: str, options: dict[str, str], **allowed: tuple[str, ...]) -> dict[str, str]:
    """The options that are not the default, which is the first of those allowed. Raises RuleInvalid.

    >>> choose("set", {"wins": "remove"}, wins=("add", "remove"))
    {'wins': 'remove'}
    >>> choose("set", {"wins": "add"}, wins=("add", "remove"))
    {}
    """
    for option, value in options.items():
        if option not in allowed:
            raise RuleInvalid(f"{strategy} takes the options {', '.join(allowed) or '(none)'}; not {show(option)}")
        if value not in allowed[option]:
            raise RuleInvalid(f"option {option} of {strategy} is {' or '.join(allowed[option])}; not {show(value)}")
    return {option: value for option, value in options.items() if value != allowed[option][0]}
