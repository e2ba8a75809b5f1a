"""Scripts: those three by which redis-py holds a lock, known by their SHA1. There is no Lua here.

A lock is of this colo: another may give it to somebody else at the same time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from crdtkv.doors.redis.arguments import int_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.client import Client
from crdtkv.doors.redis.kinds import string_of
from crdtkv.doors.redis.refusals import NOT_INT, SYNTAX, Refusal
from crdtkv.doors.redis.replies import OK
from crdtkv.doors.redis.table import command

__all__ = ["SCRIPTS"]

_LOCKS = "holds a lock at this colo: another may give it to somebody else"
_NONE = "NOSCRIPT No matching script. Please use EVAL."


def _holds(at: At, keys: list[str], words: list[bytes]) -> bool:
    if len(keys) != 1 or not words:
        raise Refusal("ERR a lock's script takes a key and its token")
    return string_of(at.shown(keys[0])) == words[0]


def _release(at: At, keys: list[str], words: list[bytes]) -> Any:
    if not _holds(at, keys, words):
        return 0
    at.delete(keys[0])
    at.note("del", keys[0])
    return 1


def _extend(at: At, keys: list[str], words: list[bytes]) -> Any:
    if not _holds(at, keys, words):
        return 0
    date = at.expires(keys[0])
    if date is None or len(words) != 3:
        return 0
    begin = date if words[2] == b"0" else at.now_ms
    at.expire(keys[0], begin + _milliseconds(words[1]))
    return 1


def _reacquire(at: At, keys: list[str], words: list[bytes]) -> Any:
    if not _holds(at, keys, words) or len(words) != 2:
        return 0
    at.expire(keys[0], at.now_ms + _milliseconds(words[1]))
    return 1


def _milliseconds(word: bytes) -> int:
    # As Lua's numbers: redis-py sends whole ones, and perhaps with a point.
    return int_of(word.partition(b".")[0])


SCRIPTS: dict[str, Callable[[At, list[str], list[bytes]], Any]] = {
    "c3f8721cbb97f72bc19e972846bd7aaf91901658": _release,
    "a4e8783852e6b949f9ef3a97212805108459a890": _extend,
    "1cac51482acf5858da00f6d685d68f886cd6b6b2": _reacquire,
}
"""What is done in the place of a script, by its SHA1."""


def _sha(text: bytes) -> str:
    return hashlib.sha1(text, usedforsecurity=False).hexdigest()


def _evaluated(at: At, sha: str, args: list[bytes], missing: str) -> Any:
    number = int_of(args[2], NOT_INT)
    if number < 0:
        raise Refusal("ERR Number of keys can't be negative")
    if number > len(args) - 3:
        raise Refusal("ERR Number of keys can't be greater than number of args")
    run = SCRIPTS.get(sha)
    if run is None:
        raise Refusal(missing)
    return run(at, [key_of(name) for name in args[3 : 3 + number]], args[3 + number :])


@command("evalsha", -3, "write noscript", group="scripting", local=_LOCKS, maps="redis-py's locks")
def _evalsha(at: At, args: list[bytes]) -> Any:
    """Runs a script by its SHA1: one of those by which redis-py holds locks."""
    return _evaluated(at, args[1].decode("latin-1").lower(), args, _NONE)


@command("eval", -3, "write noscript", group="scripting", local=_LOCKS, maps="redis-py's locks")
def _eval(at: At, args: list[bytes]) -> Any:
    """Runs a script: one of those by which redis-py holds locks."""
    return _evaluated(at, _sha(args[1]), args, "ERR there is no Lua here: of scripts only redis-py's locks are known")


@command("script", -2, "noscript", group="scripting", maps="redis-py's locks")
def _script(client: Client, args: list[bytes]) -> Any:
    """Tells of scripts: LOAD, EXISTS, FLUSH."""
    word = args[1].lower()
    if word == b"load" and len(args) == 3:
        sha = _sha(args[2])
        if sha not in SCRIPTS:
            raise Refusal("ERR there is no Lua here: of scripts only redis-py's locks are known")
        return sha.encode()
    if word == b"exists" and len(args) > 2:
        return [int(each.decode("latin-1").lower() in SCRIPTS) for each in args[2:]]
    if word == b"flush" and len(args) <= 3:
        return OK
    if word in (b"load", b"exists", b"flush"):
        raise Refusal(SYNTAX)
    raise Refusal(f"ERR unknown subcommand '{word.decode('latin-1'):.40}'. Try SCRIPT HELP.")
