"""Maelstrom's messages: JSON objects, a line each, with `src`, `dest` and a `body`.

A request's body has a `type` and a `msg_id`; its reply names that in `in_reply_to`. An
error has a code, and each code says whether the operation surely did not happen
(definite) or may have. The rule: a definite code only where `happened` is "no".
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from crdtkv.core.show import show
from crdtkv.errors import BadRequest, CrdtkvError, Refused, Unavailable

__all__ = [
    "CRASH", "DEFINITE", "MALFORMED", "NODE_NOT_FOUND", "NOT_SUPPORTED", "PRECONDITION_FAILED", "TIMEOUT",
    "UNAVAILABLE", "Fault", "Request", "fault_of", "line_of", "read",
]  # fmt: skip

TIMEOUT = 0
NODE_NOT_FOUND = 1
NOT_SUPPORTED = 10
UNAVAILABLE = 11
MALFORMED = 12
CRASH = 13
PRECONDITION_FAILED = 22
DEFINITE = frozenset({NODE_NOT_FOUND, NOT_SUPPORTED, UNAVAILABLE, MALFORMED, PRECONDITION_FAILED})


class Request(NamedTuple):
    """A message from a client or a node. `id` is None where no reply is wanted."""

    src: str
    dest: str
    type: str
    id: int | None
    body: dict[str, Any]

    def field(self, name: str) -> Any:
        """What the body holds under `name`. Raises Fault where it does not.

        >>> Request("c1", "n1", "add", 2, {"delta": 5}).field("delta")
        5
        """
        if name not in self.body:
            raise Fault(MALFORMED, f"{self.type} without {name!r}: {show(self.body)}")
        return self.body[name]


class Fault(Exception):
    """A request that is answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code

    def body(self) -> dict[str, Any]:
        """As a reply says it.

        >>> Fault(10, "no request 'cas' here").body()
        {'type': 'error', 'code': 10, 'text': "no request 'cas' here"}
        """
        return {"type": "error", "code": self.code, "text": str(self)}


def read(line: str) -> Request:
    """One line as a message. Raises Fault for what is none: then there is nobody to answer.

    >>> read('{"src": "c1", "dest": "n1", "body": {"type": "read", "msg_id": 3}}')
    Request(src='c1', dest='n1', type='read', id=3, body={'type': 'read', 'msg_id': 3})
    """
    try:
        found = json.loads(line)
        src, dest, body = found["src"], found["dest"], found["body"]
        kind, id = body["type"], body.get("msg_id")
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Fault(MALFORMED, f"no message: {show(line)}; src, dest and a body with a type are wanted") from None
    if not all(isinstance(text, str) for text in (src, dest, kind)) or not isinstance(id, int | None):
        raise Fault(MALFORMED, f"no message: {show(line)}; src, dest and type are texts, msg_id is a number")
    return Request(src, dest, kind, id, body)


def line_of(src: str, dest: str, body: dict[str, Any]) -> str:
    """A message as one line.

    >>> line_of("n1", "c1", {"type": "add_ok", "in_reply_to": 2})
    '{"src":"n1","dest":"c1","body":{"type":"add_ok","in_reply_to":2}}'
    """
    return json.dumps({"src": src, "dest": dest, "body": body}, separators=(",", ":"))


def fault_of(error: CrdtkvError) -> Fault:
    """The error that Maelstrom's clients know by a code; indefinite unless it surely did not happen.

    >>> from crdtkv.errors import Overloaded, StorageFailed, ValueInvalid
    >>> [fault_of(e("words")).code for e in (ValueInvalid, Overloaded, StorageFailed)]
    [12, 11, 13]
    """
    words = f"{error.code}: {error}"
    if error.happened != "no":
        return Fault(CRASH, words)
    kinds = ((BadRequest, MALFORMED), (Unavailable, UNAVAILABLE), (Refused, PRECONDITION_FAILED))
    return Fault(next((code for kind, code in kinds if isinstance(error, kind)), CRASH), words)
