"""flag: the preferred side if anyone's turn to it stands, else the other, else absent.

A turn to the preferred side stands until another turn to it, or a base, has seen it.
"""

from typing import Any

from crdtkv.strategies.base import ABSENT
from tests.specs.history import GONE, Effect, Event, Standing, covered, live, standing


def value(events: list[Event], preferred: bool) -> Any:
    return read(standing(events, lambda event, now, base: effects(event, now, preferred)), preferred)


def effects(event: Event, now: Standing, preferred: bool) -> list[Effect]:
    name, args = event.operation
    said = now.get("it", [])
    if name == "delete":
        return [Effect("it", GONE, "base")] if covered(said, event) else []
    turn = args[0] if name == "put" else name == "enable"
    if turn is preferred or not live(said):
        return [Effect("it", turn, "seen")]
    wins = [(e, s) for e, s in said if s is preferred]
    return [Effect("it", turn, "base")] if covered(wins, event) else []


def read(stands: Standing, preferred: bool) -> Any:
    found = live(stands.get("it", []))
    if not found:
        return ABSENT
    return preferred if preferred in found else not preferred
