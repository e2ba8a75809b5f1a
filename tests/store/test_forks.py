"""A process that was forked from the one that has a store open."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import crdtkv


def in_child(act: Callable[[], Any]) -> str:
    """What `act` came to in a forked child: "" or the words of what it raised."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            act()
        except BaseException as error:
            os.write(writer, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as said:
        words = said.read()
    os.waitpid(child, 0)
    return words


@pytest.mark.parametrize(
    "act",
    [
        lambda kv: kv.put("k", 2),
        lambda kv: kv["k"],
        lambda kv: kv.transaction().__enter__(),
        lambda kv: kv.vector,
        lambda kv: kv.watch(),
        lambda kv: kv.compact(),
        lambda kv: kv.sync(crdtkv.open(colo="sin")),
        lambda kv: crdtkv.open(colo="sin").sync(kv),
        lambda kv: kv.rules.set("k", "set"),
        lambda kv: kv.conflicts(),
    ],
)
def test_it_has_no_part_in_the_store(kv: crdtkv.Store, act: Callable[[crdtkv.Store], Any]) -> None:
    """Two processes that write one store would mint one dot for two writes."""
    kv.put("k", 1)
    words = in_child(lambda: act(kv))
    assert words.startswith("StoreLocked: the store of 'lhr' is open in process ") and "forked" in words
    assert kv.put("k", 3).value == 3


def test_while_another_thread_had_the_lock(kv: crdtkv.Store) -> None:
    """The child has no such thread, and would wait for ever."""
    inside, done = threading.Event(), threading.Event()

    def hold() -> None:
        with kv.transaction():
            inside.set()
            done.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    inside.wait()
    words = in_child(lambda: kv.get("k"))
    done.set()
    thread.join()
    assert words.startswith("StoreLocked")


def test_it_may_close_and_open_its_own(kv: crdtkv.Store) -> None:
    """Closing lets go of nothing there, and another store is free."""
    words = in_child(lambda: (kv.close(), crdtkv.open(colo="sin").put("k", 1)))
    assert words == "" and kv.put("k", 1).value == 1


FORKS = """
import os, sys
import crdtkv
kv = crdtkv.open(sys.argv[1], colo="lhr")
kv.put("a", 1)
if not os.fork():
    sys.exit(0)
os.wait()
kv.put("b", 2)
os._exit(0)
"""


def test_a_child_that_ends_takes_nothing_with_it(tmp_path: Path) -> None:
    """What the parent writes after its child ended is on the disk, also if the parent then dies."""
    path = tmp_path / "lhr.db"
    subprocess.run([sys.executable, "-c", FORKS, path], check=True)
    with crdtkv.open(path, colo="lhr") as kv:
        assert dict(kv) == {"a": 1, "b": 2} and kv.check() == []
