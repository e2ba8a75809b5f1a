"""What is kept of something large on its way: as far as it is as it was written."""

from __future__ import annotations

from pathlib import Path

import pytest

from crdtkv.storage.pile import Pile


@pytest.mark.parametrize("in_file", [False, True])
def test_what_was_put_is_read_in_order_until_it_is_cleared(tmp_path: Path, in_file: bool) -> None:
    pile = Pile(tmp_path / "lhr.db-staged" if in_file else None)
    assert list(pile.read()) == []
    pile.begin(b"old")
    pile.begin(b"first")
    pile.put(b"")
    pile.put(b"third")
    assert list(pile.read()) == [b"first", b"", b"third"]
    for _ in range(2):
        pile.clear()
        assert list(pile.read()) == [] and not list(tmp_path.iterdir())


@pytest.mark.parametrize("cut", range(1, 13))
def test_a_piece_that_is_not_whole_is_not_there(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "pile"
    pile = Pile(path)
    pile.begin(b"first")
    pile.put(b"third")
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    assert list(pile.read()) == [b"first"]
    path.write_bytes(whole[: -cut - 1] + bytes([whole[-cut - 1] ^ 1]) + whole[-cut:])
    assert list(pile.read()) == [b"first"]


def test_a_disk_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    pile = Pile(tmp_path / "none" / "pile")
    pile.begin(b"first")
    pile.put(b"second")
    pile.clear()
    assert list(pile.read()) == []
