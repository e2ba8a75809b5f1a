"""Commands at a colo that is served say what they say of a file; tried over a real socket."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn

import crdtkv
from crdtkv.node.node import Node
from crdtkv.server.app import create_app
from tests.cli.conftest import Run
from tests.cli.pages import ROOT, plain


class Served:
    """A node, in memory unless a folder is named, served on a port of this machine by a thread."""

    def __init__(self, folder: Path | None = None) -> None:
        self.node = Node(folder, colo="lhr")
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._app = create_app(self.node)
        config = uvicorn.Config(self._app, log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._server.serve(sockets=[self._socket]))

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._app.stop)
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()
        self.node.close()


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.close()


STORY = [
    "put todo [1,2,3]", "get todo", "put todo [1,2,3,4]", "put todo [1,2] --base ~1", "get todo -o table",
    "get todo --as-of ~2", "get nobody", "get todo nobody", "put gone 1 --ttl 1000", "expire gone never",
    "expire nobody 5", "delete gone", "delete gone todo --base x", "put todo 1 --if-absent", "scan", "scan -l",
    "scan to -o json", "scan -k", "history todo -o table", "diff todo ~2 ~1", "diff todo", "blame todo",
    "revert todo ~1",
    'patch doc {"a":{"b":1}}', 'patch doc [{"op":"add","path":"/c","value":[]}]', "append doc 5 --path /c", "get doc",
    "incr hits", "incr hits 5 --once x", "incr hits 5 --once x", "add tags red green", "remove tags red",
    "remove todo --index 0", "add todo x", "append list 1 two", "put text {x --text", "put bad {", "conflicts",
    "rules", "rules set tag/* set?wins=remove", "rules of tag/1", "rules of other", "rules list -o json",
    "put tag/1 [2,1]",
    "rules remove tag/*", "rules migrate * --dry-run", "rules remove tag/*", "check", "members", "export",
    "export --prefix tag/",
    "scan --limit 2", "scan --glob t*", "scan -r -k", "scan --regex (", "watch --timeout 0", "append doc 5",
]  # fmt: skip


def test_a_colo_says_what_a_file_says(run: Run, served: Served) -> None:
    """Word for word, but for ids, times and cursors; and leaves as it does."""
    crdtkv.open("lhr.db", colo="lhr").close()
    for line in STORY:
        words = line.split(" ")
        of_file, of_colo = run(*words), run(*words, "--at", served.url)
        assert plain(of_colo.out) == plain(of_file.out), line
        assert plain(of_colo.err) == plain(of_file.err), line
        assert of_colo.code == of_file.code, line


def test_the_variables_say_where(run: Run, served: Served) -> None:
    assert run("put", "a", "1", CRDTKV_AT=served.url).code == 0
    assert run("get", "a", CRDTKV_AT=served.url).out == "1\n" and not Path("lhr.db").exists()
    assert run("put", "a", "2", "-s", "lhr.db", CRDTKV_AT=served.url).code == 0, "a file that is named holds"
    assert run("get", "a", CRDTKV_AT=served.url).out == "1\n"
    assert run("--at", served.url, "get", "a").out == "1\n"
    served.node.create("shop")
    assert run("put", "a", "3", CRDTKV_AT=served.url, CRDTKV_NAMESPACE="shop").code == 0
    assert run("--namespace", "shop", "get", "a", CRDTKV_AT=served.url).out == "3\n"
    assert run("get", "a", CRDTKV_AT=served.url).out == "1\n"


def test_what_goes_with_a_file_only(run: Run, served: Served) -> None:
    for words, says in (
        (["get", "a", "-s", "lhr.db"], "not both"), (["sync", "sin.db"], "exchange by themselves"),
        (["put", "a", "1", "--colo", "lhr"], "new file"),
    ):  # fmt: skip
        done = run(*words, "--at", served.url)
        assert done.code == 2 and says in done.err
    assert run("get", "a", "--at", "127.0.0.1:1").code == 1
    nobody = run("get", "a", "--at", "http://127.0.0.1:9")
    assert nobody.code == 1 and "cannot be reached" in nobody.err and "crdtkv serve" in nobody.err
    assert "namespace" in run("get", "a", "--at", served.url, CRDTKV_NAMESPACE="nope").err


def test_a_colo_copies_all_that_it_holds(run: Run, here: Path) -> None:
    """While it runs, to a new folder below its own, from which it is put back."""
    served = Served(here / "lhr")
    try:
        served.node.create("carts")
        assert run("--namespace", "carts", "put", "a", "1", "--at", served.url).code == 0
        done = run("backup", "monday", "--at", served.url, "-o", "raw")
        assert done.code == 0 and len(done.out.splitlines()) == 3 and done.out.count("monday/") == 3
        again, below = (run("backup", name, "--at", served.url) for name in ("monday", "no/where"))
        assert (again.code, below.code) == (1, 1) and "'monday'" in again.err and "without slashes" in below.err
    finally:
        served.close()
    assert run("restore", str(here / "lhr" / "monday"), "again").code == 0
    with Node(here / "again", colo="lhr") as node:
        assert node.store("carts")["a"] == 1


def test_many_keys_go_in_and_out(run: Run, here: Path, served: Served) -> None:
    lines = [f'{{"key": "k{i:04}", "value": {i}}}' for i in range(600)]
    (here / "keys.ndjson").write_text("\n".join([*lines, "{", lines[0]]))
    done = run("import", "keys.ndjson", "-o", "raw", "--at", served.url)
    assert done.out == "600\t1\t0\t0\t1\n" and "line 601" in done.err
    assert run("import", "keys.ndjson", "-o", "raw", "--at", served.url).out == "0\t601\t0\t0\t1\n"
    (here / "about.ndjson").write_text('{"key": "k0000", "value": 0, "metadata": {"m": 1}}')
    assert "metadata of 1 key was left out" in run("import", "about.ndjson", "--at", served.url).err
    exported = [json.loads(line) for line in run("export", "--at", served.url).out.splitlines()]
    assert exported == [json.loads(line) for line in lines]


def test_a_watch_tells_each_change_as_it_comes(here: Path, served: Served) -> None:
    """In a process of its own, which is ended as a person ends it."""
    world: dict[str, Any] = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "crdtkv.cli", "watch", "job/", "--at", served.url, "-o", "raw", "--since"]
    store = served.node.store("default")
    feed = store.watch(timeout=0)
    watch = subprocess.Popen(
        [*command, feed.cursor], env=world, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert watch.stdout is not None
    store["job/1"] = "new"
    assert watch.stdout.readline() == "put\tjob/1\tnew\n"
    del store["job/1"]
    assert watch.stdout.readline() == "delete\tjob/1\t\n"
    watch.send_signal(signal.SIGINT)
    out, err = watch.communicate()
    assert watch.returncode == 0 and out == "\n" and err.startswith("note: go on with --since ")


def test_keys_of_a_colo_are_offered(served: Served) -> None:
    from crdtkv.cli import complete

    served.node.store("default")["short"] = 1

    class Context:
        def __init__(self, **params: Any) -> None:
            self.params, self.obj = params, {}

    there: Any = Context(at=served.url)
    assert complete.complete_key(there, "s") == ["short"]
    nobody: Any = Context(at="http://127.0.0.1:9")
    assert complete.complete_key(nobody, "s") == []


def test_tokens(run: Run, served: Served) -> None:
    """The first is an admin's; from then on one is asked for."""
    where = ["--at", served.url]
    assert run("tokens", *where).out == "no tokens\n"
    admin = run("tokens", "create", "root", "--may", "admin", "--may", "write", "--may", "read", "-o", "raw", *where)
    assert admin.code == 0 and "not shown again" in admin.err
    nobody = run("get", "a", *where)
    assert nobody.code == 1 and "set CRDTKV_TOKEN to a token that is good there" in nobody.err
    secret = {"CRDTKV_TOKEN": admin.out.strip()}
    web = run("tokens", "create", "web", "--in", "default", "--prefix", "cart/", "--days", "1", *where, **secret).out
    assert run("put", "cart/7", "1", *where, CRDTKV_TOKEN=web.split()[1]).code == 0
    assert run("put", "a", "1", *where, CRDTKV_TOKEN=web.split()[1]).code == 1
    listed = run("tokens", "list", *where, **secret).out
    assert "read, write of ~default, cart/" in listed and web.split()[1] not in listed
    [id] = [line.split()[0] for line in listed.splitlines() if " web " in line]
    assert run("tokens", "revoke", id, *where, **secret).out == f"revoked {id}\n"
    assert run("put", "cart/7", "1", *where, CRDTKV_TOKEN=web.split()[1]).code == 1


def test_a_colo_that_is_not_there_yet_is_told_of(run: Run, served: Served) -> None:
    """It may be named by mistake."""
    for words in (["create", "eu", "--colo", "xxx", "--colo", "lhr"], ["host", "eu", "xxx"]):
        done = run("namespaces", *words, "--at", served.url)
        assert done.code == 0 and done.err == "note: there is no colo 'xxx' yet; there are lhr\n"
    assert run("namespaces", "create", "shop", "--at", served.url).err == ""
