"""A store's file in the tools of other people, as it is, while the store is open and written to."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import crdtkv

DEADLINE_S = 60


@contextmanager
def datasette(path: Path) -> Iterator[str]:
    """Datasette serves the file; where. Ends with the block."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "datasette", str(path), "-h", "127.0.0.1", "-p", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        _wait(server, f"http://127.0.0.1:{port}/-/versions.json")
        yield f"http://127.0.0.1:{port}/{path.stem}"
    finally:
        server.terminate()
        server.communicate(timeout=DEADLINE_S)


def _wait(server: subprocess.Popen[str], url: str) -> None:
    until = time.monotonic() + DEADLINE_S
    while time.monotonic() < until:
        assert server.poll() is None, server.communicate()[1]
        try:
            urllib.request.urlopen(url, timeout=DEADLINE_S).close()
            return
        except urllib.error.URLError:
            time.sleep(0.05)
    raise AssertionError("datasette did not answer")


def ask(url: str, **query: str) -> Any:
    query = {"_shape": "objects", **query}
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode(query)}", timeout=DEADLINE_S) as answer:
        return json.load(answer)["rows"]


def test_datasette_shows_a_live_file(tmp_path: Path) -> None:
    """Its pages and SQL over the views, before and after more is written by the store that has it open."""
    path = tmp_path / "lhr.db"
    with crdtkv.open(path, colo="lhr") as kv, crdtkv.open(colo="sin") as sin:
        kv.sync(sin)
        kv.put("todo", ["entry1", "entry5"])
        kv.put("title", "draft", strategy="lww")
        kv.compact()
        with datasette(path) as at:
            assert [(row["key"], row["value"]) for row in ask(f"{at}/kv.json")] == [
                ("title", '"draft"'), ("todo", '["entry1","entry5"]')
            ]  # fmt: skip
            sin.put("title", "other", strategy="lww")
            kv.put("title", "report")
            kv.list("todo").append("entry8")
            kv.sync(sin)
            kv.compact()
            found = ask(f"{at}.json", sql="select json_extract(value, '$[2]') as third from kv where key = 'todo'")
            assert found == [{"third": "entry8"}]
            assert '"draft"' in [row["value"] for row in ask(f"{at}/history.json")]
            lost = [json.loads(row["value"]) for row in ask(f"{at}/conflicts.json")]
            assert lost == [conflict.value for conflict in kv.conflicts()]
        assert kv.check() == []


def test_sqlite_utils_lists_and_prints_a_live_file(tmp_path: Path) -> None:
    path = tmp_path / "lhr.db"
    command = [sys.executable, "-m", "sqlite_utils"]
    with crdtkv.open(path, colo="lhr") as kv:
        kv.put("n", 1)
        kv.compact()
        printed = subprocess.run([*command, "rows", str(path), "kv"], capture_output=True, text=True, check=True)
        assert [(row["key"], row["value"]) for row in json.loads(printed.stdout)] == [("n", "1")]
        views = subprocess.run([*command, "views", str(path)], capture_output=True, text=True, check=True)
        assert {view["view"] for view in json.loads(views.stdout)} == {"kv", "history", "conflicts"}
