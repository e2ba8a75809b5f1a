"""The documents that the workload's clients edit: a list, a cart, a page with parts.

A shape says how a document starts, how an intention changes it, and which entries
it holds. PURE: a client gets a copy and gives a new document, as with any KV store.
"""

import copy
import random
from collections import Counter
from typing import Any, NamedTuple, Protocol

__all__ = ["SHAPES", "Intent", "Shape"]


class Intent(NamedTuple):
    """What a client means to do: add, edit or remove `entry`. `at` in [0, 1) is where a list takes it."""

    kind: str
    entry: str
    text: str
    at: float


class Shape(Protocol):
    """How a document starts, changes, and is counted."""

    name: str
    strategies: tuple[str, ...]

    def start(self) -> Any:
        """The document that all colos begin with."""

    def intend(self, rng: random.Random, n: int, known: list[str]) -> Intent:
        """The n-th intention; `known` are the entries named so far, the latest last."""

    def carry_out(self, document: Any, intent: Intent) -> tuple[Any, str] | None:
        """The new document and what was done (add, edit, remove), or None where there is nothing to do."""

    def entries(self, document: Any) -> "Counter[str]":
        """How often each whole entry stands in it; half an entry does not count."""


class _Lists:
    """A list of names. Clients append, put in between, and take out."""

    name = "lists"
    strategies: tuple[str, ...] = ("lww", "mv", "set", "list", "json")

    def start(self) -> list[str]:
        return [f"item{i}" for i in range(1, 8)]

    def intend(self, rng: random.Random, n: int, known: list[str]) -> Intent:
        if rng.random() < 0.4:
            return Intent("remove", rng.choice(known[-12:]), "", 0)
        return Intent("add", f"item{n}", "", 1.0 if rng.random() < 0.7 else rng.random())

    def carry_out(self, document: list[str], intent: Intent) -> tuple[list[str], str] | None:
        if intent.kind == "remove":
            return ([e for e in document if e != intent.entry], "remove") if intent.entry in document else None
        place = int(intent.at * (len(document) + 1))
        return [*document[:place], intent.entry, *document[place:]], "add"

    def entries(self, document: list[str]) -> "Counter[str]":
        return Counter(document)


class _Carts:
    """sku -> quantity, out of a dozen skus, so that clients meet at the same ones."""

    name = "carts"
    strategies: tuple[str, ...] = ("lww", "mv", "json")

    def start(self) -> dict[str, int]:
        return {"sku1": 1, "sku2": 2}

    def intend(self, rng: random.Random, n: int, known: list[str]) -> Intent:
        kind = "remove" if rng.random() < 0.35 else "add"
        return Intent(kind, f"sku{rng.randint(1, 12)}", str(n), 0)

    def carry_out(self, document: dict[str, int], intent: Intent) -> tuple[dict[str, int], str] | None:
        there = intent.entry in document
        if intent.kind == "remove":
            return ({k: v for k, v in document.items() if k != intent.entry}, "remove") if there else None
        return {**document, intent.entry: int(intent.text)}, "edit" if there else "add"

    def entries(self, document: dict[str, int]) -> "Counter[str]":
        return Counter(list(document))


class _Documents:
    """A page with a title, tags, steps in order (each with an id), and comments by id."""

    name = "documents"
    strategies: tuple[str, ...] = ("lww", "mv", "json")

    def start(self) -> dict[str, Any]:
        return {
            "title": "plan",
            "tags": ["tag-a", "tag-b"],
            "steps": [{"id": f"step-{i}", "text": "to do", "done": False} for i in "abc"],
            "comments": {"comment-a": {"by": "ann", "text": "hello"}},
        }

    def intend(self, rng: random.Random, n: int, known: list[str]) -> Intent:
        roll = rng.random()
        if roll < 0.1:
            return Intent("title", "title", f"plan {n}", 0)
        if roll < 0.35:
            return Intent("remove", rng.choice(known[-12:]), "", 0)
        if roll < 0.6:
            return Intent("edit", rng.choice(known[-12:]), f"text {n}", 0)
        return Intent("add", f"{rng.choice(('tag', 'step', 'step', 'comment'))}-{n}", f"text {n}", rng.random())

    def carry_out(self, document: dict[str, Any], intent: Intent) -> tuple[dict[str, Any], str] | None:
        new = copy.deepcopy(document)
        if intent.kind == "title":
            new["title"] = intent.text
            return new, "title"
        there = self.entries(document)[intent.entry] > 0
        if (intent.kind == "add") == there:
            return None
        part = {"tag": self._tag, "step": self._step, "comment": self._comment}[intent.entry.split("-")[0]]
        return (new, intent.kind) if part(new, intent) else None

    def entries(self, document: dict[str, Any]) -> "Counter[str]":
        steps = [s["id"] for s in document.get("steps", []) if {"id", "text", "done"} <= s.keys()]
        comments = [c for c, body in document.get("comments", {}).items() if {"by", "text"} <= body.keys()]
        return Counter([*document.get("tags", []), *steps, *comments])

    def _tag(self, new: dict[str, Any], intent: Intent) -> bool:
        if intent.kind == "edit":
            return False
        tags = new.setdefault("tags", [])
        new["tags"] = [*tags, intent.entry] if intent.kind == "add" else [t for t in tags if t != intent.entry]
        return True

    def _step(self, new: dict[str, Any], intent: Intent) -> bool:
        steps = new.setdefault("steps", [])
        if intent.kind == "add":
            place = int(intent.at * (len(steps) + 1))
            steps.insert(place, {"id": intent.entry, "text": intent.text, "done": False})
        elif intent.kind == "remove":
            new["steps"] = [s for s in steps if s.get("id") != intent.entry]
        else:
            for step in steps:
                if step.get("id") == intent.entry:
                    step["text"], step["done"] = intent.text, True
        return True

    def _comment(self, new: dict[str, Any], intent: Intent) -> bool:
        comments = new.setdefault("comments", {})
        if intent.kind == "remove":
            del comments[intent.entry]
        else:
            comments[intent.entry] = {"by": "bob", "text": intent.text}
        return True


SHAPES: tuple[Shape, ...] = (_Lists(), _Carts(), _Documents())
