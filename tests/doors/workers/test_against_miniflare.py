"""The same calls to a colo and to miniflare's own Workers KV: the same values, the same pages, the same errors."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.doors.conftest import Colos
from tests.doors.workers.conftest import Run

OPTIONS = ["--workers", "127.0.0.1:0"]
FAR = 4_000_000_000
"""A date, in seconds since 1970."""


def alike(found: Any) -> Any:
    """But for what a cursor is, which only who gave it reads."""
    if isinstance(found, dict):
        return {key: "some" if key == "cursor" else alike(value) for key, value in found.items()}
    return [alike(each) for each in found] if isinstance(found, list) else found


def raw(*pieces: bytes) -> list[str]:
    return [base64.b64encode(each).decode() for each in pieces]


def test_the_same_calls_give_the_same(colos: Colos, workerd: Run, miniflare: Run, calls: str) -> None:
    (lhr,) = colos("lhr", options=OPTIONS)
    ours, theirs = workerd(lhr.door("Workers KV"), calls), miniflare(None, calls)
    for each in CALLS:
        assert (each, alike(ours.calls(*each))) == (each, alike(theirs.calls(*each)))


long = "x" * 513
CALLS: list[list[list[Any]]] = [
    # keys
    *[[[method, key, *rest]] for key in ("", ".", "..", long, "é" * 257) for method, *rest in (
        ["get"], ["put", "v"], ["delete"], ["getWithMetadata"],
    )],
    [["put", key := "a/b//c é?#%&+=\\_%\n\t\"'", "v"], ["get", key], ["list"], ["delete", key]],
    [["put", "key", "lower"], ["put", "KEY", "upper"], ["get", "key"], ["get", "KEY"], ["delete", "KEY"]],
    # values
    [["put", "key", "value"], ["get", "key"], ["get", "key", "text"], ["get", "key", "arrayBuffer"],
     ["get", "key", "stream"], ["get", "key", {"type": "text"}], ["getWithMetadata", "key"]],
    [["put", "key", ""], ["get", "key"], ["get", "key", "arrayBuffer"], ["get", "key", "stream"]],
    [["put", "key", {"base64": "AP8AgA=="}], ["get", "key", "arrayBuffer"], ["get", "key"], ["get", ["key"]]],
    [["put", "key", {"stream": raw(b"hello")[0]}], ["get", "key"]],
    [["put", "key", {"pieces": raw(b"hel", b"lo", b"")}], ["get", "key"]],
    [["put", "key", "[1,{\"a\":null}]"], ["get", "key", "json"], ["get", "key"]],
    [["put", "key", "1.50"], ["get", "key"], ["get", "key", "json"]],
    *[[["put", "key", text], ["get", "key"]]
      for text in ("1e3", "-0", "true", "null", '"text"', "{", "[1,", " 5", "5 ", "9007199254740993", "1E400")],
    [["put", "key", "no json"], ["get", "key", "json"]],
    [["put", "key", {"size": 2_000_000}], ["get", "key"]],
    [["put", "key", {"size": 26_214_401}], ["get", "key"]],
    [["get", "nothing"], ["getWithMetadata", "nothing"], ["get", "nothing", "stream"], ["delete", "nothing"]],
    [["get", "key", {"cacheTtl": 10}], ["get", "key", {"cacheTtl": "no number"}], ["get", "nothing", {"cacheTtl": 60}]],
    [["delete", "key"], ["get", "key"], ["list"]],
    # metadata
    *[[["put", "key", "v", {"metadata": metadata}], ["getWithMetadata", "key"], ["list"], ["put", "key", "w"],
       ["getWithMetadata", "key"], ["list"]]
      for metadata in ({"testing": True}, [1, "é\u2028", None], "text", 0, False, "", {}, None)],
    [["put", "key", "v", {"metadata": {"key": "x" * 1014}}], ["getWithMetadata", "key", "text"],
     ["put", "key", "v", {"metadata": {"key": "x" * 1015}}], ["put", "key", "v", {"metadata": "é" * 512}]],
    # dates
    [["put", "key", "v", {"expiration": FAR}], ["list"], ["put", "key", "v"], ["list"]],
    [["put", "key", "v", {"expiration": FAR, "metadata": {"m": 1}}], ["getWithMetadata", "key"], ["list"]],
    *[[["put", "key", "v", {name: given}]] for name in ("expiration", "expirationTtl")
      for given in (0, 1, 30, 59, "nan", -1, 1.5)],
    [["delete", "key"]],
    # pages
    [["put", name, "v"]
     for name in ("section1key1", "section1key2", "section1key3", "section2key1", "!", ", ", "é", "z")],
    [["list"], ["list", {"prefix": "section1"}], ["list", {"prefix": "none"}], ["list", {"prefix": ""}]],
    [["list", {"limit": 3}], ["list", {"limit": 3, "cursor": 0}], ["list", {"limit": 2, "cursor": 1}]],
    [["list", {"prefix": "section", "limit": 3}], ["put", "section1key0", "v"], ["put", "section1key31", "v"],
     ["delete", "section1key3"], ["list", {"prefix": "section", "limit": 9, "cursor": 0}]],
    [["list", {"limit": 8}], ["list", {"limit": 9}], ["list", {"limit": 1000}], ["list", {"limit": 1001}]],
    [["list", {"limit": 0}], ["list", {"prefix": long}], ["list", {"prefix": "é" * 256}]],
    # many keys
    [["put", "one", "1"], ["put", "two", '{"a":[]}', {"metadata": {"m": 1}}], ["put", "text", "no json"]],
    [["get", ["one", "two", "nothing"]], ["get", ["one", "two", "nothing"], "json"], ["get", ["one", "text"], "json"],
     ["get", ["one"], {"type": "text"}], ["getWithMetadata", ["one", "two", "nothing"]],
     ["getWithMetadata", ["one", "two", "nothing"], "json"], ["get", ["one"], "stream"],
     ["get", ["one"], "arrayBuffer"]],
    [["get", []], ["get", ["x"] * 101], ["get", ["one", ""]], ["get", [long]], ["get", ["one"], {"cacheTtl": 10}]],
]  # fmt: skip


_KEYS = st.sampled_from(["a", "b", "ab", "a/b", "é", "%", "B"])
_TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.sampled_from(["1", "2.0", '["a"]'])
_PUT = st.builds(
    lambda key, value, metadata, date: ["put", key, value, {**metadata, **date}],
    _KEYS, _TEXTS | st.builds(lambda data: {"base64": raw(data)[0]}, st.binary(max_size=8)),
    st.just({}) | st.fixed_dictionaries({
        "metadata": st.none() | st.dictionaries(st.sampled_from("xy"), st.integers(0, 9) | _TEXTS, max_size=2),
    }),
    st.sampled_from([{}, {"expiration": FAR}, {"expiration": FAR + 1}, {"expiration": 5}]),
)  # fmt: skip
_CALL = (
    _PUT
    | st.builds(lambda key: ["delete", key], _KEYS)
    | st.builds(lambda method, key, kind: [method, key, kind], st.sampled_from(["get", "getWithMetadata"]), _KEYS,
                st.sampled_from(["text", "arrayBuffer"]))
    | st.builds(lambda keys: ["get", keys], st.lists(_KEYS, min_size=1, max_size=4))
    | st.builds(lambda prefix, limit: ["list", {"prefix": prefix, "limit": limit}],
                st.sampled_from(["", "a", "é", "c"]), st.integers(1, 4))
)  # fmt: skip


def test_any_calls_give_the_same(colos: Colos, workerd: Run, miniflare: Run, calls: str) -> None:
    """Of keys that keep bytes: documents are read in their own form, which miniflare has none of."""
    (lhr,) = colos("lhr", options=OPTIONS)
    lhr.http.put("/v1/default/rules", json={"rules": [{"pattern": "*", "strategy": "lww"}]}).raise_for_status()
    ours, theirs = workerd(lhr.door("Workers KV"), calls), miniflare(None, calls)
    clean = [["delete", key] for key in ("a", "b", "ab", "a/b", "é", "%", "B")]

    @settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow])
    @given(st.lists(_CALL, max_size=25))
    def check(some: list[list[Any]]) -> None:
        whole = [*some, ["list"], *clean]
        assert alike(ours.calls(*whole)) == alike(theirs.calls(*whole))

    check()
    assert json.dumps(ours.call("list")) == '{"keys": [], "list_complete": true, "cacheStatus": null}'


def test_a_date_passes(colos: Colos, workerd: Run, calls: str) -> None:
    """What a test suite of Workers KV does with its clock and its limit."""
    (lhr,) = colos("lhr", options=OPTIONS, CRDTKV_WORKERS_CLOCK="1000", CRDTKV_WORKERS_VALUE_LIMIT="1024")
    ours = workerd(lhr.door("Workers KV"), calls)
    for i in (1, 2, 3):
        ours.call("put", f"key{i}", f"value{i}", {"expiration": 1000 + i * 60})
    lhr.http.post(f"http://{lhr.door('Workers KV')}/clock", json={"advance": 130}).raise_for_status()
    beyond = {"error": "KV PUT failed: 413 Value length of 1025 exceeds limit of 1024."}
    assert ours.calls(
        ["list"], ["get", "key2"], ["get", "key3"], ["put", "key", {"size": 1025}],
        ["put", "key", {"stream": raw(b"x" * 1025)[0]}], ["put", "key", {"pieces": raw(b"x" * 1000, b"x" * 25)}],
        ["get", "key"], ["put", "key", {"pieces": raw(b"x" * 1000, b"x" * 24)}], ["put", "key", {"size": 1024}],
    ) == [
        {"keys": [{"name": "key3", "expiration": 1180}], "list_complete": True, "cacheStatus": None},
        None,
        "value3",
        beyond,
        beyond,
        beyond,
        None,
        {"undefined": True},
        {"undefined": True},
    ]  # fmt: skip
    assert time.time() > 1180
