"""Which rule holds for a key, at a replica's vector: each write asks."""

from __future__ import annotations

from typing import Any, NamedTuple

from crdtkv.core.keys import SYSTEM
from crdtkv.core.rules import DEFAULT, Rule, choose, rule_from_plain
from crdtkv.errors import CrdtkvError
from crdtkv.replica.core import Replica

__all__ = ["RULES", "known_rules", "rule_of"]

RULES = SYSTEM + "rules"
_CHOSEN = 10_000
"""Of how many keys it is remembered which rule holds."""

# Each rule is one member of a document, and whole: of two concurrent settings of one pattern the later holds.
_RULE_OF_RULES = rule_from_plain({"pattern": RULES, "strategy": "json", "paths": {"/*": "lww"}})


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
