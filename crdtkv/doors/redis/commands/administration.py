"""The server: what it is, how it stands, what it can do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from crdtkv.doors.redis.arguments import float_of, int_of
from crdtkv.doors.redis.client import Client
from crdtkv.doors.redis.commands import keys_in
from crdtkv.doors.redis.globs import glob
from crdtkv.doors.redis.information import SECTIONS, information
from crdtkv.doors.redis.refusals import SYNTAX, Refusal, wrong_number
from crdtkv.doors.redis.replies import OK, Failed, Simple, Verbatim
from crdtkv.doors.redis.table import COMMANDS, Command, command, find

__all__: list[str] = []


@command("time", 1, "fast", group="server")
def _time(client: Client, args: list[bytes]) -> Any:
    """Returns the time of this colo: seconds, and microseconds beside them."""
    now = time.time_ns() // 1000
    return [b"%d" % (now // 1_000_000), b"%d" % (now % 1_000_000)]


@command("info", -1, "", group="server", maps="the status")
async def _info(client: Client, args: list[bytes]) -> Any:
    """Tells how this colo stands; the section crdt: lag per colo, floor, conflicts."""
    wanted = {word.decode("latin-1").lower() for word in args[1:]}
    if not wanted or "default" in wanted:
        wanted |= SECTIONS - {"keyspace"}
    if wanted & {"all", "everything"}:
        wanted |= SECTIONS
    text = await client.door.serving.slow(information, client.door, wanted)
    return Verbatim(text.encode())


@command("role", 1, "fast", group="server")
def _role(client: Client, args: list[bytes]) -> Any:
    """Tells that this colo takes writes, as all do."""
    return [b"master", 0, []]


@command("wait", 3, "nomulti", group="generic", maps="nothing")
def _wait(client: Client, args: list[bytes]) -> Any:
    """Tells at how many other colos all is known to be: that is not waited for here, so 0."""
    if int_of(args[1]) < 0 or int_of(args[2]) < 0:
        raise Refusal("ERR timeout is negative")
    return 0


@command("lastsave", 1, "fast", group="server")
def _lastsave(client: Client, args: list[bytes]) -> Any:
    """Returns the time: what was answered is on disk."""
    return int(time.time())


@command("save", 1, "", group="server")
@command("bgsave", -1, "", group="server")
@command("bgrewriteaof", 1, "", group="server")
def _save(client: Client, args: list[bytes]) -> Any:
    """Does nothing: what was answered is on disk."""
    return OK if args[0].lower() == b"save" else Simple("Background saving started")


@command("debug", -2, "nomulti", group="server")
async def _debug(client: Client, args: list[bytes]) -> Any:
    """Waits: DEBUG SLEEP seconds, for this connection alone."""
    word = args[1].lower()
    if word == b"sleep" and len(args) == 3:
        await asyncio.sleep(min(max(0.0, float_of(args[2])), 3600.0))
        return OK
    if word == b"set-active-expire" and len(args) == 3:
        return OK
    raise Refusal(f"ERR DEBUG {word.decode('latin-1'):.40} is not supported; SLEEP is")


# settings

_SETTINGS: dict[str, Callable[[Client], str]] = {
    "appendfsync": lambda client: "always" if client.door.durable else "everysec",
    "appendonly": lambda client: "yes",
    "bind": lambda client: client.connection.local.rpartition(":")[0],
    "databases": lambda client: "16",
    "maxclients": lambda client: str(client.door.serving.limits.connections),
    "maxmemory": lambda client: "0",
    "maxmemory-policy": lambda client: "noeviction",
    "notify-keyspace-events": lambda client: client.door.events.flags,
    "port": lambda client: client.connection.local.rpartition(":")[2],
    "proto-max-bulk-len": lambda client: str(client.door.limits(client).bulk),
    "save": lambda client: "",
    "timeout": lambda client: "0",
}


@command("config", -2, "", group="server", maps="of this door")
def _config(client: Client, args: list[bytes]) -> Any:
    """Tells settings, and sets notify-keyspace-events: GET, SET, RESETSTAT."""
    word = args[1].lower()
    if word == b"get" and len(args) > 2:
        matchers = [glob(each.lower()) for each in args[2:]]
        return {
            name: tell(client) for name, tell in _SETTINGS.items() if any(m.fullmatch(name.encode()) for m in matchers)
        }
    if word == b"set" and len(args) > 3 and len(args) % 2 == 0:
        if client.door.node.guarded:
            client.door.node.authorize(client.token, "admin")
        for name, value in zip(args[2::2], args[3::2], strict=True):
            _set(client, name.decode("latin-1").lower(), value.decode("latin-1"))
        return OK
    if word == b"resetstat" and len(args) == 2:
        return OK
    if word in (b"get", b"set", b"resetstat"):
        return wrong_number(f"config|{word.decode()}")
    raise Refusal(f"ERR CONFIG {word.decode('latin-1'):.40} is not supported; GET, SET, RESETSTAT are")


def _set(client: Client, name: str, value: str) -> None:
    if name == "notify-keyspace-events":
        client.door.events.set(value)
    elif name not in _SETTINGS:
        raise Refusal(f"ERR Unknown option or number of arguments for CONFIG SET - '{name:.40}'")
    elif _SETTINGS[name](client) != value:
        raise Refusal(f"ERR CONFIG SET failed - '{name}' is {_SETTINGS[name](client)!r} here and cannot be changed")


# commands


@command("command", -1, "", group="server", maps="the table of commands")
def _command(client: Client, args: list[bytes]) -> Any:
    """Tells of all commands: COUNT, DOCS, GETKEYS, INFO, LIST."""
    if len(args) == 1:
        return [_told(each) for each in COMMANDS.values()]
    word, names = args[1].lower(), args[2:]
    match word:
        case b"count" if not names:
            return len(COMMANDS)
        case b"list":
            return [each.encode() for each in COMMANDS]
        case b"info":
            found = [find(name) for name in names] if names else list(COMMANDS.values())
            return [None if each is None else _told(each) for each in found]
        case b"docs":
            documented = [find(name) for name in names] if names else list(COMMANDS.values())
            return {each.name: _docs(each) for each in documented if each is not None}
        case b"getkeys" if names:
            return _getkeys(names)
    raise Refusal(f"ERR unknown subcommand '{word.decode('latin-1'):.40}'. Try COMMAND HELP.")


def _told(each: Command) -> list[Any]:
    flags = {Simple(flag) for flag in each.flags - {"slow", "alone", "nomulti", "namespace"}}
    return [each.name, each.arity, flags, *each.keys, {Simple(f"@{each.group}")}, [], [], []]


def _docs(each: Command) -> dict[str, Any]:
    return {"summary": each.summary, "since": "1.0.0", "group": each.group.replace("_", "-")}


def _getkeys(words: list[bytes]) -> Any:
    found = find(words[0])
    if found is None:
        raise Refusal("ERR Invalid command specified")
    if not found.fits(len(words)):
        raise Refusal("ERR Invalid number of arguments specified for command")
    keys = keys_in(found, words)
    if not keys:
        raise Refusal("ERR The command has no key arguments")
    return keys


# what is empty here


@command("slowlog", -2, "", group="server")
def _slowlog(client: Client, args: list[bytes]) -> Any:
    """Tells nothing: there is no log of slow commands."""
    return {b"get": [], b"len": 0, b"reset": OK}.get(args[1].lower(), Failed(SYNTAX))


@command("latency", -2, "", group="server")
def _latency(client: Client, args: list[bytes]) -> Any:
    """Tells nothing: latencies are not kept."""
    return {b"latest": [], b"history": [], b"reset": 0}.get(args[1].lower(), Failed(SYNTAX))


@command("module", -2, "", group="server")
def _module(client: Client, args: list[bytes]) -> Any:
    """Tells that there are no modules."""
    return [] if args[1].lower() == b"list" else Failed("ERR there are no modules here")


@command("acl", -2, "", group="server", maps="tokens")
def _acl(client: Client, args: list[bytes]) -> Any:
    """Tells who this is: WHOAMI. Tokens are made with crdtkv's own commands."""
    return b"default" if args[1].lower() == b"whoami" else Failed("ERR of ACL only WHOAMI is supported: use tokens")


@command("cluster", -2, "", group="cluster")
def _cluster(client: Client, args: list[bytes]) -> Any:
    """Tells that this is no Redis Cluster."""
    return Failed("ERR This instance has cluster support disabled")
