"""The port in a real process: stopped, beyond this machine, in TLS."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

import crdtkv
from tests.doors.conftest import ROOT, Colos
from tests.doors.workers.served import Client, target
from tests.transport.test_tls import certificate

TOKEN = "correct horse battery staple"


def test_who_is_connected_does_not_hold_it_up(colos: Colos) -> None:
    """An idle client and half a request: what was answered is in the file, and the exit is 0."""
    (lhr,) = colos("lhr", options=["--workers", "127.0.0.1:0"])
    host, port = lhr.door("Workers KV").rsplit(":", 1)
    with socket.create_connection((host, int(port))) as client:
        client.sendall(b"PUT /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 OK")
        lhr.process.send_signal(signal.SIGTERM)
        assert client.recv(1000) == b"", "it is told to go"
        assert lhr.process.wait(30) == 0
    folder = Path(lhr.process.args[lhr.process.args.index("--data") + 1])
    with crdtkv.open(folder / "namespace-default.db") as kv:
        assert kv["a"] == "hello"


def test_beyond_this_machine_it_asks_for_a_token(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "crdtkv.cli", "serve", "--colo", "lhr", "--data", str(tmp_path / "lhr")]
    done = subprocess.run(
        [*command, "--listen", "127.0.0.1:0", "--workers", "0.0.0.0:0"], capture_output=True, text=True, cwd=ROOT
    )
    assert done.returncode == 1 and "'0.0.0.0:0' lets others in, and clients need no token" in done.stderr
    assert not (tmp_path / "lhr").exists()


def test_an_address_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "crdtkv.cli", "serve", "--colo", "lhr", "--data", str(tmp_path / "lhr")]
        done = subprocess.run(
            [*command, "--listen", "127.0.0.1:0", "--workers", address], capture_output=True, text=True, cwd=ROOT
        )
    assert done.returncode == 1 and "address already in use" in done.stderr and "--workers 127.0.0.1:0" in done.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
def test_beyond_this_machine_it_speaks_tls(colos: Colos, tmp_path: Path) -> None:
    cert, key = certificate(tmp_path, "lhr")
    (tmp_path / "crdtkv.toml").write_text(f'tls_cert = "{cert}"\ntls_key = "{key}"\nadmin_token = "{TOKEN}"\n')
    process = subprocess.Popen(
        [sys.executable, "-m", "crdtkv.cli", "serve", "--colo", "lhr", "--data", str(tmp_path / "lhr"),
         "--listen", "127.0.0.1:0", "--workers", "0.0.0.0:0", "--config", str(tmp_path / "crdtkv.toml")],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        line = next(line for line in process.stdout if "Workers KV: " in line)
        assert "https://0.0.0.0:" in line
        port = int(line.split(",")[0].rsplit(":", 1)[1])
        asyncio.run(_ask(port, ssl.create_default_context(cafile=cert)))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def _ask(port: int, trusted: ssl.SSLContext) -> None:
    client = Client(*await asyncio.open_connection("127.0.0.1", port, ssl=trusted))
    known = {"authorization": f"Bearer {TOKEN}"}
    assert (await client.put("a", "1")).status == 401
    assert (await client.put("a", "x" * 300_000, **known)).status == 200
    assert (await client.ask("GET", target("a"), **known)).body == b"x" * 300_000
    await client.raw(b"nonsense\r\n\r\n")
    assert (await client.rest()).startswith(b"HTTP/1.1 400 illegal request line")
    await client.close()
