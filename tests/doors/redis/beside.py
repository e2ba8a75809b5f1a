"""A redis-server beside a colo: the same commands to both, and what each answered."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import redis

__all__ = ["UNORDERED", "answers", "redis_server", "same"]

UNORDERED = frozenset(
    ["SMEMBERS", "SINTER", "SUNION", "SDIFF", "HKEYS", "HVALS", "HGETALL", "HSCAN", "SSCAN", "ZSCAN", "KEYS", "SCAN"]
)  # fmt: skip
"""Commands that say their elements in any order."""


@contextmanager
def redis_server(folder: Path) -> Iterator[int]:
    """A redis-server of its own, at a port of loopback; skipped where none is installed."""
    program = shutil.which("redis-server")
    if program is None:
        pytest.skip("redis-server is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        for _ in range(500):
            try:
                with redis.Redis(port=port) as client:
                    client.ping()
                break
            except redis.ConnectionError:
                time.sleep(0.02)  # until it listens
        yield port
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int, commands: list[tuple[Any, ...]], protocol: int = 2, together: bool = False) -> list[Any]:
    """What a server answers to commands in one connection, as it came: errors as their words.

    `together`: all are sent before the first answer is read.
    """
    connection = redis.Connection(port=port, protocol=protocol, socket_timeout=20)
    try:
        connection.connect()
        if together:
            connection.send_packed_command(connection.pack_commands(commands))
            return [_answer(connection) for _ in commands]
        out = []
        for words in commands:
            connection.send_command(*words)
            out.append(_answer(connection))
        return out
    finally:
        connection.disconnect()


def _answer(connection: Any) -> Any:
    try:
        return connection.read_response()
    except redis.ResponseError as error:
        return f"{type(error).__name__} {error}"


def same(command: tuple[Any, ...], ours: Any, theirs: Any) -> bool:
    """Whether two answers to a command say the same: any order where there is none, numbers as numbers."""
    if command[-1] == "more" and isinstance(ours, str) and isinstance(theirs, str):
        return True  # of two mistakes either may be told
    return _plain(command, ours) == _plain(command, theirs)


def _plain(command: tuple[Any, ...], answer: Any) -> Any:
    name = str(command[0]).upper()
    if name in UNORDERED and isinstance(answer, list):
        if name.endswith("SCAN"):
            size = 1 if name in ("SSCAN", "SCAN") else 2
            return [answer[0], _grouped(answer[1], size)]
        return _grouped(answer, 2 if name == "HGETALL" else 1)
    return _number(answer)


def _grouped(words: list[Any], size: int) -> Any:
    return sorted((tuple(map(_number, words[at : at + size])) for at in range(0, len(words), size)), key=repr)


def _number(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_number(each) for each in answer]
    if isinstance(answer, bytes) and answer[:1] in b"0123456789-+.i":
        try:
            return float(answer)
        except ValueError:
            return answer
    return answer
