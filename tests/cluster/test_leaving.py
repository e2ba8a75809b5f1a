"""Namespaces taken off real colos that clients write to, colos that die half-way, and one that leaves for good."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.colos import ROOT, Cluster, Ended
from tests.cluster.moving import Counting, begun, eventually, held, listed, members, moved


async def command(*words: str) -> str:
    """What the command says, as a person runs it."""
    world = {k: v for k, v in os.environ.items() if not k.startswith("CRDTKV_")} | {"PYTHONPATH": str(ROOT)}
    asked = [sys.executable, "-m", "crdtkv.cli", *words]
    ran = await asyncio.to_thread(
        subprocess.run, asked, env=world, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_namespace_moves_and_a_colo_goes_while_clients_write(tmp_path: Path) -> None:
    """Every acknowledged increment counts: one colo is taken off, killed half-way, put on again; another leaves."""

    async def story() -> None:
        async with Cluster(3, tmp_path, proxied=False) as cluster:
            lhr, sin, third = cluster.colos.values()
            names = set(cluster.colos)
            at = {colo.name: f"http://127.0.0.1:{colo.port}" for colo in cluster.colos.values()}
            await begun(cluster)

            async def joined(name: str, wanted: set[str]) -> bool:
                # (one that is killed meanwhile answers nothing)
                found = [await members(colo, name) for colo in cluster.colos.values() if colo.name in wanted]
                return all(each == wanted for each in found)

            clients = {colo.name: Counting(colo) for colo in cluster.colos.values()}
            while min(client.acknowledged for client in clients.values()) < 20:
                await asyncio.sleep(0.01)

            # off lhr, asked for at sin; lhr dies and comes again before it is done, or after
            files = [path.name for path in lhr.folder.glob("namespace-*.db")]
            assert len(files) == 2
            assert "lhr" in await command("namespaces", "unhost", "shop", lhr.name, "--at", at[sin.name])
            lhr.kill()
            await lhr.start()

            async def is_off() -> bool:
                return (await listed(sin))["without"] == [lhr.name] and (await listed(sin))["leaving"] == []

            await eventually(is_off, "it was not taken off")
            await eventually(lambda: joined("shop", names - {lhr.name}), "it did not retire")
            assert await held(lhr) == "namespace-elsewhere"
            assert len(list(lhr.folder.glob("namespace-*.db"))) == 1, "its file is gone"
            assert await clients[lhr.name].sent_away() == "namespace-elsewhere"

            # and on it again
            assert (await third.ask("PUT", f"/v1/namespaces/shop/colos/{lhr.name}")).ok
            await eventually(lambda: joined("shop", names), "it was not put on again")
            again = Counting(lhr)
            while again.acknowledged < 20:
                await asyncio.sleep(0.01)

            # the third leaves the cluster
            assert f"{third.name} has left" in await command("leave", "--at", at[third.name])
            assert await clients[third.name].sent_away() == "namespace-elsewhere"
            rest = names - {third.name}
            for name in ("shop", "default", "system"):
                await eventually(lambda name=name: joined(name, rest), f"it is counted in {name}")  # type: ignore[misc]
            assert await third.stop() == 0
            with pytest.raises(Ended, match="has left its cluster"):
                await third.start()

            for client in (*clients.values(), again):
                await client.end()
            least = sum(client.acknowledged for client in (*clients.values(), again))
            most = least + sum(client.unknown for client in (*clients.values(), again))

            async def counted() -> bool:
                found = [await held(lhr), await held(sin)]
                return found[0] == found[1] and least <= int(str(found[0])) <= most

            await eventually(counted, f"not {least} to {most}")

    asyncio.run(story())


def test_it_moves_at_random_while_colos_die_and_part(tmp_path: Path) -> None:
    """A short run; `python -m tests.cluster.moving` is the long one."""
    assert asyncio.run(moved(tmp_path, 8, 8)) == ""
