"""A real server in a process of its own: with curl, signals, and a second one beside it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

import crdtkv
from crdtkv.errors import BadRequest
from crdtkv.node.settings import Settings
from crdtkv.server.running import run
from tests.server.conftest import ROOT, Server, Start


def test_it_says_where_it_is_and_stops_when_it_is_told_to(start: Start, tmp_path: Path) -> None:
    """What was answered is in the file, and the file is let go of: exit 0."""
    server = start()
    assert server.http.put("/v1/default/keys/todo", json=[1]).status_code == 201
    assert server.process.stdout is not None
    lines = [server.process.stdout.readline() for _ in range(5)]
    assert "curl -X PUT" in lines[0] and "/docs" in lines[2]
    assert "a cluster of its own" in lines[3] and "--join" in lines[4], "who lost his disk is told so at once"
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(60) == 0
    with crdtkv.open(tmp_path / "lhr" / "namespace-default.db") as kv:
        assert kv["todo"] == [1]
    again = start()
    again.process.send_signal(signal.SIGTERM)
    assert "--join" not in again.process.communicate(timeout=60)[0], "it is what it was"


def test_a_second_ctrl_c_ends_it_as_cleanly(tmp_path: Path) -> None:
    """Who is impatient is shown no traceback, and the application lets go of what it holds."""
    command = [sys.executable, "-m", "crdtkv.cli", "serve", "--colo", "lhr", "--data", tmp_path / "lhr"]
    with subprocess.Popen(
        [*command, "--listen", "127.0.0.1:0"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        assert "serves" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        for line in process.stdout:
            if "stopping" in line:
                process.send_signal(signal.SIGINT)
                break
        said = process.stdout.read()
    assert process.returncode == 0 and "Traceback" not in said and "stopped" in said, said


def test_certificates_that_cannot_be_read(tmp_path: Path) -> None:
    """Refused by the setting's name, before any file is made: it was a traceback."""
    for name in ("colo.pem", "colo.key", "ca.pem"):
        (tmp_path / name).write_text("no PEM")
    certificate = {"tls_cert": tmp_path / "colo.pem", "tls_key": tmp_path / "colo.key"}
    for given, words in (
        (certificate | {"tls_cert": tmp_path / "none.pem"}, "setting tls_cert is '.*none.pem': there is no such file"),
        (certificate, "setting tls_cert is '.*colo.pem': a certificate and its key, both PEM"),
        ({"tls_ca": tmp_path / "ca.pem"}, "setting tls_ca is '.*ca.pem': certificates, PEM, are wanted"),
    ):
        with pytest.raises(BadRequest, match=words):
            run(Settings(colo="lhr", data=tmp_path / "lhr", listen="127.0.0.1:0", **given))
    assert not (tmp_path / "lhr").exists()


def test_what_was_answered_survives_a_kill(start: Start) -> None:
    server = start()
    for i in range(20):
        assert server.http.put(f"/v1/default/keys/{i}", json=i).status_code == 201
    server.process.kill()
    server.process.wait()
    again = start()
    assert [again.http.get(f"/v1/default/keys/{i}").json() for i in range(20)] == list(range(20))


def test_an_address_that_is_taken(start: Start, tmp_path: Path) -> None:
    server = start()
    port = httpx.URL(server.url).port
    command = [sys.executable, "-m", "crdtkv.cli", "serve", "--colo", "sin", "--data", tmp_path / "sin"]
    done = subprocess.run([*command, "--listen", f"127.0.0.1:{port}"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 1 and "address already in use" in done.stderr and "--listen 127.0.0.1:0" in done.stderr


def test_others_are_let_in_with_a_token_only(start: Start, tmp_path: Path) -> None:
    server = start(CRDTKV_ADMIN_TOKEN="correct horse battery staple")
    refused = server.http.get("/v1/default/keys/a")
    assert refused.status_code == 401 and refused.headers["www-authenticate"].startswith("Bearer")
    known = {"authorization": "Bearer correct horse battery staple"}
    assert server.http.get("/v1/default/keys/a", headers=known).status_code == 404
    assert server.http.get("/v1/default/keys", headers=known).status_code == 200
    assert server.http.get("/v1/default/keys").status_code == 401


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.parametrize("token", ["", "correct horse battery staple"])
def test_what_it_says_to_try_is_let_in(start: Start, token: str) -> None:
    """Where a token is wanted it is named, and not shown."""
    server = start(**({"CRDTKV_ADMIN_TOKEN": token} if token else {}))
    assert server.process.stdout is not None
    put, get = (server.process.stdout.readline().removeprefix("  try: ") for _ in range(2))
    assert not token or token not in put + get
    for line, status in ((put, "201"), (get, "200")):
        asked = f"{line.strip()} -s -o /dev/null -w '%{{http_code}}'"
        done = subprocess.run(asked, shell=True, env={**os.environ, "CRDTKV_TOKEN": token}, capture_output=True)
        assert done.stdout.decode() == status


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_conditional_requests_of_curl(start: Start, tmp_path: Path) -> None:
    """--etag-save and --etag-compare: 304 until it is written; -d takes JSON; create-only by If-None-Match."""
    server = start()
    url, tag = f"{server.url}/v1/default/keys/todo", tmp_path / "tag"

    def curl(*options: str | Path) -> str:
        command = ["curl", "-s", "-o", tmp_path / "body", "-w", "%{http_code}", url, *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    assert curl("-X", "PUT", "-d", "[1, 2]", "-H", "If-None-Match: *") == "201"
    assert curl("-X", "PUT", "-d", "[3]", "-H", "If-None-Match: *") == "412"
    assert curl("--etag-save", tag) == "200" and (tmp_path / "body").read_text() == "[1,2]"
    assert curl("--etag-compare", tag) == "304"
    assert curl("-X", "PUT", "-d", "[4]", "-H", f"If-Match: {tag.read_text().strip()}") == "200"
    assert curl("-X", "PUT", "-d", "[5]", "-H", f"If-Match: {tag.read_text().strip()}") == "412"
    assert curl("--etag-compare", tag) == "200"
    (tmp_path / "gif").write_bytes(b"GIF\x00\xff" * 1000)
    assert curl("-T", tmp_path / "gif", "-H", "Content-Type: image/gif") == "200"
    assert curl() == "200" and (tmp_path / "body").read_bytes() == b"GIF\x00\xff" * 1000


def test_two_colos_that_join_become_one(start: Start) -> None:
    """What is written at one is read at the other, at once by who brings his session."""
    lhr = start()
    sin = start("--join", lhr.url, colo="sin")
    wait_until_ready(sin)
    written = lhr.http.put("/v1/default/keys/todo", json=[1, 2, 3])
    read = sin.http.get("/v1/default/keys/todo", headers={"crdtkv-session": written.headers["crdtkv-session"]})
    assert read.json() == [1, 2, 3]
    sin.http.post("/v1/default/keys/todo/operations", json={"op": "append", "value": 4})
    status = sin.http.get("/v1/status").json()
    assert {each.partition("~")[0] for each in status["namespaces"][0]["members"]} == {"lhr", "sin"}
    assert status["transport"]["peers"][0]["colo"] == "lhr"
    [default] = [each for each in status["transport"]["namespaces"] if each["id"] == "~default"]
    assert [peer["colo"] for peer in default["peers"]] == ["lhr"]


def wait_until_ready(server: Server) -> None:
    """503 until it has met another."""
    until = time.monotonic() + 60
    while server.http.get("/readyz").status_code != 200:
        assert time.monotonic() < until, server.http.get("/v1/status").text
