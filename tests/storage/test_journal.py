"""The journal and its checkpoints: whatever was acknowledged is there, wherever a process ends."""

from __future__ import annotations

import errno
import itertools
import os
import random
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgpack
import pytest

import crdtkv
from crdtkv.core.cells import Sibling
from crdtkv.errors import StorageFailed
from crdtkv.replica import leaf
from crdtkv.replica.draft import Draft
from crdtkv.storage import checkpoint
from crdtkv.storage.base import NO_HORIZON, Horizon, Over
from crdtkv.storage.checkpoint import Checkpoint
from crdtkv.storage.index import Index
from crdtkv.storage.journal import GROWTH, NUMBERS, Journal, _array, rows_of
from crdtkv.storage.layer import Layer
from crdtkv.storage.layers import Layers
from crdtkv.storage.logfile import LogFile
from crdtkv.storage.pasts import NO_PAST, Past, Superseded, whole
from crdtkv.storage.sqlite import SqliteStorage
from crdtkv.storage.tables import Tables
from crdtkv.storage.writing import Writing
from crdtkv.store import following
from tests.colos import crash
from tests.compiled import interpreted

ROOT = Path(__file__).parents[2]
ONE, OTHER = (Sibling(("lhr~k3f7", n), n << 30, bytes(n), (("sin~a0c2", n - 1),), ()) for n in (300, 70_000))
LONG = os.environ.get("CRDTKV_LAWS") == "long"


def test_what_a_record_says_is_what_messagepack_makes_of_its_rows() -> None:
    past = Past.of([Superseded(ONE, (OTHER.dot,), None, 7)])
    later = past.grown([Superseded(OTHER, (), {"a": 1}, 8)])
    cells, context, horizon = {b"p": (ONE,), b"q": (ONE, OTHER)}, {"a": 1}, Horizon({"a": 1}, deleted=5)
    said: list[tuple[Any, list[Any]]] = [
        *((("cell", ("k", b"p"), (), cell), [(0, ("k", b"p"), cell)]) for cell in ((ONE,), (), (ONE, OTHER))),
        (("cells", "k", cells, cells), [(0, ("k", path), cell) for path, cell in cells.items()]),
        (
            ("key", "é" * 300, None, (cells, context)),
            [*((0, ("é" * 300, path), cell) for path, cell in cells.items()), (1, ("é" * 300,), context)],
        ),
        *((("context", "k", {}, some), [(1, ("k",), some)]) for some in ({}, {"a": 70_000}, {"a": 1, "b": 2})),
        (("past", ("k", b"p"), NO_PAST, past), [(2, ("k", b"p"), whole(past))]),
        (("past", ("k", b"p"), past, NO_PAST), [(2, ("k", b"p"), None)]),
        (("past", ("k", b"p"), past, later), [(NUMBERS[GROWTH], ("k", b"p"), (1, later.since(past), 0))]),
        (("horizon", "k", horizon, NO_HORIZON), [(3, ("k",), None)]),
        (("horizon", "k", NO_HORIZON, horizon), [(3, ("k",), horizon)]),
        (("inbox", "id", None, {"a": [1]}), [(4, ("id",), {"a": [1]})]),
        (("meta", "name", 1, None), [(5, ("name",), None)]),
        (
            ("over", ("k", b"p"), ((ONE,), {}, past), Over((OTHER,), msgpack.packb(OTHER), {"a": 2}, later, b"row")),
            [(0, ("k", b"p"), (OTHER,)), (NUMBERS[GROWTH], ("k", b"p"), (1, b"row", 0)), (1, ("k",), {"a": 2})],
        ),
    ]
    for change, rows in said:
        assert rows_of([change]) == [msgpack.packb(row) for row in rows]
    assert all(_array(n) == msgpack.Packer().pack_array_header(n) for n in (0, 1, 15, 16, 65_535, 65_536, 1 << 24))


def test_transactions_that_share_a_commit_and_a_key_are_replayed_in_their_order(path: Path) -> None:
    """Each writes it twice: over what another left, and over its own."""
    kv = crdtkv.open(path, colo="lhr")
    kv.put("k", "begun")
    kv.put("k", "gone on")
    replica = kv._replica
    with kv._lock, replica.transaction():
        for n in range(20):
            with replica.step():
                draft = Draft(replica, kv._rule_of)
                for value in (f"{n}", f"{n} again"):
                    assert leaf.put(draft, "k", value, None) is not None
                assert draft.record() is not None
    before = kv["k"], kv.get("k").version, [(r.version, r.value) for r in kv.history("k")], kv.digest()
    assert before[0] == "19 again" and len(before[2]) == 22
    crash(kv)
    with crdtkv.open(path, colo="lhr") as kv:
        after = kv["k"], kv.get("k").version, [(r.version, r.value) for r in kv.history("k")], kv.digest()
        assert after == before and not kv.check()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "lhr.db"


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints all the time, a few rows a step."""
    monkeypatch.setattr(checkpoint, "JOURNAL_BYTES", 2_000)
    monkeypatch.setattr(checkpoint, "STEP_ROWS", 3)


def storage_of(kv: crdtkv.Store) -> SqliteStorage:
    found = kv._replica.storage
    assert isinstance(found, SqliteStorage)
    return found


def act(kv: crdtkv.Store, dice: random.Random) -> None:
    """Something to something."""
    key = f"k{dice.randrange(6)}"
    match dice.randrange(6):
        case 0:
            kv.put(key, [dice.randrange(9) for _ in range(dice.randrange(6))])
        case 1:
            kv.delete(key)
        case 2:
            kv.counter("n").add(1, idempotency_key=str(dice.random()))
        case 3:
            kv.list("l").append(dice.random())
        case 4:
            kv.list("l").clear()
        case _:
            kv.compact()


def everything(kv: crdtkv.Store) -> Any:
    entries = [(e.key, e.value, e.version) for e in kv.scan()]
    past = {k: [(r.version, r.value) for r in kv.history(k)] for k in ("k0", "l", "n")}
    return kv.vector, kv.digest(), kv.floor, entries, past


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("durability", ["full", "normal"])
@pytest.mark.parametrize("seed", range(3))
def test_a_process_ends_anywhere(path: Path, seed: int, durability: str) -> None:
    """After each few operations it dies or closes; in between checkpoints begin, go on and end."""
    dice = random.Random(seed)
    now = [1_767_261_600.0]

    def clock() -> float:
        now[0] += 2
        return now[0]

    for _ in range(25):
        kv = crdtkv.open(path, colo="lhr", clock=clock, durability=durability, purge_step_ms=1)
        for _ in range(dice.randrange(12)):
            act(kv, dice)
        before = everything(kv)
        if dice.random() < 0.7:
            crash(kv)
        else:
            kv.close()
        with crdtkv.open(path, colo="lhr", clock=clock, purge_step_ms=1) as again:
            assert everything(again)[2:] == before[2:]
            assert {r: again.vector[r] for r in before[0]} == before[0]
            assert again.check() == []


@pytest.mark.usefixtures("small")
def test_the_journal_does_not_grow(path: Path) -> None:
    """However much is written; and a file that was closed has an empty one."""
    with crdtkv.open(path, colo="lhr") as kv:
        sizes = []
        for n in range(200):
            kv.put(f"k{n % 7}", "x" * 100)
            sizes.append(storage_of(kv)._journal.size)
        assert max(sizes) < 20_000 and min(sizes[50:]) < 3_000
    db = sqlite3.connect(path)
    assert db.execute("SELECT count(*) FROM journal").fetchone() == (0,)
    assert db.execute("SELECT count(DISTINCT key) FROM cell WHERE key LIKE 'k%'").fetchone() == (7,)
    db.close()


@interpreted
@pytest.mark.usefixtures("small")
def test_a_checkpoint_that_fails_fails_no_write(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in the journal is written. When the disk is well again the next step goes on where it was."""
    kv = crdtkv.open(path, colo="lhr")
    kv.put("a", 0)

    def failing(self: Tables, *args: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Tables, "write_key", failing)
        for n in range(60):
            kv.put(f"k{n}", "x" * 100)
        assert storage_of(kv)._journal.size > 10_000
    before = everything(kv)
    kv.put("a", 1)
    for _ in range(100):
        kv.put("a", 2)
    assert storage_of(kv)._journal.size < 10_000
    kv.close()
    with crdtkv.open(path, colo="lhr") as again:
        assert [e[:2] for e in everything(again)[3][1:]] == [e[:2] for e in before[3][1:]]
        assert again["a"] == 2 and again.check() == []


WRITER = """
import sys, crdtkv
from crdtkv.storage import checkpoint
checkpoint.JOURNAL_BYTES, checkpoint.STEP_ROWS = 4_000, 5
kv = crdtkv.open(sys.argv[1], colo="lhr", durability=sys.argv[2])
n = int(sys.argv[3])
while True:
    n += 1
    with kv.transaction() as t:
        t.put("n", n)
        t.put(f"k{n % 50}", n)
        t.list("l").append(n)
        if n % 40 == 0:
            t.list("l").clear()
    print(n, flush=True)
"""


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_killed(path: Path, durability: str) -> None:
    """SIGKILL at any time: all that was acknowledged is there, each transaction whole, and the file is sound."""
    last = 0
    for round in range(100 if LONG else 4):
        command = [sys.executable, "-c", WRITER, str(path), durability, str(last)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            said = [int(child.stdout.readline()) for _ in range(20 + 13 * round % 60)]
            child.send_signal(signal.SIGKILL)
            said += [int(line) for line in child.stdout if line.endswith("\n")]
        with crdtkv.open(path, colo="lhr") as kv:
            last = kv["n"]
            assert last in (said[-1], said[-1] + 1)
            entry = kv.get("l")
            assert kv[f"k{last % 50}"] == last
            assert (entry.value if entry else []) == list(range(last - last % 40 + 1, last + 1))
            assert kv.check() == []


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_file_that_cannot_be_replaced_is_as_it_was(path: Path, step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is left beside it once it was removed."""
    file = LogFile(path)
    file.write(0, b"before")
    file.sync()

    def failing(*args: Any) -> None:
        raise OSError(errno.EIO, "disk I/O error")

    with monkeypatch.context() as patch, pytest.raises(sqlite3.OperationalError, match="I/O"):
        patch.setattr(os, step, failing)
        file.replace(b"after")
    assert file.read() == b"before" and list(path.parent.iterdir()) == [path]
    file.write(6, b" and since")
    assert file.read() == b"before and since"
    file.replace(b"after")
    file.write(5, b"wards")
    assert path.read_bytes() == b"afterwards"
    file.remove()
    assert list(path.parent.iterdir()) == []


@interpreted
def test_a_sync_that_fails_says_what_is_known(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under `normal` durability: what was committed is there, and can be synced once the disk is sound."""
    kv = crdtkv.open(path, colo="lhr", durability="normal")
    kv.put("a", 1)

    def failing(file: LogFile) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(LogFile, "sync", failing)
        with pytest.raises(StorageFailed, match="power cut may take it back") as caught:
            storage_of(kv).sync()
    assert caught.value.happened == "yes" and caught.value.next_step and kv["a"] == 1
    storage_of(kv).sync()
    kv.put("a", 2)
    kv.close()


def _interrupted(patch: pytest.MonkeyPatch, where: type, name: str, after: bool) -> None:
    """The `name` of a class is interrupted, once, before or after it has done its work."""
    whole, armed = getattr(where, name), [True]

    def interrupted(*args: Any) -> Any:
        done = whole(*args) if after or not armed[0] else None
        if armed[0]:
            armed[0] = False
            raise KeyboardInterrupt
        return done

    patch.setattr(where, name, interrupted)


POINTS = [
    (Journal, "append"), (Checkpoint, "follow"), (Checkpoint, "step"), (SqliteStorage, "note"), (Writing, "_wrote_key"),
    (Layers, "supersede"), (Index, "moved"), (Layers, "put_meta"), (Layer, "change"), (Layer, "wrote"),
]  # fmt: skip


def test_steps_that_are_due_at_once_are_one_transaction(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many of them, and no more; of large keys a piece at a time."""
    monkeypatch.setattr(checkpoint, "STEP_ROWS", 5)
    monkeypatch.setattr(checkpoint, "_TIDY_STEPS", 1_000)
    monkeypatch.setattr(following, "FRESH_S", None)
    kv = crdtkv.open(path, colo="lhr")
    begun, begin = [], storage_of(kv)._checkpoint._begin
    storage_of(kv)._checkpoint._begin = lambda: begun.append(1) or begin()  # type: ignore[func-returns-value]
    for count, times in ((10, 1), (40, 4), (500, 24)):  # (by themselves 2, 8 and 100, and the pieces)
        with kv.transaction() as t:
            for n in range(count):
                t.put(f"k{n}", n)
            if count == 40:
                for n in range(3):
                    t.put(f"large{n}", {f"m{each}": each for each in range(100)})
        begun.clear()
        with monkeypatch.context() as patch:
            patch.setattr(checkpoint, "JOURNAL_BYTES", 1)
            storage_of(kv)._checkpoint.follow(2 * count)
        assert 1 <= len(begun) <= times
    before = dict(kv.items()), kv.digest()
    crash(kv)
    with crdtkv.open(path, colo="lhr") as kv:
        assert (dict(kv.items()), kv.digest()) == before and not kv.check()


@interpreted
@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize(("where", "name"), POINTS, ids=lambda p: p if isinstance(p, str) else p.__name__)
def test_an_interrupt_in_mid_write(path: Path, where: type, name: str, after: bool) -> None:
    """The write has happened or not; what follows is whole, or refused until the file is opened again."""
    kv = crdtkv.open(path, colo="lhr")
    for n in range(30):
        kv.put("a", n)
    with pytest.MonkeyPatch.context() as patch:
        _interrupted(patch, where, name, after)
        with pytest.raises(KeyboardInterrupt):
            for n in range(30, 60):
                kv.put("a", n)
    last = n
    try:
        kv.put("b", 1)
        wrote = True
    except StorageFailed as error:
        assert error.happened == "no" and "open it again" in error.next_step
        wrote = False
    crash(kv)
    with crdtkv.open(path, colo="lhr") as again:
        assert again.check() == [] and again["a"] in (last - 1, last) and ("b" in again) is wrote
        again.put("c", 1)


@interpreted
def test_a_checkpoint_takes_its_time(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As long as the journal takes to be as long again: made at once, it would hold up all who write meanwhile."""
    monkeypatch.setattr(following, "FRESH_S", None)
    monkeypatch.setattr(checkpoint, "JOURNAL_BYTES", 20_000)
    monkeypatch.setattr(checkpoint, "STEP_ROWS", 5)
    steps: list[int] = []
    sizes: list[int] = []
    step = checkpoint.Checkpoint.step

    def counted(self: checkpoint.Checkpoint, many: int = 1) -> int:
        steps[-1] += many
        return step(self, many)

    monkeypatch.setattr(checkpoint.Checkpoint, "step", counted)
    steps.append(0)
    with crdtkv.open(path, colo="lhr") as kv:
        for n in range(600):
            steps.append(0)
            kv.put(f"k{n}", "x" * 20)
            sizes.append(storage_of(kv)._journal.size)
        steps.append(0)
    busy = "".join("x" if count else " " for count in steps[1:-1])
    assert "x" in busy and "xxxx" not in busy and max(steps[:-1]) <= 2
    assert max(sizes) < 50_000 and any(later < earlier / 2 for earlier, later in itertools.pairwise(sizes))


def test_of_keys_with_a_long_past_a_step_takes_fewer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What views tell of a past is rewritten as a whole: who writes would wait for longer the longer it is."""
    monkeypatch.setattr(following, "FRESH_S", None)
    steps = []
    for versions in (1, 60):
        with crdtkv.open(tmp_path / f"{versions}.db", colo="lhr") as kv:
            for version in range(versions + 1):
                if version == versions:
                    kv._replica.storage.settle()
                kv.update({f"k{n}": version for n in range(300)})
            count = 1
            while kv._replica.storage.freshen():
                count += 1
            steps.append(count)
    assert steps[1] > 2 * steps[0]
