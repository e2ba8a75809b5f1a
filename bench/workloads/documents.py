"""(g) JSON documents: members edited at two places, three-way merges that people have made, a long list merged."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Judged, Row, Table, Target, Workload
from bench.harness.targets import at_most, both
from bench.peers import CONFLICT, CannotDo, need
from bench.workloads.figures import MERGE, SENT
from bench.workloads.measuring import exchanged, timed_ms

__all__ = ["WORKLOAD", "measure", "verdict"]

DOCUMENTS = ("crdtkv", "pycrdt", "loro", "automerge", "yjs", "loro-js", "automerge-js", "pouchdb")
MERGING = ("nbdime", "jsonmerge", "dictdiffer", "merge3", "git-merge-file")
EDIT = Figure("edit_ms", "an edit of 110 members at one", "ms")
THREE_WAY = Figure("three_way_ms", "the merge", "ms")
COMMITTED = Figure("committed", "as people committed it", "", more=True)
CONFLICTS = Figure("conflicts", "conflicts", "")
FAILED = Figure("failed", "exceptions", "")
EACH = Figure("each_ms", "each", "ms")


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    return _MEASURES[order["do"]](peer, order)


def verdict(found: Any, order: Mapping[str, Any]) -> str:
    """Whether a document or list holds what both did, and nothing else; words stand for themselves."""
    if isinstance(found, str):
        return found
    return RIGHT if not found["wrong"] else f"{found['wrong']:,} {order['do']} are wrong"


# members


def _edits(members: int) -> tuple[dict[str, Any], list[tuple[dict[str, Any], list[str]]], dict[str, Any]]:
    """The base; what each of two sets and removes, nothing of it the same; what there is to be in the end."""
    base: dict[str, Any] = {f"member-{n:04}": f"value {n}" for n in range(members)}
    tenth = members // 10
    edits = []
    for who, first in enumerate((0, members // 2)):
        changed: dict[str, Any] = {f"member-{n:04}": f"by {who}" for n in range(first, first + tenth)}
        changed |= {f"new-{who}-{n}": n for n in range(tenth // 10)}
        edits.append((changed, [f"member-{n:04}" for n in range(first + tenth, first + tenth + tenth // 10)]))
    wanted = dict(base)
    for changed, removed in edits:
        wanted |= changed
        for name in removed:
            del wanted[name]
    return base, edits, wanted


def _edited(document: dict[str, Any], edit: tuple[dict[str, Any], list[str]]) -> dict[str, Any]:
    return {name: value for name, value in (document | edit[0]).items() if name not in edit[1]}


def _members(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    base, (ours, theirs), wanted = _edits(order["members"])
    if hasattr(peer, "merge"):
        peer.merge({"a": 1, "b": 2}, {"a": 2, "b": 2}, {"a": 1, "b": 3})  # what is loaded when first asked for
        took, merged = timed_ms(lambda: peer.merge(base, _edited(base, ours), _edited(base, theirs)))
        return {"figures": {"merge_ms": took}, "found": _wrong(merged, wanted)}
    need(peer, "replica", "edit", "members", "fork", "meet")
    one = peer.replica(1)
    one.edit(base, [])
    other = peer.fork(one, 2)
    took, _ = timed_ms(lambda: one.edit(*ours))
    other.edit(*theirs)
    figures = {"edit_ms": took, **exchanged(peer, one, other)}
    return {"figures": figures, "found": max((_wrong(side.members(), wanted) for side in (one, other)), key=str)}


def _wrong(found: Any, wanted: dict[str, Any]) -> Any:
    if isinstance(found, str):
        return found
    names = found.keys() | wanted.keys()
    return {"wrong": sum(found.get(name) != wanted.get(name) for name in names)}


# three-way merges


def _entries(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """Entries removed here, added there, in a long list."""
    base = [f"entry {n}" for n in range(order["length"])]
    ours = [entry for n, entry in enumerate(base) if n not in (5, order["length"] // 2)]
    theirs = [*base[:20], "new 1", *base[20:], "new 2"]
    removed = set(base) - set(ours)
    wanted = [entry for entry in theirs if entry not in removed]
    for some in (10, None):  # first a little one: nothing that is loaded when first asked for is counted
        three = base[:some], ours[:some], theirs[:some]
        if hasattr(peer, "merge"):
            took, merged = timed_ms(lambda three=three: peer.merge(*three))
        else:
            took, merged = peer.put_on_base(*three)
    if isinstance(merged, str):
        return {"figures": {"three_way_ms": took}, "found": merged}
    wrong = len(set(merged) ^ set(wanted)) or (merged != wanted)
    return {"figures": {"three_way_ms": took}, "found": {"wrong": wrong}}


def _corpus(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """How many come out as people had committed them; in how many there is a conflict; how many raise."""
    if not order["corpus"]:
        raise CannotDo("not measured: no corpus was given (--corpus FILE)")
    merge = peer.merge if hasattr(peer, "merge") else peer.three_way
    counts = {"committed": 0, "conflicts": 0, "failed": 0}
    took, cases = 0.0, 0
    for case in _read(Path(order["corpus"]), order["most"]):
        cases += 1
        try:
            ms, merged = timed_ms(lambda case=case: merge(case["base"], case["ours"], case["theirs"]))
        except Exception:
            counts["failed"] += 1
            continue
        took += ms
        if isinstance(merged, str) and merged == CONFLICT:
            counts["conflicts"] += 1
        elif _plain(merged) == _plain(case["merged"]):
            counts["committed"] += 1
    words = f"{counts['committed']} of {cases} as committed"
    return {"figures": {**counts, "each_ms": took / max(1, cases)}, "verdict": words}


def _read(path: Path, most: int | None) -> Iterator[dict[str, Any]]:
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="utf-8") as lines:
        for n, line in enumerate(lines):
            if most is not None and n >= most:
                return
            yield json.loads(line)


def _plain(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


_MEASURES = {"members": _members, "entries": _entries, "corpus": _corpus}


# what we want


def _beside_nbdime() -> Target:
    def judge(table: Table) -> Judged:
        rows = table.get("corpus", {})
        ours, theirs = rows.get("crdtkv", Row()), rows.get("nbdime", Row())
        if "committed" not in ours.figures or "committed" not in theirs.figures:
            return Judged(None, ours.failure or theirs.failure or "not measured")
        mine, nbdime = (row.figures["committed"].median for row in (ours, theirs))
        return Judged(mine >= nbdime, f"{mine:.0f}, nbdime {nbdime:.0f}")

    return Target("the corpus: as many as people committed as nbdime, or more", judge)


def _cases(members: int, length: int, most: int | None, repetitions: int) -> tuple[Case, ...]:
    return (
        Case("members", f"A document of {members:,} members, a tenth of them edited at each of two places",
             {"do": "members", "members": members}, (EDIT, MERGE, SENT), DOCUMENTS + MERGING, 10, repetitions),
        Case("long list", f"A list of {length:,}: two removed here, two added there, merged three-way",
             {"do": "entries", "length": length}, (THREE_WAY,), ("crdtkv", *MERGING), 10, repetitions),
        Case("corpus", "Three-way merges that people have made and committed",
             {"do": "corpus", "most": most}, (COMMITTED, CONFLICTS, FAILED, EACH), ("crdtkv", *MERGING), 60, 1),
    )  # fmt: skip


WORKLOAD = Workload(
    "documents",
    "JSON documents, and merges of three",
    _cases(1_000, 10_000, None, 3),
    _cases(100, 500, 20, 1),
    (
        _beside_nbdime(),
        both("... with 0 conflicts and 0 exceptions",
             at_most("", "corpus", CONFLICTS, 0), at_most("", "corpus", FAILED, 0)),
        at_most("three-way of a list of 10,000: <= 10 ms", "long list", THREE_WAY, 10),
    ),
    "crdtkv and PouchDB are given the whole document, crdtkv with the version that was read; the documents are "
    "edited by their members. crdtkv merges the list by a PUT on an old base where the other's is by then, and "
    "each of the corpus between two colos opened for it: three PUTs, two exchanges. What merges lines is given "
    "JSON, an entry a line. A corpus is what `crdtkv demo --merges FILE` reads. *As committed* is exactly what people "
    "ended with; some of that no rule could know.",
    verdict,
)
