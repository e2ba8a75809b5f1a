"""What may do if it is tried again: something has not arrived, is at work, or a disk failed.

Rule: nothing was written, but for a disk that failed in mid-commit, of which nobody knows.
"""

from __future__ import annotations

from crdtkv.errors.base import CrdtkvError, Happened

__all__ = [
    "BaseNotHere", "NotBackYet", "Overloaded", "StorageFailed", "Unavailable",
]  # fmt: skip


class Unavailable(CrdtkvError):
    """Not now: the same request may succeed later.

    >>> issubclass(BaseNotHere, Unavailable), Unavailable.next_step
    (True, 'try again')
    """

    code = "unavailable"
    status = 503
    happened: Happened = "no"
    next_step = "try again"


class BaseNotHere(Unavailable):
    """The base, or the session, names writes that have not arrived here yet.

    >>> import crdtkv
    >>> lhr, sin = crdtkv.open(colo="lhr"), crdtkv.open(colo="sin")
    >>> _ = lhr.sync(sin)
    >>> version = lhr.put("k", 1).version
    >>> try: sin.get("k", at=version)
    ... except BaseNotHere as error: error.happened
    'no'
    >>> _ = lhr.sync(sin)
    >>> sin.get("k", at=version).value
    1
    """

    code = "base-not-here"
    next_step = "try again shortly, or at the colo that gave you the version"


class NotBackYet(Unavailable):
    """A copy that was put back in the place of a store: it writes once a member has taken it back.

    A colo that is served meets one by itself, as a rule within seconds.
    """

    code = "not-back-yet"
    next_step = "sync with a member, to return; then try again"


class Overloaded(Unavailable):
    """More is asked for than can be kept waiting."""

    code = "overloaded"
    next_step = "wait until some of it is done, then try again"


class StorageFailed(Unavailable):
    """The disk failed, or is full. In mid-commit the write may or may not survive."""

    code = "storage-failed"
    happened: Happened = "unknown"
    next_step = "open the store again, and read the key to learn whether the write is there"
