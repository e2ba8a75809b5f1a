"""mv: every put that no later put's or delete's base had seen; a read shows the latest."""

from typing import Any

from crdtkv.strategies.base import ABSENT
from tests.specs.history import GONE, Effect, Event, Standing, covered, live, standing


def value(events: list[Event]) -> Any:
    found = siblings(events)
    return found[-1] if found else ABSENT


def siblings(events: list[Event]) -> list[Any]:
    """All of them, equal ones at their latest."""
    found = live(standing(events, effects).get("it", []))
    return [v for i, v in enumerate(found) if repr(v) not in map(repr, found[i + 1 :])]


def effects(event: Event, now: Standing, base: Standing) -> list[Effect]:
    said = now.get("it", [])
    if event.operation.name == "put":
        return [Effect("it", event.operation.args[0], "base" if live(said) else "seen")]
    return [Effect("it", GONE, "base")] if covered(said, event) else []
