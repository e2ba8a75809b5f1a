"""Which rule holds for a key, at a replica's vector, and how much of its past is kept by that: each write asks."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from crdtkv.core.keys import SYSTEM
from crdtkv.core.rules import DEFAULT, MAX_RULES, Rule, choose, rule_from_plain
from crdtkv.errors import CrdtkvError
from crdtkv.replica.core import Replica
from crdtkv.replica.past import Keep

__all__ = ["RULES", "Keeping", "known_rules", "rule_of"]

RULES: Final = SYSTEM + "rules"
_CHOSEN = 10_000
"""Of how many keys it is remembered which rule holds."""

_NOTHING: Final = Keep(0, 0)

# Each rule is one member of a document, and whole: of two concurrent settings of one pattern the later holds.
_RULE_OF_RULES: Final = rule_from_plain({"pattern": RULES, "strategy": "json", "paths": {"/*": "lww"}})


def rule_of(replica: Replica, key: str) -> Rule:
    """The rule that holds for `key` at this replica's vector. O(rules), O(1) once asked for, until they change."""
    if key[:1] == SYSTEM:
        return _RULE_OF_RULES if key == RULES else DEFAULT
    known = replica.memos.derived.get("rules") or _known(replica)
    if not known.rules:
        return DEFAULT
    rule: Rule | None = known.chosen.get(key)
    if rule is None:
        if len(known.chosen) >= _CHOSEN:
            known.chosen.clear()
        rule = known.chosen[key] = choose(known.rules, key)
    return rule


def known_rules(replica: Replica) -> list[Rule]:
    """The rules at this replica's vector; what cannot be read is passed over."""
    return _known(replica).rules


class _Known(NamedTuple):
    """The rules, and of some keys which of them holds."""

    rules: list[Rule]
    chosen: dict[str, Rule]


def _known(replica: Replica) -> _Known:
    found: _Known | None = replica.memos.derived.get("rules")
    if found is None:
        value = replica.read(RULES)
        found = _Known([rule for plain in (value or {}).values() if (rule := _rule(plain)) is not None], {})
        replica.memos.derived["rules"] = found
    return found


def _rule(plain: Any) -> Rule | None:
    try:
        return rule_from_plain(plain)
    except (CrdtkvError, KeyError, TypeError):
        return None  # written by a later release: kept, and without effect here


class Keeping:
    """How much is kept of the past of a key: `history=False` keeps none."""

    def __init__(self, replica: Replica, history: bool) -> None:
        self._replica = replica
        self._history = history
        self._keeps: dict[int, tuple[Rule, Keep]] = {}

    def of(self, key: str) -> Keep:
        """As its rule says. O(1) for most."""
        if not self._history or key.startswith(SYSTEM):
            return _NOTHING
        rule = rule_of(self._replica, key)
        kept = self._keeps.get(id(rule))
        if kept is None or kept[0] is not rule:
            if len(self._keeps) > MAX_RULES:
                self._keeps.clear()
            kept = self._keeps[id(rule)] = (rule, Keep(rule.keep_cells, int(rule.keep_hours * 3600 * 1000)))
        return kept[1]
