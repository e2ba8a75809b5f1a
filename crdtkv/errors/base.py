"""What every error says: its code, its status, whether it happened, what to do next."""

from __future__ import annotations

from typing import ClassVar, Literal

__all__ = ["CrdtkvError", "Happened"]

Happened = Literal["no", "yes", "unknown"]


class CrdtkvError(Exception):
    """Any error of crdtkv.

    >>> from crdtkv.errors import KeyInvalid
    >>> error = KeyInvalid("key is 513 bytes; at most 512")
    >>> error.code, error.status, error.happened, str(error)
    ('key-invalid', 400, 'no', 'key is 513 bytes; at most 512')
    """

    __module__ = "crdtkv.errors"
    code: ClassVar[str] = "crdtkv-error"
    status: ClassVar[int] = 500
    happened: Happened = "unknown"
    next_step: str = ""

    def __init__(self, message: str, *, happened: Happened | None = None, next_step: str | None = None) -> None:
        super().__init__(message)
        if happened is not None:
            self.happened = happened
        if next_step is not None:
            self.next_step = next_step

    def __init_subclass__(cls) -> None:
        if cls.__module__.startswith("crdtkv.errors."):
            cls.__module__ = "crdtkv.errors"  # from where it is imported: a traceback names no room of ours

    @property
    def message(self) -> str:
        """The words alone.

        >>> from crdtkv.errors import StoreClosed
        >>> StoreClosed("the store of 'lhr' is closed; open it again").message
        "the store of 'lhr' is closed; open it again"
        """
        return str(self.args[0])
