"""What became of one key: every write, message and merge, in the order of time."""

from typing import Any

from crdtkv.sim.outcome import Event

__all__ = ["row"]

_WORDS = {
    "write": "written", "send": "sent to", "arrive": "came from", "absorb": "taken in", "catch-up": "caught up from",
}  # fmt: skip


def row(event: Event) -> dict[str, Any]:
    """An event as a row of plain data.

    >>> row(Event(1.25, "LHR", "send", "todo/1", "lhr~a.3", "SIN", ""))["what"]
    'sent to SIN'
    """
    what = _WORDS.get(event.kind, event.kind)
    return {
        "seconds": round(event.at, 6), "colo": event.colo, "kind": event.kind,
        "what": f"{what} {event.peer}" if event.peer else what, "dot": event.dot, "peer": event.peer,
        "words": event.words,
    }  # fmt: skip
