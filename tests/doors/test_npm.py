"""The npm clients are there, and a script's failure is a test's failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doors.conftest import NPM, Js, missing


def test_every_client_loads(js: Js) -> None:
    assert js("all.mjs").split() == [
        "@keyv/redis", "@keyv/test-suite", "cloudflare", "ioredis", "keyv", "miniflare", "redis", "unstorage",
        "workerd",
    ]  # fmt: skip


def test_commands_run(js: Js) -> None:
    assert "4.86.0" in js("wrangler", "--version")


def test_a_failing_script_fails(js: Js) -> None:
    with pytest.raises(AssertionError, match="no such client"):
        js("all.mjs", "no such client")
    assert "no such client" in js("all.mjs", "no such client", fails=True)


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.doors.conftest.NPM", tmp_path)
    monkeypatch.setattr("shutil.which", lambda name: "node")
    assert missing() == "the npm clients are not installed: make clients"
    monkeypatch.setattr("shutil.which", lambda name: None)
    assert "no Node.js here" in str(missing())
    assert (NPM / "package.json").exists()
