"""Every rule of the engine is kept by a line that a proof would miss.

The proofs, each under its guards, are in the files beside this one, by the headings of
docs/replication.md. `python -m tests.guards` prints the table: rule, mutation, proof.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest

from crdtkv.errors import CrdtkvError
from tests.compiled import interpreted
from tests.connections import closed_after
from tests.guards.mutation import GUARDS, Guard

AREAS = (
    "cells", "deleting", "absent", "elements", "counters", "expiry", "exchange", "clocks", "forgetting", "belonging",
    "returning", "taken", "history", "telling", "texts", "values", "serving", "clients", "files", "journal", "layers",
    "keeping", "using", "sharing", "following", "cluster", "gossip", "metadata", "fields", "sweeps", "pieces", "pasts",
)  # fmt: skip
for area in AREAS:
    import_module(f"tests.guards.{area}")

LAWS = (AssertionError, CrdtkvError)
ROOT = Path(__file__).parent.parent.parent
PROOFS = list({guard.proof: None for guard in GUARDS})


@pytest.mark.parametrize("proof", PROOFS, ids=lambda p: f"{p.__module__.rpartition('.')[2]}-{p.__name__}")
def test_it_holds(proof: Callable[[], None]) -> None:
    """As the engine is."""
    proof()


@interpreted
@pytest.mark.parametrize("guard", GUARDS, ids=lambda g: g.name)
def test_a_broken_guard_is_noticed(guard: Guard) -> None:
    """With one line written wrong, the same proof fails."""
    with closed_after(), guard.broken(), pytest.raises(LAWS):
        guard.proof()


@interpreted
def test_every_line_is_where_its_guard_says() -> None:
    """Quick to ask, so that who changes such a line finds out before all proofs are run."""
    gone = []
    for guard in GUARDS:
        try:
            with guard.broken():
                pass
        except Exception as error:
            gone.append(f"{guard.name}: {error}")
    assert not gone, "\n".join(gone)


def test_every_rule_is_written_down() -> None:
    """On the page of the rules, or in the words of the code that keeps it."""
    pages = [*(ROOT / "docs").glob("*.md"), *(ROOT / "crdtkv").rglob("*.py")]
    written = "\n".join(_words(page.read_text()) for page in pages)
    unwritten = {guard.rule for guard in GUARDS if _words(guard.rule) not in written}
    assert not unwritten, "these words are nowhere: " + "; ".join(sorted(unwritten))


def test_every_paragraph_of_the_page_has_a_guard() -> None:
    """docs/replication.md is what every replica does; what no proof would miss does not belong there."""
    page = (ROOT / "docs" / "replication.md").read_text()
    paragraphs = [_words(part) for part in re.split(r"\n(?=- |\n|## )", page) if part.startswith("- ")]
    rules = [_words(guard.rule) for guard in GUARDS]
    bare = [paragraph for paragraph in paragraphs if not any(rule in paragraph for rule in rules)]
    assert len(paragraphs) > 30 and not bare, "no guard is for: " + "\n".join(bare)


def _words(text: str) -> str:
    """Without line ends, comment signs and stress, which break a sentence in two."""
    return " ".join(text.replace("#", " ").replace("*", "").replace("`", "").split())
