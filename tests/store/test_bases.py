"""What a base showed is told by what differs since, and is what its cells were."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import CrdtkvError
from crdtkv.replica import bases, past

KINDS = ("json", "list", "set", "json of objects")


def element(dice: Random, kind: str) -> Any:
    n = dice.randrange(60)
    return {"n": n, "at": [n % 3, n % 5], "x": {"y": n % 4}} if kind == "json of objects" else n


def changed(dice: Random, kind: str, value: list[Any]) -> list[Any]:
    value = list(value)
    for _ in range(dice.randrange(1, 4)):
        at = dice.randrange(len(value) + 1)
        match dice.choice(("in", "out", "out", "move", "edit")):
            case "in":
                value.insert(at, element(dice, kind))
            case "out" if len(value) > 22:
                del value[at : at + 2]
            case "move" if value:
                value.insert(at, value.pop(dice.randrange(len(value))))
            case "edit" if kind == "json of objects" and value:
                value[0] = {**value[0], "n": dice.randrange(60)}
    return value


def written(seed: int, kind: str) -> list[Any]:
    """What two colos put on versions of all ages, byte for byte, and what they were refused."""
    dice, now, said = Random(seed), [1_700_000_000.0], list[Any]()
    colos = [crdtkv.open(colo=c, clock=lambda: now[0], random=Random(c), purge_step_ms=1) for c in "ab"]
    colos[0].sync(colos[1])
    for kv in colos:
        kv.on_commit.append(lambda record, data: said.append(data))
    start = [element(dice, kind) for _ in range(30)]
    known = [(colos[0].put("k", start, strategy=kind[:4]).version, start)]
    for step in range(40):
        kv, now[0] = dice.choice(colos), now[0] + 0.01
        what = dice.choice(("put", "put", "put", "sync", "delete", "date", "add", "root", "compact"))
        try:
            known += done(kv, what, step, dice, kind, known)
        except CrdtkvError as error:
            said.append(repr(error))
        for each in colos * 2 if what in ("sync", "compact") else ():
            colos[0].sync(colos[1])
            if what == "compact" and step % 4 == 0:
                each.compact()
    return said


def done(kv: Any, what: str, step: int, dice: Random, kind: str, known: list[Any]) -> list[Any]:
    """The versions that came of it."""
    version, value = dice.choice(known)
    match what:
        case "put":
            receipt = kv.put("k", changed(dice, kind, value), base=version)
            return [(receipt.version, receipt.value if isinstance(receipt.value, list) else [])]
        case "add" if kind != "set":
            kv.list("k").append(element(dice, kind), step)
        case "delete" if step % 3 == 0:
            kv.delete("k")
        case "date" if step % 5 == 0:
            kv.expire("k", 0.05)
        case "root" if step % 7 == 0:
            kv.delete("k")
            kv.put("k", "a word", strategy="lww")
            kv.delete("k")
            return [(kv.put("k", value, strategy=kind[:4]).version, value)]
    return []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(8))
def test_an_edit_of_an_old_version_is_what_its_cells_make_of_it(
    seed: int, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = written(seed, kind)
    monkeypatch.setattr(bases, "_differing", lambda *given: None)
    assert written(seed, kind) == found


@pytest.mark.parametrize("seed", range(6))
def test_what_differs_is_what_differs(seed: int) -> None:
    """At every version that can be told, of a list that two colos write to and purge."""
    dice, told = Random(seed), 0
    with crdtkv.open(colo="a", purge_step_ms=1) as a, crdtkv.open(colo="b", purge_step_ms=1) as b:
        a.put("k", list(range(20)))
        versions = []
        for step in range(30):
            kv = dice.choice((a, b))
            if dice.random() < 0.4 or "k" not in kv:
                a.sync(b)
                continue
            kv.put("k", changed(dice, "json", kv["k"]))
            versions.append(dict(kv._replica.storage.context("k")))
            for each in (a, b) if step % 9 == 0 else ():
                a.sync(b)
                each.compact()
            told += sum(told_by_what_differs(kv, version) for kv in (a, b) for version in versions)
    assert told > 20


def told_by_what_differs(kv: Any, version: dict[str, int]) -> bool:
    storage = kv._replica.storage
    if not (past.known(storage, "k", version) and past.rebuildable(storage.horizon("k"), version)):
        return False
    differing = past.differing(storage, "k", version)
    if differing is not None:
        cells = {**storage.cells("k"), **differing}
        assert {path: cell for path, cell in cells.items() if cell} == dict(past.cells_at(storage, "k", version))
    return differing is not None
