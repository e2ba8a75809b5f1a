"""What a client has seen: of keys the version it read last, of the namespace how far its colo was.

The question answered here: against what did the caller make this edit? Against what was read last
through this client, so that is the base that goes with a put, a delete or a patch that names none.

Rule: a version counts as read only if its value was told, or if it is what was read and our own write
and nothing else. After a put into which others' writes were merged nobody here knows what stands
there: a put that followed could delete what they added. It is refused until the key is read.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from crdtkv.errors import BaseRequired

__all__ = ["MAX_SAID", "Seen", "Sessions"]

MAX_SAID = 6_000
"""Characters of tokens in a header; beyond that, which takes hundreds of colos and many threads, the oldest go."""

_MERGED = ""
"""In the place of a version: others' writes were merged in, and nobody has read them."""


class Seen:
    """Versions by key, of the keys that were read or written last: at most `most`. Thread-safe.

    >>> seen = Seen(2)
    >>> seen.read("a", "1_lhr~aaaa.2"); seen.base("a"), seen.base("b")
    ('1_lhr~aaaa.2', None)
    >>> seen.wrote("a", "1_lhr~aaaa.3", merged=False); seen.base("a")
    '1_lhr~aaaa.3'
    >>> seen.wrote("a", "1_lhr~aaaa.5", merged=True); seen.base("a")
    Traceback (most recent call last):
    crdtkv.errors.BaseRequired: what others wrote was merged into your last write of 'a', and you have not read it
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._versions: OrderedDict[str, str] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, key: str, version: str | None) -> None:
        """`version` of `key` was told with its value; None: that there is none."""
        with self._lock:
            if version is None:
                self._versions.pop(key, None)
            else:
                self._keep(key, version)

    def wrote(self, key: str, version: str, merged: bool) -> None:
        """A write of `key` on what `base` gave made `version`; `merged`: others' writes stand in it, too."""
        with self._lock:
            self._keep(key, _MERGED if merged else version)

    def forget(self, key: str) -> None:
        """Nobody knows any more what was read of `key`."""
        with self._lock:
            self._versions.pop(key, None)

    def known(self, key: str) -> str | None:
        """The version that was read last, if it is still what the caller has in mind."""
        return self._versions.get(key) or None

    def base(self, key: str) -> str | None:
        """On what a write of the whole of `key` is made; None where it was not read. Raises BaseRequired."""
        version = self._versions.get(key)
        if version == _MERGED:
            raise BaseRequired(
                f"what others wrote was merged into your last write of {key!r}, and you have not read it",
                next_step="read it (get, or the receipt's value) and edit that, or give the base you mean",
            )
        return version

    def _keep(self, key: str, version: str) -> None:
        self._versions[key] = version
        self._versions.move_to_end(key)
        while len(self._versions) > self._most:
            self._versions.popitem(last=False)


class Sessions:
    """The session tokens that stand for all that was read and written: one, or one for each request under way.

    A reply's token holds what the tokens of its request held, so it takes their place. Thread-safe.

    >>> sessions = Sessions()
    >>> sessions.heard("", "t1"); said = sessions.said()
    >>> sessions.heard(said, "t2"); sessions.said()          # t2 holds what t1 held
    't2'
    >>> sessions.heard("t1", "t3"); sessions.said()          # of a request that was sent before t2 came
    't2, t3'
    """

    def __init__(self) -> None:
        self._tokens: list[str] = []
        self._lock = threading.Lock()

    def said(self) -> str:
        """The header of a request; empty if there is nothing to say."""
        return ", ".join(self._tokens)

    def heard(self, said: str, token: str | None) -> None:
        """The reply to a request with `said` carried `token`."""
        if not token:
            return
        held = said.split(", ")
        with self._lock:
            self._tokens = [*(t for t in self._tokens if t not in held and t != token), token]
            while len(self._tokens) > 1 and len(self.said()) > MAX_SAID:
                del self._tokens[0]
