"""Other addresses at which a node is served: started with the server, stopped before it, and let go of."""

from __future__ import annotations

import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from crdtkv.errors import BadRequest
from crdtkv.node.settings import Settings, load
from crdtkv.server.ports import bound, shown
from crdtkv.server.running import run
from crdtkv.server.serving import Serving


@pytest.fixture(autouse=True)
def _process_as_it_was() -> Iterator[None]:
    """What a server sets for its own process."""
    threshold, switch = gc.get_threshold(), sys.getswitchinterval()
    yield
    gc.set_threshold(*threshold)
    gc.unfreeze()
    sys.setswitchinterval(switch)


class Stub:
    """Ends the process that serves it, as soon as it is started."""

    def __init__(self, did: list[str], serving: Serving) -> None:
        self.did = did
        self.serving = serving

    async def start(self, tls: object) -> list[str]:
        self.did.append("start")
        os.kill(os.getpid(), signal.SIGTERM)
        return ["a port of ours"]

    def stop(self) -> None:
        self.did.append("stop")
        assert self.serving.stopping.is_set()

    async def ended(self) -> None:
        self.did.append(f"ended, {await self.serving.slow(lambda: 'threads')} still there")

    def close(self) -> None:
        self.did.append("close")


def test_a_port_is_started_and_stopped_with_the_server(tmp_path: Path) -> None:
    did: list[str] = []
    said: list[str] = []
    settings = load(colo="lhr", data=tmp_path / "lhr", listen="127.0.0.1:0", environment={})

    def make(serving: Serving, settings: Settings) -> Stub:
        return Stub(did, serving)

    run(settings, said.append, ports=(lambda serving, settings: None, make))
    assert did == ["start", "stop", "ended, threads still there", "close"]
    assert "a port of ours" in said


def test_a_port_that_cannot_be_made_leaves_no_other_bound(tmp_path: Path) -> None:
    did: list[str] = []

    def refuse(serving: Serving, settings: Settings) -> None:
        raise BadRequest("not here")

    settings = load(colo="lhr", data=tmp_path / "lhr", listen="127.0.0.1:0", environment={})
    with pytest.raises(BadRequest, match="not here"):
        run(settings, ports=(lambda serving, settings: Stub(did, serving), refuse))
    assert did == ["close"]


def test_an_address_that_is_taken_is_said() -> None:
    with bound("workers", "127.0.0.1:0") as taken:
        taken.listen()
        with pytest.raises(BadRequest, match="address already in use") as caught:
            bound("workers", shown(taken))
        assert "--workers 127.0.0.1:0" in caught.value.next_step


@pytest.mark.parametrize("name", ["redis", "workers"])
def test_an_address_that_is_taken_is_refused_before_anything_is_made(tmp_path: Path, name: str) -> None:
    def served_at(listen: str, other: str) -> None:
        settings = load(colo="lhr", data=tmp_path / "lhr", listen=listen, environment={}, **{name: other})
        with pytest.raises(BadRequest, match=r"address already in use|is the address of --listen, too"):
            run(settings)
        assert not (tmp_path / "lhr").exists()

    with bound(name, "127.0.0.1:0") as taken:
        taken.listen()
        served_at("127.0.0.1:0", shown(taken))
    with bound(name, "127.0.0.1:0") as free:
        own = shown(free)
    served_at(own, own)


def test_addresses_are_shown_as_in_urls() -> None:
    with bound("listen", "127.0.0.1:0") as found:
        assert shown(found) == f"127.0.0.1:{found.getsockname()[1]}"
    if socket.has_ipv6:
        with bound("listen", "[::1]:0") as found:
            assert shown(found).startswith("[::1]:")
