"""What the recorded requests of workerd and miniflare ask for, and what is refused, in the words of Workers KV."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.doors.workers.asking import MAX_ASKED, Bulk, Delete, Get, List, Probe, Put, Whose, call_of, whose
from crdtkv.doors.workers.wire import Asked
from crdtkv.errors import CrdtkvError

# As workerd 1.20260426.1 and miniflare 4.20260426.0 sent them.
WORKERD = {
    b"host": b"fake-host", b"authorization": b"Bearer tok", b"x-kv-namespace": b"shop",
    b"cf-kv-flprod-405": b"https://fake-host/a%2Fb?urlencoded=true",
}  # fmt: skip


def miniflare(method: str, url: bytes, target: bytes = b"/?namespace=shop&token=tok", **more: bytes) -> Asked:
    headers = {
        b"host": b"127.0.0.1:8802", b"mf-binding": b"KV", b"mf-header-cf-kv-flprod-405": url,
        b"mf-header-transfer-encoding": b"chunked", b"mf-url": url,
    }  # fmt: skip
    inside = {b"mf-header-" + name.replace("_", "-").encode(): value for name, value in more.items()}
    return Asked(method, target, {**headers, **inside}, b"hello", 5)


KEY = "a/b é?#%"
RAW = b"/a%2Fb%20%C3%A9%3F%23%25?urlencoded=true"


@pytest.mark.parametrize(
    ("method", "target", "headers", "call"),
    [
        ("GET", RAW, {}, Get(KEY)),
        ("GET", RAW + b"&cache_ttl=60", {}, Get(KEY)),
        ("DELETE", RAW, {}, Delete(KEY)),
        ("PUT", RAW, {"content_type": b"text/plain;charset=UTF-8"},
         Put(KEY, b"hello", 5, "text/plain;charset=UTF-8", None, None, None)),
        ("PUT", RAW + b"&expiration_ttl=60", {"cf_kv_metadata": b'{"u":"\xc3\xa9"}'},
         Put(KEY, b"hello", 5, "", '{"u":"é"}', "60", None)),
        ("PUT", RAW + b"&expiration=2000000000", {}, Put(KEY, b"hello", 5, "", None, None, "2000000000")),
        ("GET", b"/", {}, List("", 1000, None)),
        ("GET", b"?key_count_limit=5&prefix=%C3%A9%2F+%2B&cursor=abc", {}, List("é/ +", 5, "abc")),
        ("GET", b"/?cursor=", {}, List("", 1000, None)),
        ("GET", b"", {}, List("", 1000, None)),
    ],
)  # fmt: skip
def test_what_both_send_is_the_same_call(
    method: str, target: bytes, headers: dict[str, bytes], call: object
) -> None:
    plain = {name.replace("_", "-").encode(): value for name, value in headers.items()}
    absolute = target if target[:1] == b"/" else b"/" + target
    assert call_of(Asked(method, absolute, {**WORKERD, **plain}, b"hello", 5)) == call
    assert call_of(miniflare(method, b"https://fake-host" + target, **headers)) == call


def test_a_key_that_is_not_said_to_be_encoded_stands_as_it_is() -> None:
    assert call_of(Asked("GET", b"/a%2Fb", {})) == Get("a%2Fb")
    assert call_of(Asked("GET", b"/a/b/?urlencoded=true", {})) == Get("a/b/")


def test_many_keys() -> None:
    def bulk(**said: object) -> Asked:
        body = json.dumps(said).encode()
        return Asked("POST", b"/bulk/get", WORKERD, body, len(body))

    assert call_of(bulk(keys=["a", "b"])) == Bulk(["a", "b"], False, False)
    assert call_of(bulk(keys=["a"], type="json", withMetadata=True, cacheTtl="60")) == Bulk(["a"], True, True)
    for said, words in (
        ({"keys": []}, "You must request a minimum of 1 key"),
        ({"keys": ["a"] * 101}, "You can request a maximum of 100 keys"),
        ({"keys": ["a"], "type": "stream"}, '"stream" is not a valid type. Use "json" or "text"'),
        ({"keys": ["a"], "cacheTtl": "10"}, "Invalid cache_ttl of 10. Cache TTL must be at least 30."),
        ({"keys": ["x" * 513]}, "UTF-8 encoded length of 513 exceeds key length limit of 512."),
        ({"keys": [1]}, "An object with 'keys', a list of keys, is wanted"),
        ({"keys": "a"}, "An object with 'keys', a list of keys, is wanted"),
        ({}, "An object with 'keys', a list of keys, is wanted"),
    ):
        with pytest.raises(CrdtkvError) as caught:
            call_of(bulk(**said))
        assert caught.value.message == words
    with pytest.raises(CrdtkvError, match="at most 1048576"):
        call_of(Asked("POST", b"/bulk/get", WORKERD, b"", MAX_ASKED + 1))


@pytest.mark.parametrize(
    ("method", "target", "status", "words"),
    [
        ("GET", b"/%2E?urlencoded=true", 400, 'Illegal key name ".". Please use a different name.'),
        ("PUT", b"/..?urlencoded=true", 400, 'Illegal key name "..". Please use a different name.'),
        ("DELETE", b"/" + b"x" * 513, 414, "UTF-8 encoded length of 513 exceeds key length limit of 512."),
        ("GET", b"/" + b"%C3%A9" * 257 + b"?urlencoded=true", 414,
         "UTF-8 encoded length of 514 exceeds key length limit of 512."),
        ("GET", b"/%FF?urlencoded=true", 400, "Could not URL-decode key name"),
        ("GET", b"/%zz?urlencoded=TRUE", 400, "Could not URL-decode key name"),
        ("GET", b"/a%4?urlencoded=true", 400, "Could not URL-decode key name"),
        ("GET", b"/a?cache_ttl=10", 400, "Invalid cache_ttl of 10. Cache TTL must be at least 30."),
        ("GET", b"/?key_count_limit=1001", 400,
         "Invalid key_count_limit of 1001. Please specify an integer less than 1000."),
        ("GET", b"/?key_count_limit=0", 400,
         "Invalid key_count_limit of 0. Please specify an integer greater than 0."),
        ("GET", b"/?prefix=" + b"x" * 513, 414, "UTF-8 encoded length of 513 exceeds key length limit of 512."),
        ("GET", b"/?prefix=%FF", 400, None),
        ("PUT", b"/", 405, None),
        ("DELETE", b"/", 405, None),
        ("POST", b"/a", 405, None),
        ("OPTIONS", b"*", 400, None),
        ("GET", b"http://x/a", 400, None),
        ("HEAD", b"/a", 405, None),
    ],
)  # fmt: skip
def test_what_is_refused(method: str, target: bytes, status: int, words: str | None) -> None:
    with pytest.raises(CrdtkvError) as caught:
        call_of(Asked(method, target, {}))
    assert caught.value.status == status
    assert words is None or caught.value.message == words


def test_whose_it_is() -> None:
    assert whose(Asked("GET", b"/a", WORKERD), {}) == Whose("shop", "tok")
    assert whose(Asked("GET", b"/a?namespace=other&token=t", {}), {}) == Whose("default", None), "that is the Worker's"
    assert whose(miniflare("GET", b"https://fake-host/a?token=evil&namespace=evil"), {}) == Whose("shop", "tok")
    assert whose(miniflare("GET", b"https://fake-host/a", b"/"), {}) == Whose("KV", None)
    assert whose(miniflare("GET", b"https://fake-host/a", b"/?token=t"), {"KV": "shop"}) == Whose("shop", "t")
    with pytest.raises(CrdtkvError, match="no UTF-8"):
        whose(Asked("GET", b"/a", {b"x-kv-namespace": b"\xff"}), {})
    with pytest.raises(CrdtkvError, match="MF-Binding is missing"):
        whose(Asked("GET", b"/", {b"mf-url": b"https://fake-host/a"}), {})


def test_the_probe_of_miniflare() -> None:
    probe = {b"connection": b"Upgrade", b"upgrade": b"websocket", b"host": b"x"}
    assert call_of(Asked("GET", b"/?namespace=shop&MF-Binding=KV", probe)) == Probe()


_HEADERS = st.dictionaries(
    st.sampled_from([b"mf-url", b"mf-binding", b"mf-header-cf-kv-metadata", b"cf-kv-metadata", b"x-kv-namespace",
                     b"authorization", b"content-type", b"upgrade", b"mf-header-content-type"]),
    st.binary(max_size=40) | st.sampled_from([b"https://fake-host/a?urlencoded=true", b"Bearer t", b"://", b"a://b?c"]),
)  # fmt: skip


@given(
    st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "X"]),
    st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=60) | st.sampled_from(["/bulk/get", "/"]),
    _HEADERS, st.binary(max_size=60),
)  # fmt: skip
def test_whatever_is_asked(method: str, target: str, headers: dict[bytes, bytes], body: bytes) -> None:
    """A call with a key that a store takes, or an error of the tree."""
    asked = Asked(method, target.encode(), headers, body, len(body))
    try:
        call, of = call_of(asked), whose(asked, {})
    except CrdtkvError as error:
        assert 400 <= error.status < 500
        return
    assert isinstance(of.namespace, str)
    if isinstance(call, Get | Put | Delete):
        assert 0 < len(call.key.encode()) <= 512


@given(st.text(max_size=170).filter(lambda key: key not in ("", ".", "..")))
def test_any_key_arrives(key: str) -> None:
    from urllib.parse import quote

    try:
        raw = quote(key, safe="").encode()
    except UnicodeEncodeError:
        return
    assert call_of(Asked("GET", b"/" + raw + b"?urlencoded=true", {})) == Get(key)
