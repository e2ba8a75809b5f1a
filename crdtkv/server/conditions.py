"""HTTP's preconditions (RFC 9110), asked in the transaction that they are for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from crdtkv.errors import PreconditionFailed, VersionInvalid
from crdtkv.http.names import version_of
from crdtkv.server.asking import Ask
from crdtkv.store import door

if TYPE_CHECKING:
    from crdtkv.store.operations import Operations

__all__ = ["Condition", "check", "condition_of", "only_version", "tags_of"]

Condition = Callable[["Operations"], None]


def tags_of(text: str) -> list[str]:
    """The versions in If-Match or If-None-Match; `*` by itself. Raises VersionInvalid.

    >>> tags_of('"a", W/"b"'), tags_of("*")
    (['a', 'b'], ['*'])
    """
    if text.strip() == "*":
        return ["*"]
    return [version_of(tag.strip().removeprefix("W/")) for tag in text.split(",")]


def condition_of(ask: Ask) -> Condition | None:
    """What must hold before a write, by its headers; None: nothing. Raises VersionInvalid."""
    headers = ask.headers
    wanted, unwanted = headers.get(b"if-match"), headers.get(b"if-none-match")
    if wanted is None and unwanted is None:
        return None
    ins = None if wanted is None else tags_of(ask.header("if-match") or "")
    outs = None if unwanted is None else tags_of(ask.header("if-none-match") or "")
    return lambda t: check(t, ask.key, ins, outs)


def check(t: Operations, key: str, ins: list[str] | None, outs: list[str] | None) -> None:
    """Raises PreconditionFailed, with the version that is here, unless it is among `ins` and not among `outs`."""
    version = door.version(t, key)
    if ins is not None and (version is None or (ins != ["*"] and version not in ins)):
        raise _failed(key, version, "any version" if ins == ["*"] else _one_of(ins))
    if outs is not None and version is not None and (outs == ["*"] or version in outs):
        raise _failed(key, version, "none" if outs == ["*"] else f"another than {_one_of(outs)}")


def only_version(ask: Ask) -> Any:
    """`if_version` as a store takes it, Ellipsis where the headers ask for nothing. Raises VersionInvalid for more.

    For a write with an idempotency key: done again it is not asked whether the key is still where it was.
    """
    wanted, unwanted = ask.header("if-match"), ask.header("if-none-match")
    if unwanted is None and wanted is not None and wanted.strip() != "*":
        return version_of(wanted)
    if wanted is None and unwanted is not None and unwanted.strip() == "*":
        return None
    if wanted is None and unwanted is None:
        return ...
    raise VersionInvalid("with an idempotency key, If-Match names one version, or If-None-Match is *")


def _failed(key: str, version: str | None, wanted: str) -> PreconditionFailed:
    stands = f"there is no {key!r}" if version is None else f"{key!r} is at version {version!r}"
    return PreconditionFailed(f"{stands}; {wanted} was wanted", version=version or "")


def _one_of(versions: list[str]) -> str:
    return " or ".join(map(repr, versions))[:200]
