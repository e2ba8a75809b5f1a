"""What a namespace may be called, and whom a name stands for.

Law of this room: data belongs to an id, which is made once and never again; a name is
what people say, and may be said of two. Of those it stands for the one made first, and
whoever knows the same namespaces says so too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from crdtkv.core.show import show
from crdtkv.errors import NamespaceInvalid

__all__ = [
    "DEFAULT_ID", "DEFAULT_NAME", "MAX_NAME", "MAX_NAMESPACES", "RESERVED", "SYSTEM_ID", "Namespace", "check_name",
    "is_id", "is_name", "resolved",
]  # fmt: skip

MAX_NAME = 64
MAX_NAMESPACES = 1_000
"""Of a cluster, living ones: each is a file, and a conversation with every peer."""

DEFAULT_ID = "~default"
DEFAULT_NAME = "default"
SYSTEM_ID = "~system"

RESERVED = frozenset({
    "backup", "cluster", "console", "docs", "gossip", "health", "healthz", "members", "metrics", "namespaces",
    "openapi", "readyz", "status", "system", "tokens",
})  # fmt: skip
"""What stands, or may stand, in the place of a namespace's name in a URL."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_ID = re.compile(r"~[a-z0-9]{1,32}")


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace, as this colo knows it.

    `name` stands for the namespace `stands_for`, which is this one unless another of that name was
    made before. `created`: milliseconds since 1970, 0 for the default one. `colos`: those that hold
    it, None: all but those in `without`. `leaving`: those of them that it is being taken off. `hosted`: whether
    this colo serves it. `deleted`: it is gone for ever. `founder`: the colo that created it.

    >>> shop = Namespace("~a1", "shop", 1, None, True)
    >>> shop.name, shop.duplicate
    ('shop', False)
    """

    id: str
    name: str
    created: int
    colos: tuple[str, ...] | None
    hosted: bool
    deleted: bool = False
    stands_for: str = ""
    founder: str = ""
    without: tuple[str, ...] = ()
    leaving: tuple[str, ...] = ()
    again: bool = False
    """Whether it was put back on this colo after it had been taken off."""

    def held_by(self, colo: str) -> bool:
        """Whether that colo has it, be it still; a colo that nobody has heard of may be told to. O(colos).

        >>> Namespace("~a1", "shop", 1, None, True, without=("sin",)).held_by("sin")
        False
        """
        return not self.deleted and (colo not in self.without if self.colos is None else colo in self.colos)

    @property
    def duplicate(self) -> bool:
        """Whether its name stands for another, so that it is reached by its id."""
        return self.stands_for not in ("", self.id)


def is_name(text: object) -> bool:
    """Whether a namespace may be called so.

    >>> is_name("shop-7"), is_name("~shop"), is_name("status")
    (True, False, False)
    """
    return isinstance(text, str) and _NAME.fullmatch(text) is not None and text.lower() not in RESERVED


def check_name(name: object) -> str:
    """`name`, if a namespace may be called so. Raises NamespaceInvalid.

    >>> check_name("a/b")
    Traceback (most recent call last):
    crdtkv.errors.NamespaceInvalid: namespace 'a/b': 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-' are allowed, the first a letter or digit
    """  # noqa: E501
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise NamespaceInvalid(
            f"namespace {show(name)}: 1 to {MAX_NAME} of A-Z, a-z, 0-9, '.', '_' and '-' are allowed, "
            "the first a letter or digit"
        )
    if name.lower() in RESERVED:
        raise NamespaceInvalid(f"namespace {name!r} is a word of the HTTP interface; reserved are {sorted(RESERVED)}")
    return name


def is_id(text: object) -> bool:
    """Whether `text` is written as the id of a namespace.

    >>> is_id("~default"), is_id("default")
    (True, False)
    """
    return isinstance(text, str) and _ID.fullmatch(text) is not None


def resolved(found: Iterable[Namespace]) -> dict[str, str]:
    """Name -> the id it stands for: of the living ones of that name the one made first, on a tie the lesser id. O(n).

    >>> resolved([Namespace("~b", "shop", 7, None, True), Namespace("~a", "shop", 9, None, True)])
    {'shop': '~b'}
    """
    first: dict[str, tuple[int, str]] = {}
    for each in found:
        if each.name and not each.deleted:
            made = (each.created, each.id)
            first[each.name] = min(first.get(each.name, made), made)
    return {name: id for name, (_, id) in first.items()}
