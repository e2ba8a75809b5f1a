"""Everything that can go wrong, as one tree.

Each error says what it is (`code`, which never changes), its HTTP `status`, and
what a client most needs to know of a store that loses connections: whether the
write happened (`happened`: "no", "yes" or "unknown"). The words are the
raiser's: the value that caused it in repr, what is allowed; `next_step` is the
usual way on. A conflict is no error (siblings are a value); nor is a bug (an
assert, in words). All of them are public, here; those that most callers need are in
`crdtkv` too. Each class is raised somewhere, or is a branch to catch.

CrdtkvError
    BadRequest                yours to fix
        KeyInvalid
        ValueInvalid
        TooLarge
        UnknownStrategy
        WrongOperation
        WrongType
        PatchInvalid
        PatternInvalid
        VersionInvalid
        RuleInvalid
        MergeFunctionInvalid
        CursorInvalid
        MessageInvalid
        NotAStore
        NamespaceInvalid
    Refused                   the state says no
        PreconditionFailed
        BaseTooOld
        BaseRequired
        Overflow
        QuotaExceeded
        TooManySiblings
        StrategyMismatch
        NotAMember
        MembershipConflict
        ClockAhead
        StoreClosed
        StoreLocked
        FormatTooNew
        NamespaceUnknown
        NamespaceExists
        NamespaceElsewhere
        TokenUnknown
        Unauthorized
        Forbidden
    Unavailable               try again
        BaseNotHere
        NotBackYet
        Overloaded
        StorageFailed
    Corrupt                   never should be
        ChainBroken
        DigestMismatch
        ChecksumFailed
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

__all__ = [
    "BadRequest", "BaseNotHere", "BaseRequired", "BaseTooOld", "ChainBroken", "ChecksumFailed", "ClockAhead",
    "Corrupt", "CrdtkvError", "CursorInvalid", "DigestMismatch", "Forbidden", "FormatTooNew", "Happened",
    "KeyInvalid", "MembershipConflict", "MergeFunctionInvalid", "MessageInvalid", "NamespaceElsewhere",
    "NamespaceExists", "NamespaceInvalid", "NamespaceUnknown", "NotAMember", "NotAStore", "NotBackYet", "Overflow",
    "Overloaded",
    "PatchInvalid", "PatternInvalid", "PreconditionFailed", "QuotaExceeded", "Refused", "RuleInvalid",
    "StorageFailed", "StoreClosed", "StoreLocked", "StrategyMismatch", "TokenUnknown", "TooLarge", "TooManySiblings",
    "Unauthorized", "Unavailable", "UnknownStrategy", "ValueInvalid", "VersionInvalid", "WrongOperation", "WrongType",
    "all_errors",
]  # fmt: skip

Happened = Literal["no", "yes", "unknown"]


class CrdtkvError(Exception):
    """Any error of crdtkv.

    >>> error = KeyInvalid("key is 513 bytes; at most 512")
    >>> error.code, error.status, error.happened, str(error)
    ('key-invalid', 400, 'no', 'key is 513 bytes; at most 512')
    """

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

    @property
    def message(self) -> str:
        """The words alone.

        >>> StoreClosed("the store of 'lhr' is closed; open it again").message
        "the store of 'lhr' is closed; open it again"
        """
        return str(self.args[0])


class BadRequest(CrdtkvError):
    """The request itself is wrong: the same request will fail again.

    >>> import crdtkv
    >>> try: crdtkv.open(colo="London")
    ... except BadRequest as error: error.code, error.happened, error.next_step
    ('bad-request', 'no', 'correct the request')
    """

    code = "bad-request"
    status = 400
    happened: Happened = "no"
    next_step = "correct the request"


class KeyInvalid(BadRequest):
    """Not a key: empty, too long, NUL or a lone surrogate in it."""

    code = "key-invalid"
    next_step = "use a key of 1 to 512 bytes of UTF-8 without NUL"


class ValueInvalid(BadRequest):
    """Not a value: NaN, a lone surrogate, a duplicate member, a type that JSON lacks, a number out of range."""

    code = "value-invalid"
    next_step = "correct the value that is named"


class TooLarge(BadRequest):
    """Beyond a limit of size."""

    code = "too-large"
    status = 413
    next_step = "split it over several keys or requests"


class UnknownStrategy(BadRequest):
    """No strategy of that name is registered."""

    code = "unknown-strategy"
    next_step = "name a registered strategy"


class WrongOperation(BadRequest):
    """The key's strategy has no such operation."""

    code = "wrong-operation"
    next_step = "use an operation of the key's strategy, or another key"


class WrongType(BadRequest):
    """The operation exists, and what it was given or found has the wrong type."""

    code = "wrong-type"
    next_step = "correct what the operation was given"


class PatchInvalid(BadRequest):
    """A patch that is malformed or does not apply to the document."""

    code = "patch-invalid"
    next_step = "read the document again and make the patch from it"


class PatternInvalid(BadRequest):
    """A glob or a regular expression that cannot be read."""

    code = "pattern-invalid"
    next_step = "correct the pattern at the place named"


class VersionInvalid(BadRequest):
    """A version that is malformed, of another key, or forged."""

    code = "version-invalid"
    next_step = "send a version as it was given to you for this key"


class RuleInvalid(BadRequest):
    """A rule that cannot stand."""

    code = "rule-invalid"
    next_step = "correct the rule"


class MergeFunctionInvalid(BadRequest):
    """A merge function that is missing, or that broke its contract."""

    code = "merge-function-invalid"
    next_step = "register a deterministic function f(base, mine, theirs) under that name at every colo"


class CursorInvalid(BadRequest):
    """A cursor that is malformed or belongs to another feed."""

    code = "cursor-invalid"
    next_step = "use a cursor that a page or a change gave you, or begin without one"


class MessageInvalid(BadRequest):
    """Bytes from the wire or the disk that were cut short, altered, or never ours."""

    code = "message-invalid"
    next_step = "send it again; if it fails again, compare the versions of both sides"


class NotAStore(BadRequest):
    """The file is something else: crdtkv did not make it."""

    code = "not-a-store"
    next_step = "name another file, or one that is not there yet"


class NamespaceInvalid(BadRequest):
    """Not what a namespace may be called, or not what may be done with this one."""

    code = "namespace-invalid"
    next_step = "choose another name"


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
    """Another process has the store open."""

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


def all_errors() -> list[type[CrdtkvError]]:
    """Every class of the tree in the order of the drawing, each parent before its children.

    >>> [error.code for error in all_errors()[:3]]
    ['crdtkv-error', 'bad-request', 'key-invalid']
    """

    def below(parent: type[CrdtkvError]) -> list[type[CrdtkvError]]:
        # Only this module's: a subclass that a user or a test made is not part of the tree.
        own = [child for child in parent.__subclasses__() if child.__module__ == __name__]
        return [parent, *(error for child in own for error in below(child))]

    return below(CrdtkvError)
