"""`crdtkv cluster`: real processes on this machine, which end with the command however it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.pages import ROOT

COMMAND = [sys.executable, "-m", "crdtkv.cli", "cluster", "--colos", "2", "--port", "0"]


@pytest.fixture
def world(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(tmp_path), "TERM": "dumb"}


def until(read: Any, mark: str) -> str:
    said = ""
    while mark not in said:
        more = read()
        assert more, said
        said += more
    return said


def all_gone(said: str, folder: Path) -> bool:
    """Each process that it told of has ended, and nothing of theirs is left."""
    pids = [int(pid) for pid in re.findall(r"pid (\d+)", said)]
    return len(pids) == 2 and not any(Path(f"/proc/{pid}").exists() for pid in pids) and not list(folder.iterdir())


def test_the_case_over_http_with_lines_to_paste(world: dict[str, str], tmp_path: Path) -> None:
    """In a terminal it stays until Enter; what it shows can be pasted."""
    above, below = pty.openpty()
    process = subprocess.Popen([*COMMAND, "--show"], env=world, stdin=below, stdout=below, stderr=below, close_fds=True)
    os.close(below)
    said = until(lambda: os.read(above, 65536).decode().replace("\r\n", "\n"), "Enter stops the colos.")
    lines = re.findall(r"^ +(curl .*)\n +(.*)$", said, re.MULTILINE)
    assert len(lines) == 4 and json.loads(lines[-1][1]) == [1, 2, 3, 4, 6, 7, 8, 9]
    assert json.loads(lines[1][1])["merged"] is False is not json.loads(lines[2][1])["merged"], "as it was answered"
    if shutil.which("curl"):
        read, put = ([*shlex.split(lines[i][0]), "-s"] for i in (-1, 0))
        assert subprocess.run(read, capture_output=True, check=True, text=True).stdout == lines[-1][1]
        assert json.loads(subprocess.run(put, capture_output=True, check=True).stdout)["key"] == "todo"
    os.write(above, b"\n")
    assert process.wait(60) == 0
    os.close(above)
    assert all_gone(said, tmp_path)


def test_ctrl_c_and_a_colo_that_ends(world: dict[str, str], tmp_path: Path) -> None:
    process = subprocess.Popen(COMMAND, env=world, stdout=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    assert process.stdout is not None
    said = until(process.stdout.readline, "Ctrl-C stops them")
    urls = re.findall(r"^\w+  (http://\S+)  pid", said, re.MULTILINE)
    for url in urls:
        assert len(httpx.get(f"{url}/v1/status").json()["namespaces"][0]["members"]) == 2
    asked = [sys.executable, "-m", "crdtkv.cli", "status", "--at", urls[0]]
    status = subprocess.run(asked, env=world, capture_output=True, text=True, check=True).stdout
    assert status.startswith(f"lhr at {urls[0]}\n") and re.search(rf"^sin +yes +\d+ .*{urls[1]}$", status, re.MULTILINE)
    assert len(re.findall(r"^default +(?:lhr|sin)~", status, re.MULTILINE)) == 3, "a row of it, and its two members"
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0 and all_gone(said, tmp_path)
    process.stdout.close()

    process = subprocess.Popen(
        COMMAND, env=world, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL
    )
    assert process.stdout is not None
    said = until(process.stdout.readline, "Ctrl-C stops them")
    os.kill(int(re.findall(r"pid (\d+)", said)[0]), signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1 and "lhr has ended, with code -9" in err and all_gone(said, tmp_path)


def test_files_that_are_to_stay_stay(world: dict[str, str], tmp_path: Path) -> None:
    command = [*COMMAND[:-4], "--colos", "1", "--port", "0", "--show", "--data", str(tmp_path / "data")]
    done = subprocess.run(command, env=world, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "lhr").is_dir() and "[1,2,3,4,6,7,8,9]" in done.stdout


def test_a_port_that_is_taken_is_said(world: dict[str, str], tmp_path: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = [*COMMAND[:-1], str(taken.getsockname()[1])]
        done = subprocess.run(command, env=world, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120)
    assert done.returncode == 1 and "address already in use" in done.stderr and "--port 0" in done.stderr
    assert not list(tmp_path.iterdir())


def test_its_colos_end_with_it_though_it_was_killed(world: dict[str, str], tmp_path: Path) -> None:
    """Their files stay: nobody was left to remove them."""
    process = subprocess.Popen([*COMMAND], env=world, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = until(process.stdout.readline, "Ctrl-C stops them.")
    process.kill()
    process.wait()
    pids = [int(pid) for pid in re.findall(r"pid (\d+)", said)]
    assert len(pids) == 2
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "a colo outlived the command that began it"
        time.sleep(0.05)
    process.stdout.close()
