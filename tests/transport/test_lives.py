"""Two processes that speak for one colo are told from one that was started anew."""

from __future__ import annotations

from crdtkv.transport.lives import LATE_S, SILENT_S, Lives


def test_one_that_is_started_again_and_again_is_believed_each_time() -> None:
    lives = Lives()
    for i in range(20):
        for t in range(5):
            assert lives.speaks("lhr", b"%d" % i, i * 5 + t)
    assert lives.doubled(100) == []


def test_what_the_old_one_said_may_come_late() -> None:
    lives = Lives()
    lives.speaks("lhr", b"old", 0)
    lives.speaks("lhr", b"new", 1)
    assert lives.speaks("lhr", b"old", 1 + LATE_S)
    assert lives.speaks("lhr", b"new", 2 + LATE_S)


def test_of_two_that_live_at_once_the_first_is_believed() -> None:
    lives = Lives()
    lives.speaks("lhr", b"first", 0)
    lives.speaks("lhr", b"second", 1)
    for t in range(2, 40):
        first, second = lives.speaks("lhr", b"first", t), lives.speaks("lhr", b"second", t + 0.5)
        assert first
        assert second == (t <= 1 + LATE_S)
    assert lives.doubled(40) == ["lhr"]
    assert lives.speaks("sin", b"other", 40)


def test_the_second_is_believed_once_the_first_is_silent() -> None:
    lives = Lives()
    lives.speaks("lhr", b"first", 0)
    lives.speaks("lhr", b"second", 1)
    lives.speaks("lhr", b"first", 50)
    assert not lives.speaks("lhr", b"second", 51)
    assert lives.speaks("lhr", b"second", 51 + SILENT_S)
    assert lives.doubled(51 + SILENT_S) == []


def test_what_comes_very_late_of_one_long_gone_raises_no_lasting_alarm() -> None:
    """Started twice in a moment, and the first one's word comes last: the one that speaks on is the only one."""
    lives = Lives()
    for t, life in enumerate((b"first", b"second", b"third", b"first")):
        assert lives.speaks("lhr", life, t)
    for t in range(4, 200):
        assert lives.speaks("lhr", b"third", t)
    assert lives.doubled(200) == []
