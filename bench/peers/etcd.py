"""etcd: one member, its v3 API by gRPC; the few messages are written here by hand, as its protocol has them."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import grpc

from bench.peers import serving

__all__ = ["Etcd", "KeyValue", "Replica", "keyvalue", "replica"]


def _varint(n: int) -> bytes:
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _fields(data: bytes) -> Iterable[tuple[int, Any]]:
    """(number, value) of a message: varints and byte strings are all that etcd answers with here."""
    at = 0

    def varint() -> int:
        nonlocal at
        shift = found = 0
        while True:
            byte = data[at]
            at += 1
            found |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return found

    while at < len(data):
        tag = varint()
        if tag & 7 == 0:
            yield tag >> 3, varint()
        else:
            length = varint()
            yield tag >> 3, data[at : at + length]
            at += length


class Etcd:
    """A server of one member, and a client."""

    def __init__(self) -> None:
        here, peers = serving.port(), serving.port()
        home = serving.folder("etcd")
        self.channel = grpc.insecure_channel(f"127.0.0.1:{here}")
        self._put, self._range = (self._call(name) for name in ("Put", "Range"))
        self.url = f"http://127.0.0.1:{here}"
        other = f"http://127.0.0.1:{peers}"
        options = {
            "data-dir": str(home),
            "listen-client-urls": self.url,
            "advertise-client-urls": self.url,
            "listen-peer-urls": other,
            "initial-advertise-peer-urls": other,
            "initial-cluster": f"default={other}",
            "quota-backend-bytes": str(4 << 30),
        }
        command = ["etcd", *(f"--{name}={value}" for name, value in options.items())]
        self.process = serving.started(command, lambda: self.get(b"ready"))

    def _call(self, name: str) -> Any:
        same = lambda data: data  # noqa: E731
        return self.channel.unary_unary(f"/etcdserverpb.KV/{name}", request_serializer=same, response_deserializer=same)

    def put(self, key: bytes, value: bytes) -> None:
        self._put(_field(1, key) + _field(2, value), timeout=10)

    def put_soon(self, key: bytes, value: bytes) -> Any:
        return self._put.future(_field(1, key) + _field(2, value), timeout=30)

    def get(self, key: bytes) -> bytes | None:
        found = self.range(key)
        return found[0][1] if found else None

    def range(self, key: bytes, end: bytes = b"", limit: int = 0) -> list[tuple[bytes, bytes]]:
        """From `key` to before `end`, or that key alone."""
        asked = _field(1, key) + (_field(2, end) if end else b"") + (b"\x18" + _varint(limit) if limit else b"")
        rows = [dict(_fields(kv)) for number, kv in _fields(self._range(asked, timeout=10)) if number == 2]
        return [(row[1], row.get(5, b"")) for row in rows]


class Replica:
    """A list is its entries, a key each; to remove one is not asked of it."""

    def __init__(self) -> None:
        self.etcd = Etcd()
        self.process = self.etcd.process
        self.length = 0

    def append(self, value: Any) -> None:
        self.etcd.put(b"list/%09d" % self.length, value.encode())
        self.length += 1

    def entries(self) -> list[Any]:
        return [value.decode() for _, value in self.etcd.range(b"list/", b"list0")]

    def write(self, value: Any) -> None:
        self.etcd.put(b"document", json.dumps(value).encode())

    def read(self) -> Any:
        return json.loads(self.etcd.get(b"document") or b"null")


def replica(n: int) -> Replica:
    return Replica()


class KeyValue:
    """One at a time, each synced; a scan in pages of a thousand."""

    def __init__(self) -> None:
        self.etcd = Etcd()
        self.process = self.etcd.process

    def put(self, key: str, value: bytes) -> None:
        self.etcd.put(key.encode(), value)

    def get(self, key: str) -> bytes | None:
        return self.etcd.get(key.encode())

    def fill(self, values: Mapping[str, bytes]) -> None:
        self._under_way(1_000, values.items())

    def callers(self, count: int, callers: int, value: bytes) -> float:
        """Puts a second with so many requests under way: quicker than as many threads."""
        began = time.perf_counter()
        self._under_way(callers, ((f"many-{n}", value) for n in range(count)))
        return count / (time.perf_counter() - began)

    def _under_way(self, most: int, values: Iterable[tuple[str, bytes]]) -> None:
        waiting: deque[Any] = deque()
        for key, value in values:
            if len(waiting) >= most:
                waiting.popleft().result()
            waiting.append(self.etcd.put_soon(key.encode(), value))
        for put in waiting:
            put.result()

    def scan(self) -> int:
        count, after = 0, b"key-"
        while page := self.etcd.range(after, b"key.", 1_000):
            count += len(page)
            after = page[-1][0] + b"\0"
        return count


def keyvalue(durability: str) -> KeyValue:
    return KeyValue()
