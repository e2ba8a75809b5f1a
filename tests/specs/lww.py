"""lww: of the puts and deletes that none of the others had seen, the latest."""

from typing import Any

from crdtkv.strategies.base import ABSENT
from tests.specs.history import GONE, Effect, Event, Standing, standing


def value(events: list[Event]) -> Any:
    return read(standing(events, effects))


def effects(event: Event, now: Standing, base: Standing) -> list[Effect]:
    if event.operation.name == "put":
        return [Effect("it", event.operation.args[0], "seen")]
    return [] if read(now) is ABSENT else [Effect("it", GONE, "seen")]


def read(stands: Standing) -> Any:
    if "it" not in stands:
        return ABSENT
    said = max(stands["it"], key=lambda pair: pair[0].rank)[1]
    return ABSENT if said is GONE else said
