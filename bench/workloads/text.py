"""(f) A text as it is typed: inserts and deletes at positions, a transaction each; from a file, or made up."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Any

from bench.harness.shapes import RIGHT, Case, Figure, Workload
from bench.peers import need
from bench.worker import peak_mb
from bench.workloads.figures import MERGE, SENT, STATE
from bench.workloads.measuring import each_us, exchanged

__all__ = ["WORKLOAD", "made_up", "measure", "verdict"]

DOCUMENTS = ("crdtkv", "pycrdt", "loro", "automerge", "yjs", "loro-js", "automerge-js")
SPLICE = Figure("splice_us", "one edit", "us")
_LETTERS = "abcdefghijklmnopqrstuvwxyz     "


def measure(peer: Any, order: dict[str, Any]) -> dict[str, Any]:
    """The edits at one replica, then what another takes to have them."""
    need(peer, "replica", "splice", "text", "fork", "meet")
    trace = json.loads(Path(order["trace"]).read_text()) if order["trace"] else made_up(order["edits"])
    trace = trace[: order["edits"]]
    one = peer.replica(1)
    other = peer.fork(one, 2)
    took = each_us(lambda edit: one.splice(*edit), trace, len(trace))
    figures = {"splice_us": took, "peak_mb": peak_mb(), "state_bytes": len(one.save()), **exchanged(peer, one, other)}
    wanted = _applied(trace)
    return {"figures": figures, "found": {"one": one.text() == wanted, "other": other.text() == wanted}}


def verdict(found: Mapping[str, bool], order: Mapping[str, Any]) -> str:
    return RIGHT if all(found.values()) else "the text is another"


def made_up(count: int) -> list[tuple[int, int, str]]:
    """Edits as somebody types: runs of letters, some taken back, then on at another place.

    >>> made_up(3) == made_up(3), len(made_up(500))
    (True, 500)
    """
    dice, edits, length, at = Random(4), [], 0, 0
    while len(edits) < count:
        if dice.random() < 0.03:
            at = dice.randrange(length + 1)
        if at and dice.random() < 0.12:
            at -= 1
            length -= 1
            edits.append((at, 1, ""))
        else:
            edits.append((at, 0, dice.choice(_LETTERS)))
            at += 1
            length += 1
    return edits


def _applied(trace: list[Any]) -> str:
    text = ""
    for at, deleted, inserted in trace:
        text = text[:at] + inserted + text[at + deleted :]
    return text


def _case(edits: int, repetitions: int) -> Case:
    words = f"{edits:,} edits of a text, a transaction each; then another replica takes them"
    return Case("typing", words, {"edits": edits}, (SPLICE, STATE, MERGE, SENT), DOCUMENTS, 8, repetitions)


WORKLOAD = Workload(
    "text",
    "a text that is typed",
    (_case(20_000, 3),),
    (_case(500, 1),),
    (),
    "crdtkv has no text by the letter: it is a list of letters here. The others have a type for it. `--trace FILE` "
    "names recorded edits, `[[position, deleted, inserted], ...]`; without it they are made up: runs of letters, an "
    "eighth taken back, a jump every thirty.",
    verdict,
)
