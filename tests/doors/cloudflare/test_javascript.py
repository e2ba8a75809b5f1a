"""What JavaScript has for Workers KV's API, unchanged: Cloudflare's library, unstorage, wrangler; at two colos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.doors.conftest import Colos, Js

TOKEN = "a token of the settings"


def test_what_it_writes_at_one_colo_it_reads_at_another(js: Js, colos: Colos) -> None:
    lhr, sin = colos("lhr", "sin", CRDTKV_ADMIN_TOKEN=TOKEN)
    id = js("cloudflare-kv.mjs", "write", lhr.url, TOKEN=TOKEN).strip()
    lhr.told(sin, "js2")
    js("cloudflare-kv.mjs", "read", sin.url, id, TOKEN=TOKEN)
    js("cloudflare-kv.mjs", "delete", sin.url, id, TOKEN=TOKEN)


@pytest.mark.parametrize("where", ["one colo", "two"])
def test_the_thread(js: Js, colos: Colos, where: str) -> None:
    """8 and 9 are added, 5 is gone: of two plain clients, at one colo and at two."""
    lhr, sin = colos("lhr", "sin")
    lhr.http.put("/v1/default/keys/todo", json=[1, 2, 3, 4, 5, 6, 7]).raise_for_status()
    lhr.told(sin)
    js("cloudflare-kv.mjs", "thread", lhr.url, lhr.url if where == "one colo" else sin.url, TOKEN="any")
    lhr.told(sin), sin.told(lhr)
    for colo in (lhr, sin):
        assert colo.http.get("/v1/default/keys/todo").json() == [1, 2, 3, 4, 6, 7, 8, 9]


def test_unstorage(js: Js, colos: Colos) -> None:
    lhr, sin = colos("lhr", "sin", CRDTKV_ADMIN_TOKEN=TOKEN)
    js("unstorage-kv.mjs", "write", lhr.url, TOKEN=TOKEN)
    lhr.told(sin)
    js("unstorage-kv.mjs", "read", sin.url, TOKEN=TOKEN)
    js("unstorage-kv.mjs", "clear", sin.url, TOKEN=TOKEN)


def test_wrangler(js: Js, colos: Colos, tmp_path: Path) -> None:
    lhr, sin = colos("lhr", "sin", CRDTKV_ADMIN_TOKEN=TOKEN)

    def wrangler(*words: str, colo: Any = lhr, **more: Any) -> str:
        api = {"CLOUDFLARE_API_BASE_URL": f"{colo.url}/client/v4", "CLOUDFLARE_API_TOKEN": TOKEN}
        quiet = {"WRANGLER_SEND_METRICS": "false", "WRANGLER_LOG_PATH": str(tmp_path), "CI": "1"}
        return js("wrangler", *words, CLOUDFLARE_ACCOUNT_ID="me", **api, **quiet, **more)

    def key(*words: str, **more: Any) -> str:
        return wrangler("kv", "key", *words, "--namespace-id", id, "--remote", **more)

    def bulk(*words: str, **more: Any) -> str:
        return wrangler("kv", "bulk", *words, "--namespace-id", id, "--remote", **more)

    wrangler("kv", "namespace", "create", "t1")
    assert "already exists" in wrangler("kv", "namespace", "create", "t1", fails=True)
    [id] = [each["id"] for each in json.loads(wrangler("kv", "namespace", "list")) if each["title"] == "t1"]
    key("put", "a/b", "hello")
    key("put", "with", "text", "--metadata", '{"owner":"ann","n":1}', "--ttl", "3600")
    (tmp_path / "file").write_bytes(b"\x00\xff\x0a")
    key("put", "bytes", "--path", str(tmp_path / "file"), "--metadata", '{"n":1}')
    key("put", "gone", "x")
    key("delete", "gone")
    pairs = [{"key": f"many/{i}", "value": f"v{i}", "metadata": {"i": i}} for i in range(12)]
    (tmp_path / "pairs.json").write_text(json.dumps(pairs))
    bulk("put", str(tmp_path / "pairs.json"))
    lhr.told(sin, "t1")
    assert key("get", "a/b", colo=sin).strip() == "hello"
    assert "404" in key("get", "gone", colo=sin, fails=True)
    listed = {each["name"]: each for each in json.loads(key("list", colo=sin))}
    assert listed["with"]["metadata"] == {"owner": "ann", "n": 1} and listed["with"]["expiration"] > 0
    assert listed["bytes"]["metadata"] == {"n": 1} and len(listed) == 16
    assert len(json.loads(key("list", "--prefix", "many/1", colo=sin))) == 3
    (tmp_path / "names.json").write_text(json.dumps(["many/0", "a/b"]))
    assert "v0" in bulk("get", str(tmp_path / "names.json"), colo=sin)
    bulk("delete", str(tmp_path / "names.json"), "--force", colo=sin)
    assert "a/b" not in key("list", colo=sin)
    wrangler("kv", "namespace", "rename", "--namespace-id", id, "--new-name", "t2", colo=sin)
    assert "crdtkv" in wrangler("whoami", colo=sin)
    wrangler("kv", "namespace", "delete", "--namespace-id", id, "--skip-confirmation", colo=sin)
    assert "t2" not in wrangler("kv", "namespace", "list", colo=sin)
