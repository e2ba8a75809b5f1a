"""What goes on with a served colo, a line each for who runs it: who is reached, who belongs, what was refused.

Law of this room: of a state it is told that it changed, never that it lasts; of requests nothing is told.
"""

from __future__ import annotations

import logging
import sys
from typing import Any

__all__ = ["Chronicle", "to_stderr"]

_log = logging.getLogger("crdtkv")
_LINE = "%(asctime)s %(levelname)s %(message)s"


def to_stderr(level: str) -> None:
    """What is logged from now on stands on stderr, a line each. Once in a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter(_LINE))
    _log.addHandler(handler)
    _log.setLevel(level.upper())


class Chronicle:
    """Each `note` of how it stands tells what is otherwise than at the one before.

    `names`: namespace -> its members; `transport`: as `Transport.status` tells.
    """

    def __init__(self) -> None:
        self._up: dict[str, bool] = {}
        self._members: dict[str, set[str]] = {}
        self._refused: dict[str, int] = {}

    def note(self, members: dict[str, list[str]], transport: dict[str, Any]) -> None:
        """Logs the differences. O(peers + members)."""
        for peer in transport["peers"]:
            self._peer(peer["colo"], peer["up"], peer["error"], ", ".join(peer["urls"]))
        for name, found in members.items():
            self._namespace(name, set(found))
        for reason, count in transport["refused"].items():
            more = count - self._refused.get(reason, 0)
            if more:
                _log.warning("%d %s refused: %s", more, "letter was" if more == 1 else "letters were", reason)
        self._refused = dict(transport["refused"])

    def _peer(self, colo: str, up: bool, error: str, urls: str) -> None:
        if up is self._up.get(colo):
            return
        self._up[colo] = up
        if up:
            _log.info("colo %s is reached at %s", colo, urls)
        else:
            _log.warning("colo %s is not reached at %s: %s", colo, urls, error)

    def _namespace(self, name: str, found: set[str]) -> None:
        before = self._members.get(name)
        self._members[name] = found
        if before is None:
            _log.info("namespace %s: %s", name, ", ".join(sorted(found)))
            return
        for member in sorted(found - before):
            _log.info("namespace %s: %s is a member now", name, member)
        for member in sorted(before - found):
            _log.info("namespace %s: %s is no member any more", name, member)
