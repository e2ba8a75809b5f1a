"""What a write did, told to who asked for it; nothing of it that costs is made before it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mypy_extensions import mypyc_attr

from crdtkv.core.cells import Context
from crdtkv.core.fate import Fate
from crdtkv.core.versions import format_version, parse_version
from crdtkv.errors import BadRequest

__all__ = ["Receipt", "UNREAD"]

UNREAD: Final[Any] = object()
"""In the place of a value that is read when it is asked for."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Receipt:
    """What a write did: of which `key`, the `version` and `strategy` it has after it, and its `value` then.

    `value` (None: absent) of an operation on a part of the key is read when it is first asked for, so
    that an add to a large set costs an add. It is that of `version` even if the key has changed since;
    all writes of one transaction have one version. Raises BaseTooOld where that is not kept any more,
    StoreClosed, and BadRequest if its transaction was undone: then it has no version either.

    >>> import crdtkv
    >>> kv = crdtkv.open(":memory:", colo="lhr")
    >>> receipt = kv.set("tags").add("a")
    >>> _ = kv.set("tags").add("b")
    >>> receipt.value
    ['a']
    """

    # By hand: a frozen dataclass takes nine times as long to make, and each write makes one.
    __slots__ = ("_fate", "_key", "_read", "_said", "_strategy", "_text", "_value")

    def __init__(
        self, key: str, said: str | Context, strategy: str, fate: Fate, read: Callable[[], Any], value: Any = UNREAD
    ) -> None:
        self._key = key
        self._said = said
        self._text: str | None = None
        self._strategy = strategy
        self._fate = fate
        self._read = read
        self._value = value

    @property
    def key(self) -> str:
        """The key that was written. O(1).

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.put("a", 1).key
        'a'
        """
        return self._key

    @property
    def strategy(self) -> str:
        """The spec of the key's strategy after the write; empty if it is absent. O(1).

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> kv.put("a", 1, strategy="lww").strategy, kv.delete("a").strategy
        ('lww', '')
        """
        return self._strategy

    @property
    def _version(self) -> str:
        """As text: made of the key's context when it is first asked for."""
        if self._text is None:
            self._text = self._said if isinstance(self._said, str) else format_version(self._key, self._said)
        return self._text

    @property
    def version(self) -> str:
        """The key's version after the write. O(1). Raises BadRequest if its transaction was undone.

        >>> import crdtkv
        >>> kv = crdtkv.open(colo="lhr")
        >>> kv.put("a", 1).version == kv.get("a").version
        True
        """
        self._check()
        return self._version

    @property
    def _context(self) -> Context:
        """That version as data, for doors that tell what was seen. O(1)."""
        self._check()
        return self._said if not isinstance(self._said, str) else parse_version(self._key, self._said)

    @property
    def value(self) -> Any:
        """What the key shows at that version. O(n) when first asked for, then O(1).

        Raises BaseTooOld, StoreClosed, BadRequest if the write was undone.

        >>> import crdtkv; kv = crdtkv.open(colo="lhr")
        >>> receipt = kv.counter("n").add(2); _ = kv.counter("n").add(3)
        >>> receipt.value, kv["n"]
        (2, 5)
        """
        self._check()
        if self._value is UNREAD:
            self._value = self._read()
        return self._value

    def _check(self) -> None:
        if self._fate.undone:
            raise BadRequest(f"this write of {self.key!r} was undone with its transaction; it has no version")

    def __repr__(self) -> str:
        return f"Receipt(key={self.key!r}, version={self._version!r}, strategy={self.strategy!r})"
