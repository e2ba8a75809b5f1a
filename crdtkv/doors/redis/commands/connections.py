"""Of the connection itself: who comes, which namespace he uses, how he is answered."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from crdtkv.doors.redis.client import Client
from crdtkv.doors.redis.refusals import SYNTAX, Refusal, told, wrong_number
from crdtkv.doors.redis.replies import OK, PONG, SILENT, Failed, Raw
from crdtkv.doors.redis.table import command
from crdtkv.errors import CrdtkvError, NamespaceExists, NamespaceUnknown
from crdtkv.node.node import Node
from crdtkv.store.store import Store

__all__ = ["MAX_DATABASE", "VERSION", "database_of", "namespace_of"]

VERSION = "7.0.15"
"""The Redis that clients are told they talk to."""
MAX_DATABASE = 15
_LONGEST = 1024
"""Bytes of what a client says that it is called."""


def namespace_of(index: int) -> str:
    """The namespace that SELECT means by a number.

    >>> namespace_of(0), namespace_of(3)
    ('default', 'db3')
    """
    return f"db{index}" if index else "default"


def database_of(store: Store, node: Node) -> int:
    """The number by which SELECT means that namespace; 0 if by none."""
    for index in range(MAX_DATABASE + 1):
        with suppress(CrdtkvError):
            if node.store(namespace_of(index)) is store:
                return index
    return 0


@command("ping", -1, "fast", group="connection")
def _ping(client: Client, args: list[bytes]) -> Any:
    """Answers PONG, or the message that was sent."""
    if len(args) > 2:
        return wrong_number("ping")
    if client.protocol == 2 and client.listens:
        return [b"pong", args[1] if len(args) == 2 else b""]
    return args[1] if len(args) == 2 else PONG


@command("echo", 2, "fast", group="connection")
def _echo(client: Client, args: list[bytes]) -> Any:
    """Returns the given string."""
    return args[1]


@command("quit", -1, "fast", group="connection")
def _quit(client: Client, args: list[bytes]) -> Any:
    """Closes the connection."""
    client.closing = True
    return OK


@command("reset", 1, "fast", group="connection")
def _reset(client: Client, args: list[bytes]) -> Any:
    """Resets the connection to what it was as it was made."""
    client.reset()
    return Raw(b"+RESET\r\n")


@command("hello", -1, "fast", group="connection")
def _hello(client: Client, args: list[bytes]) -> Any:
    """Agrees on the protocol, and says what this server is."""
    protocol, at = client.protocol, 2
    if len(args) > 1:
        if not args[1].isdigit():
            raise Refusal("ERR Protocol version is not an integer or out of range")
        protocol = int(args[1])
        if protocol not in (2, 3):
            raise Refusal("NOPROTO unsupported protocol version")
    name: bytes | None = None
    while at < len(args):
        option = args[at].lower()
        if option == b"auth" and at + 2 < len(args):
            _log_in(client, args[at + 2])
            at += 3
        elif option == b"setname" and at + 1 < len(args):
            name = _checked_name(args[at + 1])
            at += 2
        else:
            raise Refusal(f"ERR Syntax error in HELLO option '{args[at].decode('utf-8', 'replace'):.40}'")
    if client.door.node.guarded and client.token is None:
        raise Refusal(
            "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO <proto> AUTH "
            "<user> <pass> option can be used to authenticate the client and select the RESP protocol version at the "
            "same time"
        )
    client.protocol = protocol
    if name is not None:
        client.name = name
    return {
        "server": b"redis", "version": VERSION, "proto": protocol, "id": client.id, "mode": b"standalone",
        "role": b"master", "modules": [],
    }  # fmt: skip


@command("auth", -2, "fast", group="connection", maps="a token")
def _auth(client: Client, args: list[bytes]) -> Any:
    """Says who comes: the last word is a token, a user's name before it is not looked at."""
    if len(args) > 3:
        raise Refusal(SYNTAX)
    if not client.door.node.guarded:
        raise Refusal(
            "ERR AUTH <password> called without any password configured for the default user. Are you sure your "
            "configuration is correct?"
        )
    _log_in(client, args[-1])
    return OK


def _log_in(client: Client, word: bytes) -> None:
    """Raises Refusal where it is no token that is good here."""
    if not client.door.node.guarded:
        return
    try:
        client.door.node.tokens.known(word.decode("utf-8", "replace"))
    except CrdtkvError:
        raise Refusal("WRONGPASS invalid username-password pair or user is disabled.") from None
    client.token = word.decode()
    client.connection.limit()


@command("select", 2, "fast nomulti", group="connection", maps="a namespace")
def _select(client: Client, args: list[bytes]) -> Any:
    """Chooses the namespace: 0 is default, 1 to 15 db1 to db15, made when first chosen; or one by its name."""
    word = args[1].decode("utf-8", "replace")
    number = word.removeprefix("-").isdigit()
    index = int(word) if number and len(word) < 10 else 0
    if number and not 0 <= index <= MAX_DATABASE:
        raise Refusal("ERR DB index is out of range")
    name = namespace_of(index) if number else word
    door = client.door
    try:
        client.place, client.database = door.place(name), index
    except NamespaceUnknown:
        if not number:
            raise
        return _make(client, name, index)
    return OK


async def _make(client: Client, name: str, index: int) -> Any:
    """A namespace that nobody has chosen yet."""
    door = client.door
    try:
        if door.node.guarded:
            door.node.authorize(client.token, "admin")
        try:
            await door.serving.slow(door.node.create, name)
        except NamespaceExists:  # another has just made it
            await asyncio.sleep(0)
        client.place, client.database = door.place(name), index
    except CrdtkvError as error:
        return told(error)
    return OK


@command("client", -2, "", group="connection")
def _client(client: Client, args: list[bytes]) -> Any:
    """Asks and says things of the connection: ID, INFO, LIST, GETNAME, SETNAME, SETINFO, REPLY, NO-EVICT, KILL, ..."""
    word = args[1].decode("latin-1").lower()
    run = _CLIENT.get(word)
    if run is None:
        raise Refusal(f"ERR unknown subcommand '{word:.40}'. Try CLIENT HELP.")
    if word in ("kill", "unblock") and client.door.node.guarded:
        client.door.node.authorize(client.token, "admin")
    low, high = run[1]
    if not low <= len(args) <= high:
        return wrong_number(f"client|{word}")
    return run[0](client, args)


def _checked_name(name: bytes) -> bytes:
    if len(name) > _LONGEST or any(not 0x21 <= each <= 0x7E for each in name):
        raise Refusal("ERR Client names cannot contain spaces, newlines or special characters.")
    return name


def _set_name(client: Client, args: list[bytes]) -> Any:
    client.name = _checked_name(args[2])
    return OK


def _set_info(client: Client, args: list[bytes]) -> Any:
    what = args[2].lower()
    if what not in (b"lib-name", b"lib-ver"):
        raise Refusal(f"ERR Unrecognized option '{what.decode('latin-1'):.40}'")
    if len(args[3]) > _LONGEST or any(not 0x21 <= each <= 0x7E for each in args[3]):
        name = what.decode()
        raise Refusal(f"ERR {name} cannot contain spaces, newlines or special characters.")
    library, version = client.library
    client.library = (args[3], version) if what == b"lib-name" else (library, args[3])
    return OK


def _reply(client: Client, args: list[bytes]) -> Any:
    mode = args[2].lower()
    if mode == b"on":
        client.replies = "on"
        return OK
    if mode not in (b"off", b"skip"):
        raise Refusal(SYNTAX)
    client.replies = mode.decode()
    return SILENT


def _switch(client: Client, args: list[bytes]) -> Any:
    word = args[2].lower()
    if word not in (b"on", b"off"):
        raise Refusal(SYNTAX)
    if args[1].lower() == b"no-evict":
        client.no_evict = word == b"on"
    else:
        client.no_touch = word == b"on"
    return OK


def _list(client: Client, args: list[bytes]) -> Any:
    clients = list(client.door.clients.values())
    at = 2
    while at < len(args):
        option = args[at].lower()
        if option == b"type" and at + 1 < len(args):
            kind = args[at + 1].lower()
            if kind not in (b"normal", b"pubsub", b"master", b"replica", b"slave"):
                raise Refusal(f"ERR Unknown client type '{kind.decode('latin-1'):.40}'")
            clients = [c for c in clients if kind in (b"normal", b"pubsub") and c.listens == (kind == b"pubsub")]
            at += 2
        elif option == b"id" and at + 1 < len(args):
            if not all(each.isdigit() for each in args[at + 1 :]):
                raise Refusal("ERR Invalid client ID")
            ids = {int(each) for each in args[at + 1 :]}
            clients = [c for c in clients if c.id in ids]
            break
        else:
            raise Refusal(SYNTAX)
    return "".join(each.line() + "\n" for each in clients)


def _kill(client: Client, args: list[bytes]) -> Any:
    clients = list(client.door.clients.values())
    if len(args) == 3:
        address = args[2].decode("latin-1")
        found = [each for each in clients if each.address == address]
        if not found:
            raise Refusal("ERR No such client")
        _end(client, found)
        return OK
    wanted, skip_me = clients, True
    if len(args) % 2:
        raise Refusal(SYNTAX)
    for option, word in zip(args[2::2], args[3::2], strict=True):
        text = word.decode("latin-1").lower()
        match option.lower():
            case b"id":
                if not text.isdigit() or int(text) < 1:
                    raise Refusal("ERR client-id should be greater than 0")
                wanted = [each for each in wanted if each.id == int(text)]
            case b"addr":
                wanted = [each for each in wanted if each.address == text]
            case b"type":
                wanted = [each for each in wanted if each.listens == (text == "pubsub")]
            case b"skipme":
                skip_me = text == "yes"
            case b"laddr" | b"user":
                pass
            case _:
                raise Refusal(SYNTAX)
    wanted = [each for each in wanted if each is not client or not skip_me]
    _end(client, wanted)
    return len(wanted)


def _end(client: Client, clients: list[Client]) -> None:
    for each in clients:
        if each is client:
            client.closing = True
        else:
            each.connection.transport.close()


_HELP = (
    "CLIENT <subcommand> [<arg> ...]. Subcommands are:", "GETNAME, ID, INFO, KILL, LIST, NO-EVICT, NO-TOUCH, REPLY,",
    "SETINFO, SETNAME, UNPAUSE",
)  # fmt: skip

_CLIENT: dict[str, tuple[Any, tuple[int, int]]] = {
    "id": (lambda client, _: client.id, (2, 2)),
    "getname": (lambda client, _: client.name or None, (2, 2)),
    "setname": (_set_name, (3, 3)),
    "setinfo": (_set_info, (4, 4)),
    "info": (lambda client, _: client.line() + "\n", (2, 2)),
    "list": (_list, (2, 1000)),
    "kill": (_kill, (3, 1000)),
    "reply": (_reply, (3, 3)),
    "no-evict": (_switch, (3, 3)),
    "no-touch": (_switch, (3, 3)),
    "getredir": (lambda client, _: -1, (2, 2)),
    "unpause": (lambda client, _: OK, (2, 2)),
    "trackinginfo": (
        lambda client, _: {"flags": {b"off"}, "redirect": -1, "prefixes": []}, (2, 2)
    ),
    "maint_notifications": (
        lambda client, _: Failed("ERR maintenance notifications are not told here"), (2, 1000)
    ),
    "tracking": (lambda client, _: Failed("ERR client tracking is not supported"), (2, 1000)),
    "caching": (lambda client, _: Failed("ERR client tracking is not supported"), (2, 1000)),
    "pause": (lambda client, _: Failed("ERR CLIENT PAUSE is not supported"), (2, 1000)),
    "unblock": (lambda client, args: client.door.unblock(args), (3, 4)),
    "help": (lambda client, _: list(map(str.encode, _HELP)), (2, 2)),
}  # fmt: skip
