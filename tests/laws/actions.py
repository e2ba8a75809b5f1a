"""What happens in a world, as data: kinds of actions, how often each is drawn, and what may fail.

An action is `(kind, colo, dice)`, drawn from a seed; whoever carries it out resolves its
numbers against what is there. So a failure replays from its seed, and a list of actions
can be shrunk.
"""

from __future__ import annotations

from collections import Counter
from random import Random
from typing import NamedTuple

__all__ = [
    "CLIENT",
    "COLOS",
    "FOR_EVER",
    "HOUR_MS",
    "IGNORED",
    "KINDS",
    "MAX_BOX",
    "MAX_READS",
    "MAX_SPEC_EVENTS",
    "PROFILES",
    "START_MS",
    "Action",
    "Failure",
    "plan",
]

START_MS = 1_767_261_600_000
FOR_EVER = 2**63
COLOS = "abcd"
HOUR_MS = 3_600_000
MAX_BOX = 48
MAX_READS = 12
MAX_SPEC_EVENTS = 12

KINDS = (
    "visible", "digest", "oracle", "spec", "put-get", "history", "check", "exception", "refusal", "twice",
    "converge", "weight",
)  # fmt: skip


class Action(NamedTuple):
    """What happens next: `kind` at colo number `at`, its details drawn from `dice`."""

    kind: str
    at: int
    dice: int


IGNORED: set[str] = set()
"""Kinds of failure that are passed over, to look for others behind them."""


class Failure(AssertionError):
    """A law that did not hold: its kind, and in words."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(f"{kind}: {words}")
        self.kind = kind
        self.counts: Counter[str] = Counter()


# how often each thing happens, per thousand

_CALM = {"op": 470, "tx": 60, "deliver": 250, "cut": 110, "sync": 20, "compact": 50, "read": 40}
PROFILES: dict[str, dict[str, int]] = {
    "calm": _CALM,
    "purging": {**_CALM, "compact": 160, "cut": 160, "sync": 80, "delete": 120, "fault": 8, "rewrite": 60},
    "focus": {"op": 400, "delete": 90, "rewrite": 90, "expire": 40, "deliver": 120, "cut": 150, "sync": 140,
              "compact": 200, "read": 20, "restart": 8, "tx": 30},
    "restarts": {**_CALM, "restart": 20, "crash": 20, "fault": 10, "compact": 80},
    "expiry": {**_CALM, "expire": 140, "compact": 140, "sync": 80, "rule": 6, "delete": 30},
    "days": {**_CALM, "day": 25, "compact": 110, "restart": 8, "delete": 40},
    "rules": {**_CALM, "rule": 25, "migrate": 8, "clash": 120, "compact": 80, "delete": 60},
    "clocks": {**_CALM, "skew": 30, "compact": 90, "expire": 40, "delete": 40, "restart": 8},
    "inbox": {**_CALM, "regain": 60, "delete": 80, "rewrite": 40, "sync": 80, "compact": 90, "expire": 20},
    "members": {**_CALM, "wipe": 6, "restore": 6, "copy": 8, "leave": 5, "evict": 8, "sync": 90, "compact": 90,
                "restart": 8, "delete": 40},
    "splits": {**_CALM, "evict": 14, "sync": 70, "compact": 90, "resolve": 10, "delete": 40, "expire": 20},
    "everything": {**_CALM, "compact": 90, "delete": 60, "rewrite": 30, "expire": 40, "rule": 8, "clash": 30,
                   "restart": 8, "crash": 8, "fault": 5, "day": 4, "skew": 6, "wipe": 2, "restore": 2, "copy": 3,
                   "leave": 2, "evict": 3, "resolve": 2, "sync": 50, "migrate": 2},
}  # fmt: skip


CLIENT = ("op", "tx", "delete", "rewrite", "expire", "clash", "fault", "rule", "migrate", "read", "regain")


def plan(seed: int, profile: str, steps: int) -> list[Action]:
    """The actions of a seed."""
    dice = Random(f"{seed}/{profile}")
    kinds, weights = zip(*PROFILES[profile].items(), strict=True)
    drawn = dice.choices(kinds, weights, k=steps)
    return [Action(kind, dice.randrange(len(COLOS)), dice.getrandbits(32)) for kind in drawn]
