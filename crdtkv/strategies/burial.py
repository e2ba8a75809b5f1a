"""What is left below something absent in a document, and how it is ended for good.

A document keeps the cells below what was deleted until a purge. Whoever makes
something stand there again ends them in the same transaction, so that nothing of it
comes back; and each write replaces all that stands, whatever its base had seen, for
elsewhere it may be purged.
"""

from __future__ import annotations

from collections.abc import Iterable

from crdtkv.core.cells import MARK_ARRAY, MARK_OBJECT, TOMBSTONE, Cell, is_hider, is_live, is_mark
from crdtkv.core.paths import ELEMENT, KEYED, MEMBER, ORDER, STRATEGY, components, first, is_below, is_counted
from crdtkv.strategies.base import Write
from crdtkv.strategies.counter_cells import dead_payload
from crdtkv.strategies.document import Node, Reader, nested_strategy, of_kind
from crdtkv.strategies.sequence import is_element, order_path

__all__ = ["bury", "restore", "spent"]

_CONTAINER_OF = {MEMBER: MARK_OBJECT, ELEMENT: MARK_ARRAY, KEYED: MARK_ARRAY}


def bury(reader: Reader, path: bytes, now: Node, all: bool = True) -> Iterable[Write]:
    """Everything below goes: all of it, or what the base has seen and what reads as absent by itself.

    Counters are cancelled, for a tombstone would give back what an add replaced.
    """
    for part, child in now.children.items():
        if part[:1] == STRATEGY:
            gone = nested_strategy(part).gone
            for below, cell in child.cells(part):
                yield from _end(path, below, cell, all or gone(cell))
            continue
        whole = all or reader.shown(now.children.get(first(part)[1]) if part[:1] == ORDER else child) is None
        yield from _end(path, part, child.cell, whole)
        yield from bury(reader, path + part, child, whole)


def _end(path: bytes, part: bytes, cell: Cell, whole: bool) -> Iterable[Write]:
    """What ends a cell at `path + part`, if there is anything in it to be ended."""
    if any(is_live(s.payload) or is_hider(s.payload) for s in cell):
        yield Write(path + part, dead_payload(part, cell) if is_counted(part) else TOMBSTONE, whole)


def spent(node: Node) -> dict[bytes, Cell]:
    """What is left of a strategy in something absent: counters go on from what they had counted, cancelled."""
    out: dict[bytes, Cell] = {}
    for path, cell in node.cells():
        if is_counted(path):
            payload = dead_payload(path, cell)
            out[path] = cell if payload is None else tuple(s._replace(payload=payload) for s in cell)
    return out


def restore(reader: Reader, root: Node, path: bytes, payload: bytes | None) -> Iterable[Write]:
    """What once stood at `path` stands there again, and the containers it was in: nothing else of theirs comes back."""
    node, at, gone = root, b"", False
    for part in components(path):
        kind, child = _CONTAINER_OF.get(part[:1]), node.children.get(part, Node())
        gone = gone or (kind is not None and not _stands(reader, node, kind))
        if kind is not None and (gone or [s.payload for s in node.cell] != [kind]):
            yield Write(at, kind, all=True)
        if gone:
            yield from (w for w in bury(reader, at, node) if w.path != at + part and not is_below(w.path, at + part))
        elif is_element(part) and order_path(part) in node.children and reader.shown(child) is None:
            yield Write(at + order_path(part), TOMBSTONE, all=True)
        node, at = child, at + part
    yield Write(path, payload, all=True)
    if is_live(payload):
        kept = payload if is_mark(payload) and not gone and _stands(reader, node, payload) else None
        others = Node(node.cell)
        others.adopt({p: c for p, c in node.children.items() if kept is None or not of_kind(p, kept)})
        yield from bury(reader, path, others, all=gone or reader.shown(node) is None)


def _stands(reader: Reader, node: Node, kind: bytes | None) -> bool:
    """Whether a container of that kind is shown at a node, be it as a conflict."""
    return any(found.kind == kind for found in reader.candidates(node))
