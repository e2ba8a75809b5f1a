"""What a served colo says on stderr: what changed, once."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from crdtkv.server.chronicle import Chronicle


def status(up: bool, **refused: int) -> dict[str, Any]:
    peer = {"colo": "sin", "up": up, "error": "" if up else "connection refused", "urls": ["http://sin:8801"]}
    return {"peers": [peer], "refused": refused}


def test_what_changed_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "crdtkv")
    chronicle = Chronicle()
    chronicle.note({"default": ["lhr~a"]}, status(False))
    assert [record.getMessage() for record in caplog.records] == [
        "colo sin is not reached at http://sin:8801: connection refused", "namespace default: lhr~a",
    ]  # fmt: skip
    caplog.clear()
    chronicle.note({"default": ["lhr~a"]}, status(False))
    assert not caplog.records
    chronicle.note({"default": ["lhr~a", "sin~b"]}, status(True, forged=2))
    chronicle.note({"default": ["sin~b"]}, status(True, forged=3))
    assert [record.getMessage() for record in caplog.records] == [
        "colo sin is reached at http://sin:8801", "namespace default: sin~b is a member now",
        "2 letters were refused: forged", "namespace default: lhr~a is no member any more",
        "1 letter was refused: forged",
    ]  # fmt: skip
