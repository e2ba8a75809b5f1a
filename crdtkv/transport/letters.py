"""Letters: batches of messages from one colo to another, sealed with the cluster's secret.

A letter is a head of fixed size and a payload. The head names the life (one run of a
process) that sent it and the one it is for, and numbers it; it is authenticated by HMAC
and carries the hash of the payload, so a stranger is refused before the payload is read.

Law of this room: pure. A letter is taken once: it names a life of its receiver, which
remembers the numbers that it has seen of each sender's. No clock is asked (those of colos
differ, and jump). A reply bears its request's number, so nothing else passes for one.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

import msgpack

from crdtkv.core.envelope import MAX_MESSAGE

__all__ = [
    "HEAD_SIZE", "MAX_LIVES", "MAX_PAYLOAD", "NOBODY", "PACK_FROM", "VERSION", "WINDOW", "Head", "Keyring", "Letter",
    "Message", "Seen", "Unwelcome", "Why", "pack", "unpack",
]  # fmt: skip

VERSION = 1
"""Spoken here. Letters of one version less or more are understood: their heads are laid out alike, and what is new in a
payload stands behind what was there; so colos are brought to another release one by one."""

MAX_PAYLOAD = MAX_MESSAGE + (1 << 20)
"""A message alone may be as large as a message may be."""

PACK_FROM = 1_024
"""Bytes; less is not worth packing."""

MAX_LIVES = 4_096
"""Senders' lives remembered; beyond, the receiver begins a new life of its own and forgets them all."""

WINDOW = 1_024
"""How far behind the highest number of its sender a letter may come."""

NOBODY = b"\0" * 8
"""The life of a receiver that is not known yet: it answers with its own."""

_MAGIC = b"CKG"
_HEAD = Struct(">3sBBB4s8s8sQII16s")
_MAC = 16
"""128 bits of HMAC-SHA256, and of the payload's SHA-256, are as many as anybody can guess."""
HEAD_SIZE = _HEAD.size + _MAC

Message = tuple[str, bytes]
"""The namespace's id, and what one machine says to another."""


class Why(Enum):
    """What a letter is refused for; each is counted by this name."""

    malformed = "malformed"
    version = "version"
    cluster = "cluster"
    tampered = "tampered"
    truncated = "truncated"
    oversized = "oversized"
    stale = "stale"
    replayed = "replayed"
    doubled = "doubled"


class Unwelcome(Exception):
    """A letter, or a reply, that is not taken."""

    def __init__(self, why: Why, words: str) -> None:
        super().__init__(words)
        self.why = why


class Head(NamedTuple):
    """What a head says. `packed` and `plain`: bytes of the payload as it comes, and unpacked."""

    reply: bool
    packing: int
    to: bytes
    sender: bytes
    number: int
    packed: int
    plain: int
    hash: bytes
    key: bytes


class Letter(NamedTuple):
    """Who sent it, as he calls himself, the URL he is reached at, or "" where he says nothing of it; what it holds."""

    colo: str
    url: str
    messages: tuple[Message, ...]


class Keyring:
    """The secrets of a cluster: the first seals, all open. None at all: nobody else is kept out.

    >>> ring = Keyring([b"correct horse battery staple"])
    >>> data = ring.seal(b"payload", False, 0, 7, b"receiver", b"sender01", 1)
    >>> head = ring.open(data[:HEAD_SIZE])
    >>> head.sender, head.number, ring.check(head, data[HEAD_SIZE:])
    (b'sender01', 1, None)
    """

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        keys = [hmac.digest(secret, b"crdtkv gossip 1", "sha256") for secret in secrets or [b""]]
        self._first = keys[0]
        self._by_hint = {_hint(key): key for key in reversed(keys)}

    def seal(
        self, payload: bytes, reply: bool, packing: int, plain: int, to: bytes, sender: bytes, number: int,
        key: bytes | None = None,
    ) -> bytes:  # fmt: skip
        """The letter. O(size). A reply is sealed with the `key` of its request."""
        key = key or self._first
        kind = b"r"[0] if reply else b"q"[0]
        hash = _hash(payload)
        head = _HEAD.pack(_MAGIC, VERSION, kind, packing, _hint(key), to, sender, number, len(payload), plain, hash)
        return head + _mac(key, head) + payload

    def open(self, head: bytes, most: int = MAX_PAYLOAD) -> Head:
        """What the head of a letter says, which was sealed in this cluster. O(1). Raises Unwelcome."""
        if head[:3] != _MAGIC[: len(head)]:
            raise Unwelcome(Why.malformed, "it is no letter between colos")
        if len(head) > 3 and not max(1, VERSION - 1) <= head[3] <= VERSION + 1:
            raise Unwelcome(Why.version, f"it is of version {head[3]}; {VERSION} is spoken here")
        if len(head) < HEAD_SIZE:
            raise Unwelcome(Why.truncated, f"it has {len(head)} bytes; its head has {HEAD_SIZE}")
        fields = _HEAD.unpack_from(head)
        _, _, kind, packing, hint, to, sender, number, packed, plain, hash = fields
        key = self._by_hint.get(hint)
        if key is None:
            raise Unwelcome(Why.cluster, "it was sealed with another cluster's secret, or one that is not taken here")
        if not hmac.compare_digest(_mac(key, head[: _HEAD.size]), head[_HEAD.size : HEAD_SIZE]):
            raise Unwelcome(Why.tampered, "its seal is broken")
        if max(packed, plain) > most:
            raise Unwelcome(Why.oversized, f"it has {max(packed, plain):,} bytes; at most {most:,}")
        return Head(kind == b"r"[0], packing, to, sender, number, packed, plain, hash, key)

    @staticmethod
    def check(head: Head, payload: bytes) -> None:
        """The payload is the one that was sealed. O(size). Raises Unwelcome."""
        if len(payload) < head.packed:
            raise Unwelcome(Why.truncated, f"its payload has {len(payload):,} bytes of {head.packed:,}")
        if not hmac.compare_digest(_hash(payload), head.hash):
            raise Unwelcome(Why.tampered, "its payload is not the one that was sealed")


def _mac(key: bytes, head: bytes) -> bytes:
    return hmac.digest(key, head, "sha256")[:_MAC]


def _hash(payload: bytes) -> bytes:
    return hashlib.sha256(payload).digest()[:16]


@lru_cache(maxsize=64)
def _hint(key: bytes) -> bytes:
    """By which of several keys a letter was sealed; of the key it tells nothing."""
    return hmac.digest(key, b"hint", "sha256")[:4]


class Seen:
    """The letters that one life has taken.

    >>> seen = Seen(b"receiver")
    >>> seen.take(b"receiver", b"sender01", 1)
    >>> seen.take(b"receiver", b"sender01", 1)
    Traceback (most recent call last):
    crdtkv.transport.letters.Unwelcome: it came before
    """

    def __init__(self, life: bytes) -> None:
        self.life = life
        self._of: OrderedDict[bytes, tuple[int, int]] = OrderedDict()

    def take(self, to: bytes, sender: bytes, number: int) -> None:
        """It is taken now, and never again. O(1). Raises Unwelcome."""
        if to != self.life:
            raise Unwelcome(Why.stale, "it is for another life of this colo")
        highest, mask = self._of.pop(sender, (0, 0))
        behind = highest - number
        if behind < 0:
            mask = ((mask << min(-behind, WINDOW)) | 1) & ((1 << WINDOW) - 1)
            self._of[sender] = (number, mask)
            return
        self._of[sender] = (highest, mask | (1 << behind) if behind < WINDOW else mask)
        if behind >= WINDOW or mask >> behind & 1:
            raise Unwelcome(Why.replayed, "it came before")

    @property
    def full(self) -> bool:
        """Whether so many lives are remembered that it is time for a new one of our own."""
        return len(self._of) > MAX_LIVES


# what a payload holds


def pack(colo: str, url: str, messages: Iterable[Message], small: bool) -> tuple[int, int, bytes]:
    """The packing, how large it is unpacked, and the payload. `small`: packed with zlib where that pays. O(size)."""
    data: bytes = msgpack.packb([colo, url, [[namespace, message] for namespace, message in messages]])
    # (zstd makes the usual letter a sixth smaller in a third of the time: not worth a dependency.)
    if small and len(data) >= PACK_FROM:
        packed = zlib.compress(data, 1)
        if len(packed) < len(data) * 9 // 10:
            return 1, len(data), packed
    return 0, len(data), data


def unpack(head: Head, payload: bytes) -> Letter:
    """What `pack` was given. O(size unpacked), which the head bounds. Raises Unwelcome."""
    try:
        if head.packing == 1:
            out = zlib.decompressobj()
            payload = out.decompress(payload, head.plain)
            if not out.eof or len(payload) != head.plain:
                raise ValueError("its size is not the one that was sealed")
        elif head.packing != 0:
            raise ValueError(f"packing {head.packing} is not known here")
        colo, url, messages, *_ = msgpack.unpackb(payload)
        if not (isinstance(colo, str) and isinstance(url, str)):
            raise ValueError("no colo, or no URL")
        return Letter(colo, url, tuple(_message(*each) for each in messages))
    except (ValueError, TypeError, zlib.error, msgpack.UnpackException) as error:
        raise Unwelcome(Why.malformed, f"its payload cannot be read: {error}") from None


def _message(namespace: object, data: object) -> Message:
    if not isinstance(namespace, str) or not isinstance(data, bytes):
        raise ValueError("no message")
    return namespace, data
