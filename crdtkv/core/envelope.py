"""What is around every message: a version byte, a kind, MessagePack, a checksum.

Law of this room: the version and the checksum lie where they always were, so that a message
of a later release is known for one. A release speaks its own version, understands the one
before and, of the one after, what it knows: fields are only ever added at the end of a list,
and what is not known there is passed over.
"""

from __future__ import annotations

from typing import Any, Final

import msgpack
import xxhash

from crdtkv.errors import FormatTooNew, MessageInvalid, TooLarge

__all__ = ["MAX_MESSAGE", "VERSION", "seal", "unseal"]

VERSION = 2
MAX_MESSAGE = 1 << 30
"""A message is at most 1 GiB."""

_CHECK: Final = 4
_LARGE: Final = 1 << 20

_packer = msgpack.Packer(use_bin_type=True)


def seal(kind: bytes, body: Any, version: int = VERSION) -> bytes:
    """The bytes of a message. O(size). TooLarge above MAX_MESSAGE."""
    data = bytes((version,)) + kind + _packed(body)
    if len(data) + _CHECK > MAX_MESSAGE:
        raise TooLarge(f"message is {len(data)} bytes; at most {MAX_MESSAGE}")
    return data + xxhash.xxh32_digest(data)


def _packed(body: Any) -> bytes:
    """As MessagePack. By one packer for all: another for each takes longer than most messages."""
    global _packer
    data: bytes = _packer.pack(body)
    if len(data) > _LARGE:
        _packer = msgpack.Packer(use_bin_type=True)  # (it keeps as much room as it once needed)
    return data


def unseal(data: Any, most: int = MAX_MESSAGE) -> tuple[bytes, bytes]:
    """The kind of a message and its packed body. O(size).

    Raises MessageInvalid for what `seal` did not make, FormatTooNew for more than one version ahead.
    """
    if type(data) is not bytes:
        raise MessageInvalid(f"message is {type(data).__name__}; bytes are wanted")
    if len(data) < 2 + _CHECK or len(data) > most:
        raise MessageInvalid(f"message is {len(data)} bytes; {2 + _CHECK} to {most} are allowed")
    if xxhash.xxh32_digest(data[:-_CHECK]) != data[-_CHECK:]:
        raise MessageInvalid(f"checksum of a message of {len(data)} bytes does not fit; it was truncated or altered")
    if data[0] > VERSION + 1:
        raise FormatTooNew(
            f"message has wire version {data[0]}; this release speaks {VERSION} and understands {VERSION + 1}"
        )
    if data[0] < max(1, VERSION - 1):
        raise MessageInvalid(f"message has wire version {data[0]}, which is not spoken any more, or never was")
    return data[1:2], data[2:-_CHECK]
