"""Cloudflare's own Python library, unchanged: at one colo, and what it did read at another."""

from __future__ import annotations

import pytest

from tests.doors.conftest import Colos, Js

TOKEN = "a token of the settings"


def test_what_it_writes_at_one_colo_it_reads_at_another(py: Js, colos: Colos) -> None:
    lhr, sin = colos("lhr", "sin", CRDTKV_ADMIN_TOKEN=TOKEN)
    id = py("cloudflare_kv.py", "write", lhr.url, TOKEN=TOKEN).strip()
    lhr.told(sin, "t2")
    py("cloudflare_kv.py", "read", sin.url, id, TOKEN=TOKEN)
    py("cloudflare_kv.py", "delete", sin.url, id, TOKEN=TOKEN)


@pytest.mark.parametrize("where", ["one colo", "two"])
def test_the_thread(py: Js, colos: Colos, where: str) -> None:
    """8 and 9 are added, 5 is gone: of two plain clients, at one colo and at two."""
    lhr, sin = colos("lhr", "sin")
    lhr.http.put("/v1/default/keys/todo", json=[1, 2, 3, 4, 5, 6, 7]).raise_for_status()
    lhr.told(sin)
    py("cloudflare_kv.py", "thread", lhr.url, lhr.url if where == "one colo" else sin.url, TOKEN="any")
    lhr.told(sin), sin.told(lhr)
    for colo in (lhr, sin):
        assert colo.http.get("/v1/default/keys/todo").json() == [1, 2, 3, 4, 6, 7, 8, 9]
