"""What the state says no to: the request is well formed, and another time, or elsewhere, it may do.

Rule: nothing was written; where the state can be told, the error tells it.
"""

from __future__ import annotations

from typing import Any

from crdtkv.errors.base import CrdtkvError, Happened

__all__ = [
    "BaseRequired", "BaseTooOld", "ClockAhead", "Forbidden", "FormatTooNew", "MembershipConflict", "NamespaceElsewhere",
    "NamespaceExists", "NamespaceUnknown", "NotAMember", "Overflow", "PatchTestFailed", "PreconditionFailed",
    "QuotaExceeded", "Refused", "StoreClosed", "StoreLocked", "StrategyMismatch", "TokenUnknown", "TooManySiblings",
    "Unauthorized",
]  # fmt: skip


class Refused(CrdtkvError):
    """The request is well formed, and the state says no. Nothing was written.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> _ = kv.put("hits", 2**63 - 1, strategy="counter")
    >>> try: kv.counter("hits").add(1)
    ... except Refused as error: type(error).__name__, error.status, error.next_step
    ('Overflow', 409, 'add less, or reset the counter')
    """

    code = "refused"
    status = 409
    happened: Happened = "no"
    next_step = "read again and decide anew"


class PreconditionFailed(Refused):
    """The key is not at the version the write was conditioned on; `version` is the one it is at.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> at = kv.put("k", 1).version
    >>> try: kv.put("k", 2, if_version=None)
    ... except PreconditionFailed as error: error.version == at, kv["k"]
    (True, 1)
    """

    code = "precondition-failed"
    status = 412
    next_step = "read the key again and repeat the edit on what you find"

    def __init__(self, message: str, *, version: str = "") -> None:
        super().__init__(message)
        self.version = version


class PatchTestFailed(Refused):
    """A `test` of a JSON patch (RFC 6902) does not hold: the document is another than the patch was made for.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr")
    >>> _ = kv.put("k", {"n": 1})
    >>> try: kv.patch("k", [{"op": "test", "path": "/n", "value": 2}, {"op": "remove", "path": "/n"}])
    ... except PatchTestFailed as error: error.status, kv["k"]
    (409, {'n': 1})
    """

    code = "patch-test-failed"
    next_step = "read the document again and make the patch from it"


class BaseTooOld(Refused):
    """The base, or the version asked for, can no longer be rebuilt.

    `version` and `value` are the key's current ones.

    >>> import crdtkv
    >>> kv = crdtkv.open(colo="lhr", history=False)
    >>> old = kv.put("l", ["a"]).version
    >>> now = kv.put("l", ["b"]).version
    >>> try: kv.put("l", ["a", "c"], base=old)
    ... except BaseTooOld as error: error.value, error.version == now
    (['b'], True)
    """

    code = "base-too-old"
    next_step = "read it again, and repeat the edit on what you find"

    def __init__(self, message: str, *, version: str = "", value: Any = None) -> None:
        super().__init__(message)
        self.version = version
        self.value = value


class BaseRequired(Refused):
    """A rule says that writes of this key must carry the version they were made against."""

    code = "base-required"
    status = 428
    next_step = "read the key and send its version as the base"


class Overflow(Refused):
    """A counter would leave 64 bits."""

    code = "overflow"
    next_step = "add less, or reset the counter"


class QuotaExceeded(Refused):
    """The store is as large as it may be. Reads and deletes go on, and so does what other colos wrote."""

    code = "quota-exceeded"
    status = 507
    next_step = (
        "delete something and compact (what a rule's keep_hours keeps of the past counts until then), "
        "or open the store with a larger quota_mb"
    )


class TooManySiblings(Refused):
    """More concurrent values stand than one more may join."""

    code = "too-many-siblings"
    next_step = "read the key again and put one value in place of its siblings"


class StrategyMismatch(Refused):
    """The key is kept under another strategy than the request takes for granted."""

    code = "strategy-mismatch"
    next_step = "use the key's own strategy, or migrate the key"


class NotAMember(Refused):
    """The replica is not, or no longer, a member of the namespace."""

    code = "not-a-member"
    status = 403
    next_step = "sync with a member, to join or to return"


class MembershipConflict(Refused):
    """Two halves have each changed the membership."""

    code = "membership-conflict"
    next_step = "let an operator decide: forks shows what stands, resolve takes the link that holds"


class ClockAhead(Refused):
    """This colo's clock runs too far ahead of its peers' to write by."""

    code = "clock-ahead"
    status = 503
    next_step = "mend the clock, or write at another colo"


class StoreClosed(Refused):
    """The store has been closed."""

    code = "store-closed"
    status = 503
    next_step = "open the store again"


class StoreLocked(Refused):
    """The store is open already, in another process or in this one."""

    code = "store-locked"
    status = 503
    next_step = "close the other process, or reach the store through it"


class FormatTooNew(Refused):
    """The file or the message was written by a newer crdtkv."""

    code = "format-too-new"
    status = 503
    next_step = "upgrade this side"


class NamespaceUnknown(Refused):
    """There is no such namespace here, or not any more."""

    code = "namespace-unknown"
    status = 404
    next_step = "create it, or list the namespaces that there are"


class NamespaceExists(Refused):
    """There is a namespace of that name already."""

    code = "namespace-exists"
    next_step = "use the one that is there, or choose another name"


class NamespaceElsewhere(Refused):
    """The namespace is held by other colos only."""

    code = "namespace-elsewhere"
    status = 421
    next_step = "ask a colo that holds it, or let this one hold it too"


class TokenUnknown(Refused):
    """There is no such token, or it was revoked."""

    code = "token-unknown"
    status = 404
    next_step = "list the tokens that there are"


class Unauthorized(Refused):
    """No token was sent, or none that is good here."""

    code = "unauthorized"
    status = 401
    next_step = "send a token that is good here"


class Forbidden(Refused):
    """The token is good, and this is not among what it may."""

    code = "forbidden"
    status = 403
    next_step = "use a token with that scope"
