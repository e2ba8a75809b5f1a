"""Publish and subscribe. What is published reaches who listens at any colo, once at the most."""

from __future__ import annotations

from typing import Any

from crdtkv.doors.redis.client import Client
from crdtkv.doors.redis.globs import MAX_GLOB, glob
from crdtkv.doors.redis.refusals import Refusal, wrong_number
from crdtkv.doors.redis.replies import SILENT, Push, encode
from crdtkv.doors.redis.table import command

__all__: list[str] = []

_KINDS = {
    b"subscribe": "channels", b"psubscribe": "patterns", b"ssubscribe": "shards",
    b"unsubscribe": "channels", b"punsubscribe": "patterns", b"sunsubscribe": "shards",
}  # fmt: skip


def _count(client: Client, kind: str) -> int:
    return len(client.shards) if kind == "shards" else len(client.channels) + len(client.patterns)


@command("subscribe", -2, "pubsub nomulti", group="pubsub", maps="of this connection")
@command("psubscribe", -2, "pubsub nomulti", group="pubsub", maps="of this connection")
@command("ssubscribe", -2, "pubsub nomulti", group="pubsub", maps="of this connection")
def _subscribe(client: Client, args: list[bytes]) -> Any:
    """Listens for messages that are published to channels, or to channels that match patterns."""
    word = args[0].lower()
    kind = _KINDS[word]
    door, said = client.door, []
    if len(client.channels) + len(client.patterns) + len(client.shards) + len(args) > 100_000:
        raise Refusal("ERR too many subscriptions")
    if max(map(len, args)) > MAX_GLOB:
        raise Refusal(f"ERR a channel's name is at most {MAX_GLOB:,} bytes")
    for name in args[1:]:
        door.board.add(client, kind, name)
        said.append(encode(Push([word, name, _count(client, kind)]), client.protocol))
    client.connection.push(b"".join(said))
    return SILENT


@command("unsubscribe", -1, "pubsub nomulti", group="pubsub", maps="of this connection")
@command("punsubscribe", -1, "pubsub nomulti", group="pubsub", maps="of this connection")
@command("sunsubscribe", -1, "pubsub nomulti", group="pubsub", maps="of this connection")
def _unsubscribe(client: Client, args: list[bytes]) -> Any:
    """Stops listening: to these, or to all."""
    word = args[0].lower()
    kind = _KINDS[word]
    names: list[bytes | None] = [*args[1:]] or [*sorted(getattr(client, kind))] or [None]
    said = []
    for name in names:
        if name is not None:
            client.door.board.remove(client, kind, name)
        said.append(encode(Push([word, name, _count(client, kind)]), client.protocol))
    client.connection.push(b"".join(said))
    return SILENT


@command("publish", 3, "pubsub fast", group="pubsub", maps="a message to all colos, at most once")
def _publish(client: Client, args: list[bytes]) -> Any:
    """Sends a message to who listens to a channel; tells how many do at this colo."""
    return client.door.publish(args[1], args[2])


@command("spublish", 3, "pubsub fast", group="pubsub", maps="a message to all colos, at most once")
def _spublish(client: Client, args: list[bytes]) -> Any:
    """Sends a message to who listens to a shard channel; tells how many do at this colo."""
    return client.door.publish(args[1], args[2], shard=True)


@command("pubsub", -2, "pubsub", group="pubsub", maps="who listens at this colo")
def _pubsub(client: Client, args: list[bytes]) -> Any:
    """Tells who listens at this colo: CHANNELS, NUMPAT, NUMSUB, SHARDCHANNELS, SHARDNUMSUB."""
    board, word = client.door.board, args[1].lower()
    if word in (b"channels", b"shardchannels") and len(args) <= 3:
        table = board.channels if word == b"channels" else board.shards
        matches = glob(args[2]).fullmatch if len(args) == 3 else bool
        return [name for name in sorted(table) if matches(name)]
    if word in (b"numsub", b"shardnumsub"):
        table = board.channels if word == b"numsub" else board.shards
        return [each for name in args[2:] for each in (name, len(table.get(name, ())))]
    if word == b"numpat" and len(args) == 2:
        return len(board.patterns)
    if word in (b"channels", b"shardchannels", b"numpat"):
        return wrong_number(f"pubsub|{word.decode()}")
    raise Refusal(f"ERR unknown subcommand '{word.decode('latin-1'):.40}'. Try PUBSUB HELP.")
