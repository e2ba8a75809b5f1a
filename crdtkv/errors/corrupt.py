"""What never should be: a bug, or bits that changed by themselves.

Rule: nothing that is found so is taken in, or told to another colo.
"""

from __future__ import annotations

from crdtkv.errors.base import CrdtkvError, Happened

__all__ = [
    "ChainBroken", "ChecksumFailed", "Corrupt", "DigestMismatch",
]  # fmt: skip


class Corrupt(CrdtkvError):
    """Never should be: a bug, or bits that changed by themselves.

    >>> [error.__name__ for error in all_errors() if issubclass(error, Corrupt)]
    ['Corrupt', 'ChainBroken', 'DigestMismatch', 'ChecksumFailed']
    """

    code = "corrupt"
    status = 500
    happened: Happened = "unknown"
    next_step = "run check, and report it"


class ChainBroken(Corrupt):
    """A record does not follow from the record before it of the same origin. It was not absorbed."""

    code = "chain-broken"
    happened: Happened = "no"


class DigestMismatch(Corrupt):
    """What a colo sent is not all of what it says that it has, or not only that. Nothing of it was taken."""

    code = "digest-mismatch"
    happened: Happened = "no"
    next_step = "run check at both; move the file that it finds wrong away, and join again from another member"


class ChecksumFailed(Corrupt):
    """Stored bytes are not those that were written."""

    code = "checksum-failed"
    happened: Happened = "no"
    next_step = "restore the file from a backup, or move it away and join again from a peer"
