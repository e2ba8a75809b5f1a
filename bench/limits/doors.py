"""What a request of Cloudflare's KV API costs, beside a bare ASGI application that answers the same bytes.

As `bench.limits.server`: the same load, in turns of one run; requests as Cloudflare's own library sends them.
"""

from __future__ import annotations

from bench.limits.server import P99_MS, answers, measure, table

__all__ = ["bare", "report"]

RATIO = 0.6
TOKEN = "a token of the bench"
_VALUES = "/client/v4/accounts/me/storage/kv/namespaces/default/values"
_TOLD = {"GET": b"v" * 100, "PUT": b'{"success":true,"errors":[],"messages":[],"result":{}}'}
_HEADERS = {
    "GET": [(b"content-type", b"application/octet-stream"), (b"etag", b'"5af9_lhr~k3f9.123456"')],
    "PUT": [(b"content-type", b"application/json")],
}


bare = answers(_TOLD, _HEADERS)


def ask(method: str, key: int, turn: int) -> bytes:
    """A request for a value of 100 bytes."""
    head = (
        f"{method} {_VALUES}/key-{key:03} HTTP/1.1\r\nhost: lhr\r\nauthorization: Bearer {TOKEN}\r\n"
        "accept: application/octet-stream\r\naccept-encoding: gzip, deflate\r\nuser-agent: Cloudflare/Python 5.9.0\r\n"
    ).encode()
    if method == "GET":
        return head + b"\r\n"
    body = b"%s%04d" % (b"v" * 96, turn)
    return head + b"content-type: text/plain\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)


def report() -> bool:
    """Prints the figures; whether the limits are kept."""
    kept = True
    for words, given in (("no token was ever made", {}), ("with a token", {"CRDTKV_ADMIN_TOKEN": TOKEN})):
        figures = measure(ask, "bench.limits.doors:bare", RATIO, **given)
        print(f"Cloudflare's KV API, 100-byte values, 64 connections, durability full; {words}")
        table(figures)
        kept = kept and all(f.kept for f in figures)
    print(f"  (wanted: a ratio of {RATIO}, and {P99_MS:.0f} ms at half the load)")
    return kept
