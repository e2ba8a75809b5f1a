"""How the parts of a document are named: by a path's tokens, by components, and in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crdtkv.core import values
from crdtkv.core.paths import KEYED, MEMBER, STRATEGY, component
from crdtkv.errors import ValueInvalid, WrongType
from crdtkv.strategies.document import nested_strategy
from crdtkv.strategies.registry import strategy

__all__ = [
    "Tokens",
    "check_index",
    "key_members",
    "keyed",
    "keyed_parts",
    "leaf_component",
    "member",
    "named",
    "own_component",
    "pointer",
    "similar",
    "strategy_name",
    "within",
]

Tokens = tuple[str, ...]


def member(name: str) -> bytes:
    """The component of an object's member."""
    return component(MEMBER, name.encode())


def keyed(element: Any, keys: tuple[str, ...]) -> bytes | None:
    """The component of an element that is identified by its key members, None if it lacks one."""
    if not keys or not isinstance(element, dict) or any(k not in element for k in keys):
        return None
    return component(KEYED, values.pack_canonical([element[k] for k in keys]))


def own_component(spec: str | None) -> bytes | None:
    """The component of a strategy that stands by itself at a path; None for what a document does itself."""
    if spec is None or spec == "json" or spec.split("?")[0] == "list":
        return None
    return component(STRATEGY, strategy(spec).spec.encode())


def leaf_component(strings: bytes, at: Tokens, value: Any) -> bytes | None:
    """The component of a leaf where strings are merged by words; None for an element of an array and for the root.

    Not for strings alone: a leaf that another colo makes a number meanwhile stays one cell, in which the later wins.
    """
    return None if isinstance(value, dict | list | tuple) or at[-1:] in ((), ("*",)) else strings


def key_members(spec: str | None) -> tuple[str, ...]:
    """The members that identify an array's elements; none: their creation does."""
    return tuple(spec.removeprefix("list?key=").split(",")) if spec and spec.startswith("list?key=") else ()


def within(tokens: Tokens, value: Any) -> Any:
    """A document that holds `value` at a path and nothing else."""
    if len(tokens) > values.MAX_DEPTH:
        raise ValueInvalid(f"path of {len(tokens)} steps; at most {values.MAX_DEPTH}")
    for token in reversed(tokens):
        value = {token: value}
    return value


def keyed_parts(value: Sequence[Any], keys: tuple[str, ...]) -> dict[int, bytes]:
    """The components of the elements that have their key members; of two with one key the first."""
    out: dict[int, bytes] = {}
    used: set[bytes] = set()
    for j, element in enumerate(value):
        part = keyed(element, keys)
        if part is not None and part not in used:
            out[j] = part
            used.add(part)
    return out


def similar(old: Any, new: Any) -> bool:
    """Whether two containers share at least half of their members."""
    if isinstance(old, dict) and isinstance(new, dict):
        same = sum(1 for k in old if k in new and values.equal(old[k], new[k]))
        return 2 * same >= max(len(old), len(new))
    return False


def named(at: Tokens) -> str:
    """A place in a document, in the words of an error."""
    return repr(pointer(at)) if at else "the document"


def check_index(index: Any, count: int, at: Tokens, end: int = 0) -> int:
    """`index` of `count` elements from the front, as Python counts; `end=1`: or behind the last. Else WrongType."""
    if not isinstance(index, int) or isinstance(index, bool):
        raise WrongType(f"index {index!r} of {named(at)} is not a whole number")
    if not -count <= index < count + end:
        allowed = f"{-count} to {count + end - 1} are allowed" if count + end else "it is empty"
        raise WrongType(f"index {index} is outside {named(at)}; {allowed}")
    return index + count if index < 0 else index


def pointer(tokens: Tokens) -> str:
    """The JSON pointer of a path (RFC 6901)."""
    return "".join("/" + t.replace("~", "~0").replace("/", "~1") for t in tokens)


def strategy_name(kind: bytes) -> str:
    """What is shown, in words."""
    return f"a {nested_strategy(kind).spec}" if kind[:1] == STRATEGY else "a plain value"
