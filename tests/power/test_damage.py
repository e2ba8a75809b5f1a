"""A log whose bits changed by themselves, or that was cut short, after its process was killed.

It is told, or the store is as it was at an earlier commit, knows that it is, and takes the
rest from a member. Nothing that was not written is ever shown or sent.
"""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import ChecksumFailed, Corrupt, NotAMember, NotBackYet
from crdtkv.storage import checkpoint, journal, witness
from crdtkv.store import following
from tests.power.disk import Disk
from tests.power.vfs import Mounted
from tests.power.wishes import Twin, draw

LONG = os.environ.get("CRDTKV_LAWS") == "long"
LOGS = ("-wal", *journal.SUFFIXES)
SUFFIXES = ("", *LOGS, "-witness")


@pytest.fixture(autouse=True, scope="module")
def no_boots() -> Iterator[None]:
    """The witnesses that are laid here say nothing of when they were changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(witness, "_BOOT", Path("/nowhere"))
        yield


class Killed:
    """What a process left that wrote to a store and was killed, and a peer that has seen all, or there is none."""

    def __init__(self, folder: Path, peered: bool) -> None:
        self.path = folder / "lhr.db"
        self.peer = crdtkv.open(colo="sin")
        self.twins = [Twin()]
        mounted = Mounted(Disk(self.path, Random(1)))
        with pytest.MonkeyPatch.context() as patch:
            mounted.lie_under(patch)
            patch.setattr(checkpoint, "JOURNAL_BYTES", 6_000)
            patch.setattr(checkpoint, "STEP_ROWS", 3)
            patch.setattr(checkpoint, "_TIDY_STEPS", 16)
            patch.setattr(following, "FRESH_S", None)
            kv = crdtkv.open(self.path, colo="lhr")
            if peered:
                kv.sync(self.peer)
            self.id, dice = kv.id, Random(2)
            for n in range(1, 60):
                wish = draw(dice, n)
                wish.act(kv)
                self.twins.append(dict(self.twins[-1]))
                wish.expect(self.twins[-1])
                if n == 55:
                    self._begin_checkpoint(kv)
            if peered:
                kv.sync(self.peer)
            mounted.let_go()
        self.files = {suffix: Path(f"{self.path}{suffix}").read_bytes() for suffix in SUFFIXES}

    def _begin_checkpoint(self, kv: crdtkv.Store) -> None:
        """Some steps of one: there is something in each of the logs."""
        storage: Any = kv._replica.storage
        storage.settle()
        for n in range(60):
            kv.put(f"filling/{n}", n)
            self.twins[-1][f"filling/{n}"] = n
        storage._checkpoint._untidy = 0  # (or SQLite's own log may just have been emptied)
        for _ in range(5):
            storage._checkpoint.step()

    def lay(self, altered: dict[str, bytes] | None = None) -> None:
        for suffix, content in {**self.files, **(altered or {})}.items():
            Path(f"{self.path}{suffix}").write_bytes(content)


@pytest.fixture(scope="module")
def peered(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    return Killed(tmp_path_factory.mktemp("peered"), True)


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Killed:
    return Killed(tmp_path_factory.mktemp("alone"), False)


@pytest.fixture(params=["a bit", "zeros", "cut short", "two frames exchanged", "empty"])
def alter(request: pytest.FixtureRequest) -> Callable[[bytes, Random], bytes]:
    """What becomes of a log."""

    def alter(log: bytes, dice: Random, frame: int) -> bytes:
        data, at = bytearray(log), dice.randrange(len(log))
        one, other = (32 + frame * dice.randrange((len(log) - 32) // frame) for _ in range(2))
        match request.param:
            case "a bit":
                data[at] ^= 1 << dice.randrange(8)
            case "zeros":
                data[at : at + 512] = bytes(len(data[at : at + 512]))
            case "cut short":
                del data[at:]
            case "two frames exchanged":
                here, there = log[one : one + frame], log[other : other + frame]
                data[one : one + frame], data[other : other + frame] = there, here
            case "empty":
                data.clear()
        return bytes(data)

    return alter


SEEDS = range(100 if LONG else 6)


def frame_of(suffix: str) -> int:
    return 4_120 if suffix == "-wal" else 64


def found_at(path: Path, suffix: str) -> bytes:
    """A log that is empty may be none."""
    log = Path(f"{path}{suffix}")
    return log.read_bytes() if log.exists() else b""


@pytest.mark.parametrize("suffix", LOGS)
@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_peer(peered: Killed, alter: Any, seed: int, suffix: str) -> None:
    """Told, and left as it is; or an earlier state that writes nothing before the peer gave the rest back."""
    log, theirs = alter(peered.files[suffix], Random(seed), frame_of(suffix)), dict(peered.peer.items())
    peered.lay({suffix: log})
    try:
        kv = crdtkv.open(peered.path, colo="lhr")
    except Corrupt as error:
        assert str(peered.path) in str(error) and error.happened == "no"
        assert found_at(peered.path, suffix) == log
        return
    with kv:
        assert kv.check() == [] and dict(kv.items()) in peered.twins
        if dict(kv.items()) != peered.twins[-1]:
            with pytest.raises(NotBackYet, match="copy"):
                kv.put("a", 1)
        report = kv.sync(peered.peer)
        assert report.equal and not report.refused and not report.quarantined
        assert dict(kv.items()) == dict(peered.peer.items()) == theirs == peered.twins[-1]
        assert peered.peer.check() == []


@pytest.mark.parametrize("suffix", LOGS)
@pytest.mark.parametrize("seed", SEEDS)
def test_alone(alone: Killed, alter: Any, seed: int, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    """Told, and left as it is; or an earlier state, and the log of this process says so."""
    log = alter(alone.files[suffix], Random(seed), frame_of(suffix))
    alone.lay({suffix: log})
    with caplog.at_level(logging.WARNING, "crdtkv"):
        try:
            kv = crdtkv.open(alone.path, colo="lhr")
        except Corrupt as error:
            assert str(alone.path) in str(error) and error.happened == "no"
            assert found_at(alone.path, suffix) == log
            return
    with kv:
        shown = dict(kv.items())
        assert kv.check() == [] and shown in alone.twins
        assert (shown == alone.twins[-1]) or "was put back" in caplog.text
        assert kv.put("a", 1) and (shown == alone.twins[-1]) == (kv.id == alone.id)


def frames(log: bytes) -> Iterator[int]:
    """Where those begin that were written since the log was begun anew."""
    for at in range(32, len(log), 4120):
        if log[at + 8 : at + 16] == log[16:24]:
            yield at


def test_a_bit_in_any_frame_but_of_the_last_commits(alone: Killed) -> None:
    """Whichever it is, commits follow it that were acknowledged: it is not opened, however often it is tried."""
    log = alone.files["-wal"]
    *_, last_but_one, _ = (at for at in frames(log) if log[at + 4 : at + 8] != bytes(4))
    for at in frames(log):
        if at >= last_but_one:
            break
        altered = bytearray(log)
        altered[at + 100] ^= 1
        alone.lay({"-wal": bytes(altered)})
        for _ in range(2):
            with pytest.raises(ChecksumFailed) as caught:
                crdtkv.open(alone.path, colo="lhr")
            assert Path(f"{alone.path}-wal").read_bytes() == altered
        assert "lhr.db" in str(caught.value)
    alone.lay()
    with crdtkv.open(alone.path, colo="lhr") as kv:
        assert dict(kv.items()) == alone.twins[-1]


def records(log: bytes) -> dict[int, int]:
    """Where each begins, by its number."""
    starts = [at for at in range(len(log)) if log.startswith(log[:8], at)]
    return {int.from_bytes(log[at + 8 : at + 16], "little"): at for at in starts}


@pytest.mark.parametrize("suffix", journal.SUFFIXES)
def test_a_bit_in_any_record_but_the_last(alone: Killed, suffix: str) -> None:
    """Acknowledged commits follow it: it is not opened, and the journal is left as it is."""
    log, last = alone.files[suffix], max(max(records(alone.files[s])) for s in journal.SUFFIXES)
    found = records(log)
    assert len(found) > 2
    for n, at in found.items():
        if n == last:
            continue
        altered = bytearray(log)
        altered[at + 30] ^= 1
        alone.lay({suffix: bytes(altered)})
        with pytest.raises(ChecksumFailed, match=r"of the journal has changed|its journal, in .*, ends at record"):
            crdtkv.open(alone.path, colo="lhr")
        assert Path(f"{alone.path}{suffix}").read_bytes() == altered


@pytest.mark.parametrize("seed", range(60 if LONG else 8))
def test_a_page_that_is_read_later(tmp_path: Path, seed: int) -> None:
    """A bit, or a sector of zeros, in the file of a store that was closed: told when it is read; the rest goes on.

    What of it SQLite cannot find any more reads as absent: `check` tells that, and no peer takes it.
    """
    path, dice, peer = tmp_path / "lhr.db", Random(seed), crdtkv.open(colo="sin")
    with crdtkv.open(path, colo="lhr") as kv:
        for n in range(400):
            kv.put(f"k{n}", {"n": n, "words": "x" * dice.randrange(200)})
        before = dict(kv.items())
    data = bytearray(path.read_bytes())
    at = dice.randrange(100, len(data))
    if seed % 2:
        data[at] ^= 1 << dice.randrange(8)
    else:
        data[at : at + 512] = bytes(len(data[at : at + 512]))
    path.write_bytes(data)
    try:
        kv = crdtkv.open(path, colo="lhr")
    except Corrupt as error:
        assert error.happened == "no" and str(path) in str(error)
        return
    lost = 0
    for key, value in before.items():
        try:
            assert kv[key] == value
        except ChecksumFailed as error:
            lost += 1
            assert str(path) in str(error)
        except KeyError:
            lost += 1
    assert lost < 200 and bool(lost) <= bool(kv.check())
    try:
        kv.sync(peer)
    except (Corrupt, NotAMember) as error:
        assert str(path) in str(error) or kv.id in str(error)
    assert peer.check() == [] and all(before[key] == value for key, value in peer.items())
    kv.close()


def test_a_frame_torn_over_what_failed_is_no_damage(alone: Killed) -> None:
    """Of a commit that failed frames are left; of the next, when the power went, half of the first frame's header."""
    log = bytearray(alone.files["-wal"])
    ends = [at for at in frames(log) if log[at + 4 : at + 8] != bytes(4)]
    before, end = next((a, b) for a, b in zip(ends[::-1][1:], ends[::-1], strict=False) if b - a > 3 * 4120)
    del log[end:]
    log[before + 4120 : before + 4128] = b"\0\0\0\1\0\0\0\1"
    alone.lay({"-wal": bytes(log)})
    with crdtkv.open(alone.path, colo="lhr") as kv:
        assert kv.check() == [] and dict(kv.items()) in alone.twins


def test_a_log_that_was_being_begun_anew_is_no_damage(alone: Killed) -> None:
    """Half of its new header is there, over the frames of before, which the file has."""
    log = alone.files["-wal"]
    alone.lay()
    with closing(sqlite3.connect(alone.path)) as db:
        db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        file = alone.path.read_bytes()
    alone.lay({"": file, "-wal": log[:12] + b"\0\0\0\x63" + log[16:]})
    with crdtkv.open(alone.path, colo="lhr") as kv:
        assert kv.check() == [] and dict(kv.items()) == alone.twins[-1]
