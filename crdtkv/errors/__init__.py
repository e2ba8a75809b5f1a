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
        PatchTestFailed
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

from crdtkv.errors.bad_request import (
    BadRequest,
    CursorInvalid,
    KeyInvalid,
    MergeFunctionInvalid,
    MessageInvalid,
    NamespaceInvalid,
    NotAStore,
    PatchInvalid,
    PatternInvalid,
    RuleInvalid,
    TooLarge,
    UnknownStrategy,
    ValueInvalid,
    VersionInvalid,
    WrongOperation,
    WrongType,
)
from crdtkv.errors.base import CrdtkvError, Happened
from crdtkv.errors.corrupt import ChainBroken, ChecksumFailed, Corrupt, DigestMismatch
from crdtkv.errors.refused import (
    BaseRequired,
    BaseTooOld,
    ClockAhead,
    Forbidden,
    FormatTooNew,
    MembershipConflict,
    NamespaceElsewhere,
    NamespaceExists,
    NamespaceUnknown,
    NotAMember,
    Overflow,
    PatchTestFailed,
    PreconditionFailed,
    QuotaExceeded,
    Refused,
    StoreClosed,
    StoreLocked,
    StrategyMismatch,
    TokenUnknown,
    TooManySiblings,
    Unauthorized,
)
from crdtkv.errors.unavailable import BaseNotHere, NotBackYet, Overloaded, StorageFailed, Unavailable

__all__ = [
    "BadRequest", "BaseNotHere", "BaseRequired", "BaseTooOld", "ChainBroken", "ChecksumFailed", "ClockAhead", "Corrupt",
    "CrdtkvError", "CursorInvalid", "DigestMismatch", "Forbidden", "FormatTooNew", "Happened", "KeyInvalid",
    "MembershipConflict", "MergeFunctionInvalid", "MessageInvalid", "NamespaceElsewhere", "NamespaceExists",
    "NamespaceInvalid", "NamespaceUnknown", "NotAMember", "NotAStore", "NotBackYet", "Overflow", "Overloaded",
    "PatchInvalid", "PatchTestFailed", "PatternInvalid", "PreconditionFailed", "QuotaExceeded", "Refused",
    "RuleInvalid", "StorageFailed", "StoreClosed", "StoreLocked", "StrategyMismatch", "TokenUnknown", "TooLarge",
    "TooManySiblings", "Unauthorized", "Unavailable", "UnknownStrategy", "ValueInvalid", "VersionInvalid",
    "WrongOperation", "WrongType",
    "all_errors",
]  # fmt: skip


def all_errors() -> list[type[CrdtkvError]]:
    """Every class of the tree in the order of the drawing, each parent before its children.

    >>> [error.code for error in all_errors()[:3]]
    ['crdtkv-error', 'bad-request', 'key-invalid']
    """

    def below(parent: type[CrdtkvError]) -> list[type[CrdtkvError]]:
        # Only this package's: a subclass that a user or a test made is not part of the tree.
        own = [child for child in parent.__subclasses__() if child.__module__ == __name__]
        return [parent, *(error for child in own for error in below(child))]

    return [CrdtkvError, *(error for branch in (BadRequest, Refused, Unavailable, Corrupt) for error in below(branch))]
