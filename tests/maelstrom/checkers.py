"""Maelstrom's own checkers' rules, over a history of operations.

An operation that ended in "ok" happened, one that ended in "fail" did not, and one that
ended in "maybe" may have. Each checker says in words what is wrong.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NamedTuple

__all__ = ["Op", "check_broadcast", "check_counter", "check_echo", "check_set", "check_unique"]


class Op(NamedTuple):
    """`begun` and `ended` count the events of a history; `value`: what was added, or read."""

    node: str
    name: str
    value: Any
    outcome: str
    begun: int
    ended: int
    final: bool = False


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def check_set(history: list[Op]) -> list[str]:
    """set-full: what was acknowledged, or once seen, is in the reads that come after; nothing else is, nothing twice.

    An element that a later read lacks is lost unless a still later one has it again: nodes may be behind.
    """
    adds = [op for op in history if op.name == "add"]
    reads = sorted((op for op in history if op.name == "read" and op.outcome == "ok"), key=lambda op: op.begun)
    if not any(op.final for op in reads):
        return ["no final read"]
    asked = {_key(op.value) for op in adds if op.outcome != "fail"}
    wrong = [
        f"{element} stands {n} times in a read of {op.node}"
        for op in reads
        for element, n in Counter(map(_key, op.value)).items()
        if n > 1
    ]
    seen = [(op, set(map(_key, op.value))) for op in reads]
    wrong += [f"{op.node} read what nobody added: {sorted(found - asked)}" for op, found in seen if found - asked]
    known = {_key(op.value): op.ended for op in adds if op.outcome == "ok"}
    for op, found in seen:
        for element in found:
            known[element] = min(known.get(element, op.ended), op.ended)
    for element, since in sorted(known.items()):
        later = [(op, element in found) for op, found in seen if op.begun > since]
        present = max((op.begun for op, there in later if there), default=-1)
        if any(op.begun > present for op, there in later if not there) or not later:
            wrong.append(f"{element} is lost")
    return wrong


def check_broadcast(history: list[Op]) -> list[str]:
    """As a set; and every node's final read has every value that was acknowledged."""
    known = {_key(op.value) for op in history if op.name == "add" and op.outcome == "ok"}
    finals = [(op.node, set(map(_key, op.value))) for op in history if op.name == "read" and op.final]
    lacking = [f"{node} never heard of {sorted(known - found)}" for node, found in finals if known - found]
    return check_set(history) + lacking


def check_counter(history: list[Op]) -> list[str]:
    """Every final read is the sum of what was acknowledged, and of any of what may have happened."""
    adds = [op for op in history if op.name == "add"]
    possible = {sum(op.value for op in adds if op.outcome == "ok")}
    for op in adds:
        if op.outcome == "maybe":
            possible |= {total + op.value for total in possible}
    finals = [op for op in history if op.name == "read" and op.final and op.outcome == "ok"]
    if not finals:
        return ["no final read"]
    return [f"{op.node} reads {op.value}, not {sorted(possible)}" for op in finals if op.value not in possible]


def check_unique(history: list[Op]) -> list[str]:
    """No two names are one."""
    made = Counter(_key(op.value) for op in history if op.outcome == "ok")
    return [f"{name} was given {n} times" for name, n in made.items() if n > 1] if made else ["no name was given"]


def check_echo(history: list[Op]) -> list[str]:
    """What was said came back as it was."""
    return [f"{said!r} came back as {heard!r}" for said, heard in (op.value for op in history) if said != heard]
