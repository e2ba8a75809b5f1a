"""Colos as real processes: `crdtkv serve` on loopback, each behind the proxy that the others reach it by.

    async with Cluster(3, folder) as cluster:
        await cluster.agreed(10)                      # all hold the same
        cluster.colos["lhr"].kill(); await cluster.colos["lhr"].start()

Other colos know a colo by its port on the proxy (`--advertise`), so that every byte between two
of them passes there. Clients go to `port` itself: they have no trouble but the colo's own.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import crdtkv
from tests.cluster.asking import Answer, Connection
from tests.cluster.proxy import Proxy, free_port

__all__ = ["NAMES", "SERVE", "Cluster", "Colo", "Ended"]

ROOT = Path(__file__).parent.parent.parent
CLOCK = Path(__file__).parent / "clock"
ENGINE = Path(crdtkv.__file__).parent.parent
"""Where crdtkv is of whoever starts them: the compiled one, if that is."""

NAMES = ("lhr", "sin", "gru", "jnb", "syd", "sjc", "fra", "nrt", "bom", "yul")
SECRET = "a cluster secret for tests"
SERVE = [sys.executable, "-m", "crdtkv.cli", "serve"]


class Ended(Exception):
    """A process that should serve does not any more."""


class Colo:
    """One colo's folder, and the process that serves it, if there is one."""

    def __init__(self, name: str, folder: Path, url: str, join: list[str], port: int) -> None:
        self.name = name
        self.folder = folder
        self.url = url
        self.port = port
        self.starts = 0
        self.patience = 60.0
        self.said = folder.parent / f"{name}.log"
        self.join = join
        self._ahead = folder.parent / f"{name}.ahead"
        self._process: subprocess.Popen[bytes] | None = None
        self._status = Connection(port)

    @property
    def pid(self) -> int | None:
        """Of the process, while it lives."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    async def start(self) -> None:
        """It serves. Raises Ended."""
        self.starts += 1
        command = [
            *SERVE, "--colo", self.name, "--data", str(self.folder), "--listen",
            f"127.0.0.1:{self.port}", "--advertise", self.url,
        ]  # fmt: skip
        for url in self.join:
            command += ["--join", url]
        world = {k: v for k, v in os.environ.items() if not k.startswith("CRDTKV_")}
        world |= {"PYTHONPATH": os.pathsep.join(map(str, (CLOCK, ENGINE, ROOT))), "CRDTKV_CLUSTER_SECRET": SECRET}
        world |= {"TESTS_CLOCK_AHEAD": str(self._ahead)}
        with self.said.open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=ROOT, env=world, stdout=log, stderr=log, stdin=subprocess.DEVNULL
            )
        await self.ready()

    async def ready(self) -> None:
        """It answers. Raises Ended if it does not."""
        end = asyncio.get_running_loop().time() + self.patience
        while asyncio.get_running_loop().time() < end:
            if self.pid is None:
                break
            if (await self._status.ask("GET", "/readyz", seconds=2)).ok:
                return
            await asyncio.sleep(0.02)
        raise Ended(f"{self.name} does not serve: {self.said.read_text(errors='replace')[-2000:]}")

    async def status(self) -> Answer:
        """What /v1/status says."""
        return await self._status.ask("GET", "/v1/status", seconds=3)

    async def ask(self, method: str, path: str, body: Any = None, seconds: float = 30) -> Answer:
        """One request of an operator."""
        return await self._status.ask(method, path, body, seconds=seconds)

    def kill(self) -> None:
        """As a power cut would, but that the kernel keeps what was written: kill -9."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    async def stop(self, seconds: float = 15) -> int:
        """Asked to end, it ends: its exit code. Raises Ended if it had to be killed."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)
        self._process.terminate()
        try:
            return await asyncio.to_thread(self._process.wait, seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Ended(f"{self.name} did not stop in {seconds} s") from None

    def pause(self) -> None:
        """It does nothing until `resume`: SIGSTOP."""
        if self._process is not None and self.pid:
            self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """It goes on."""
        if self._process is not None and self.pid:
            self._process.send_signal(signal.SIGCONT)

    def set_clock(self, seconds: float) -> None:
        """Its clock is so far ahead of ours from now on."""
        self._ahead.write_text(str(seconds))

    def wipe(self) -> None:
        """Its disk is lost. It must not run."""
        shutil.rmtree(self.folder)

    def put_back(self, backup: Path) -> None:
        """Its files are those of a backup. It must not run."""
        self.wipe()
        shutil.copytree(backup, self.folder)

    async def close(self) -> None:
        """Nothing of it is left open."""
        self.resume()
        self.kill()
        await self._status.close()


class Cluster:
    """`colos`, and the `proxy` between them. The first begins; the others join through it."""

    def __init__(self, number: int, folder: Path, patience: float = 60, proxied: bool = True) -> None:
        """`patience`: seconds that a colo may take until it serves. Not `proxied`: they reach each other directly."""
        self._patience, self._proxied = patience, proxied
        self.names = NAMES[:number]
        self.folder = folder
        self.colos: dict[str, Colo] = {}
        self.proxy = Proxy({}, lambda: {name: colo.pid for name, colo in self.colos.items() if colo.pid is not None})

    async def add(self, name: str) -> Colo:
        """One more colo, not started."""
        port = free_port()
        advertised = await self.proxy.add(name, port) if self._proxied else port
        url = f"http://127.0.0.1:{advertised}"
        new = Colo(name, self.folder / name, url, [colo.url for colo in self.colos.values()][:2], port)
        new.patience = self._patience
        for colo in self.colos.values():
            colo.join = [*colo.join, url][:2]  # of its next start
        self.colos[name] = new
        return new

    async def __aenter__(self) -> Cluster:
        try:
            for name in self.names:
                await (await self.add(name)).start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        for colo in self.colos.values():
            await colo.close()
        await self.proxy.stop()
