"""(b) The case that made us begin: a list that two colos write at once, by a plain PUT and by operations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from bench.harness.shapes import RIGHT, Case, Workload
from bench.harness.targets import right
from bench.peers import need

__all__ = ["WORKLOAD", "judge", "measure", "verdict"]

DOCUMENTS = ("crdtkv", "pycrdt", "loro", "automerge", "yjs", "loro-js", "automerge-js", "pouchdb", "gun")
SERVERS = ("redis", "etcd", "sqlite3", "diskcache", "lmdb")
MERGING = ("nbdime", "jsonmerge", "dictdiffer", "merge3", "git-merge-file")

BASE = [f"entry{n}" for n in range(1, 8)]
OURS = [entry for entry in BASE if entry != "entry5"]
THEIRS = [*BASE, "entry8", "entry9"]
WANTED = [*OURS, "entry8", "entry9"]


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """What each replica reads in the end."""
    base, ours, theirs = (order[name] for name in ("base", "ours", "theirs"))
    if order["do"] == "operations":
        return {"figures": {}, "found": _operations(peer, base, order)}
    if hasattr(peer, "merge"):
        return {"figures": {}, "found": [peer.merge(base, ours, theirs)]}
    return {"figures": {}, "found": _put(peer, base, ours, theirs)}


def verdict(found: list[Any], order: Mapping[str, Any]) -> str:
    """Who is wrong, and how."""
    verdicts = dict.fromkeys(judge(value, order["wanted"], order["base"]) for value in found)
    return "; ".join(verdicts) if len(verdicts) == 1 else "the two differ: " + "; ".join(verdicts)


def judge(found: Any, wanted: Sequence[Any], base: Sequence[Any] = ()) -> str:
    """`right`, or what is wrong with a list; words stand for themselves.

    >>> judge([1, 2, 5], [1, 2, 8, 9], base=[1, 2, 5])
    'loses 2 entries (8, 9), brings 5 back'
    >>> judge([2, 1], [1, 2]), judge([1, 1, 2], [1, 2])
    ('in another order', 'doubles 1')
    """
    if isinstance(found, str):
        return found
    if not isinstance(found, list):
        return f"no list: {found!r}"[:80]
    if found == list(wanted):
        return RIGHT
    lost, more = Counter(wanted) - Counter(found), Counter(found) - Counter(wanted)
    words = []
    if lost:
        names = ", ".join(map(str, lost))
        words.append(f"loses {lost.total()} {'entry' if lost.total() == 1 else 'entries'} ({names})"[:80])
    back = [entry for entry in more if entry in base and entry not in wanted]
    words += [f"brings {', '.join(map(str, back))} back"] if back else []
    twice = [entry for entry in more if entry not in back]
    words += [f"doubles {', '.join(map(str, twice))}"[:60]] if twice else []
    return ", ".join(words) or "in another order"


def _put(peer: Any, base: list[Any], ours: list[Any], theirs: list[Any]) -> list[Any]:
    """Each client has read the base, and writes its whole list to its colo; where there is one server, to that."""
    need(peer, "replica", "write", "read")
    a = peer.replica(1)
    a.write(base)
    if not hasattr(peer, "fork"):
        a.read()
        a.write(ours)
        a.write(theirs)
        return [a.read()]
    b = peer.fork(a, 2)
    a.write(ours)
    b.write(theirs)
    peer.meet(a, b)
    return [a.read(), b.read()]


def _operations(peer: Any, base: list[Any], order: dict[str, Any]) -> list[Any]:
    need(peer, "replica", "extend", "remove", "entries")
    a = peer.replica(1)
    a.extend(base)
    b = peer.fork(a, 2) if hasattr(peer, "fork") else a
    for entry in order["removed"]:
        a.remove(entry)
    b.extend(order["added"])
    if hasattr(peer, "meet"):
        peer.meet(a, b)
    return [a.entries(), b.entries()]


_THREAD = {"base": BASE, "ours": OURS, "theirs": THEIRS, "wanted": WANTED}
_BOTH = {"base": [1, 2, 3], "ours": [1, 2, 3, 4], "theirs": [1, 2, 3, 5]}
_CASES = (
    Case(
        "plain PUT",
        "A list of seven: one client PUTs it without entry5, another, elsewhere, with entry8 and entry9",
        {**_THREAD, "do": "put"}, (), DOCUMENTS + SERVERS + MERGING, repetitions=1,
    ),
    Case(
        "operations", "The same by operations: one removes entry5, the other appends two",
        {**_THREAD, "do": "operations", "removed": ["entry5"], "added": ["entry8", "entry9"]},
        (), DOCUMENTS + SERVERS, repetitions=1,
    ),
    Case(
        "both append", "Both append to [1, 2, 3], by a PUT of the whole: 4 here, 5 there",
        {**_BOTH, "wanted": [1, 2, 3, 4, 5], "do": "put"}, (), DOCUMENTS + SERVERS + MERGING, repetitions=1,
    ),
)  # fmt: skip

WORKLOAD = Workload(
    "thread", "who gets the list right", _CASES, _CASES,
    (
        right("right by plain PUT", "plain PUT"),
        right("right by operations", "operations"),
        right("both append: right", "both append"),
    ),
    "A client of crdtkv sends with its PUT the version it had read. The documents are written as their libraries "
    "have it: a member of a map is set to the new list. Redis, etcd, SQLite, diskcache and LMDB are one server or "
    "file, to which both clients write: JSON under one key, or a list of rows.",
    verdict,
)  # fmt: skip
