"""What is yours to fix: the request itself is wrong, and the same request will fail again.

Rule: nothing was written.
"""

from __future__ import annotations

from crdtkv.errors.base import CrdtkvError, Happened

__all__ = [
    "BadRequest", "CursorInvalid", "KeyInvalid", "MergeFunctionInvalid", "MessageInvalid", "NamespaceInvalid",
    "NotAStore", "PatchInvalid", "PatternInvalid", "RuleInvalid", "TooLarge", "UnknownStrategy", "ValueInvalid",
    "VersionInvalid", "WrongOperation", "WrongType",
]  # fmt: skip


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
