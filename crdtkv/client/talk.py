"""One conversation with a colo: headers, what is tried again, and errors as they are raised by a store.

Rule: tried again is what did not happen, and what may happen twice: reads, writes that say the same
however often they are said, and those that carry an idempotency key. Waits double, with chance in
them, unless the colo says how long.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

from crdtkv.client.seen import Seen, Sessions
from crdtkv.client.steps import Ask, Lost, Pause, Reply, Steps
from crdtkv.core import values
from crdtkv.core.show import show
from crdtkv.errors import BadRequest, CrdtkvError, Unavailable, ValueInvalid
from crdtkv.http import bodies
from crdtkv.http.names import ENTRY, SESSION

__all__ = ["FIRST_PAUSE", "MAX_PAUSE", "TRIES", "Talk"]

_T = TypeVar("_T")

TRIES = 5
"""How often a request is sent at most."""

_UNREACHED = "check the address, and that a colo is served there, as by: crdtkv serve"
_UNTRUSTED = "set SSL_CERT_FILE to the certificate of who signed the colo's"

FIRST_PAUSE = 0.05
MAX_PAUSE = 5.0
"""Seconds between two tries; a colo that asks for more is believed up to this."""


class Talk:
    """What all calls of a client share. `chance` gives numbers from 0 to 1, `once` a new idempotency key."""

    def __init__(
        self, url: str, namespace: str, token: str | None, remember: int, tries: int, chance: Callable[[], float],
        once: Callable[[], str],
    ) -> None:  # fmt: skip
        self.url, self.namespace = url, namespace
        self.seen, self.sessions = Seen(remember), Sessions()
        self.once = once
        self._tries, self._chance = tries, chance
        self._headers = {"accept": ENTRY} | ({"authorization": f"Bearer {token}"} if token else {})

    def ask(
        self, method: str, *path: str, query: Mapping[str, Any] | None = None, body: Any = None,
        headers: Mapping[str, str] | None = None, again: bool = True, wait: float = 0.0, kind: str = ENTRY,
    ) -> Steps[Reply]:  # fmt: skip
        """The reply to a request on this namespace; `path`: its segments. Raises what the colo answers with.

        `again`: nothing is lost or doubled if it happens twice. `kind`: the media type of the body.
        """
        return self.ask_at(
            method, f"/v1/{quote(self.namespace, safe='~')}/" + "/".join(quote(part, safe="") for part in path),
            query=query, body=body, headers=headers, again=again, wait=wait, kind=kind,
        )  # fmt: skip

    def ask_at(
        self, method: str, path: str, *, query: Mapping[str, Any] | None = None, body: Any = None,
        headers: Mapping[str, str] | None = None, again: bool = True, wait: float = 0.0, kind: str = ENTRY,
    ) -> Steps[Reply]:  # fmt: skip
        """As `ask`, of any path."""
        wanted = ((name, value) for name, value in (query or {}).items() if value is not None and value is not False)
        words = urlencode({name: _word(value) for name, value in wanted})
        path += f"?{words}" if words else ""
        data = b"" if body is None else body if isinstance(body, bytes) else bodies.dump(body)
        own = self._headers | ({"content-type": kind} if data else {}) | dict(headers or {})
        for tried in range(1, self._tries + 1):
            said = self.sessions.said()
            try:
                reply = yield Ask(method, path, own | ({SESSION: said} if said else {}), data, wait)
            except Lost as lost:
                error, least = self._lost(lost), 0.0
                error.happened = "no" if method == "GET" else lost.happened
            else:
                self.sessions.heard(said, reply.headers.get(SESSION))
                if reply.status < 400:
                    return reply
                error, least = _error(reply), _seconds(reply.headers.get("retry-after"))
                error.happened = "no" if method == "GET" else error.happened
                if not isinstance(error, Unavailable):
                    raise error
            if tried == self._tries or not (again or error.happened == "no"):
                raise error
            yield Pause(self._pause(tried, least))
        raise AssertionError("a request is sent at least once")

    def body(self, reply: Reply) -> Any:
        """The JSON object of a reply. Raises Unavailable: it is somebody else's, a proxy's perhaps, and says nothing of
        what the colo has done."""
        try:
            plain = bodies.load(reply.body)
        except CrdtkvError:
            plain = None
        if not isinstance(plain, dict):
            raise self._strange(reply)
        return plain

    def understood(self, steps: Steps[_T]) -> Steps[_T]:
        """The same steps. Raises Unavailable where a reply lacks what it should have, or has it in another shape."""
        reply: Reply | None = None
        try:
            wish = next(steps)
            while True:
                try:
                    heard = yield wish
                except Lost as lost:
                    wish = steps.throw(lost)
                else:
                    reply = heard or reply  # (nothing is heard after a pause)
                    wish = steps.send(heard)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        except UnicodeEncodeError as error:  # of what was given: a reply is only read
            raise ValueInvalid(f"text {show(error.object)} has a lone surrogate") from None
        except (LookupError, TypeError, ValueError, AttributeError, ValueInvalid) as error:
            if reply is None or (isinstance(error, CrdtkvError) and reply.status >= 400):
                raise  # it is what was given that is wrong, here or as the colo says
            raise self._strange(reply) from error

    def _strange(self, reply: Reply) -> Unavailable:
        return Unavailable(
            f"{self.url} answered {reply.status} with {reply.body[:80]!r}, which is no answer of a colo's",
            happened="unknown",
            next_step="check that a colo is served there; read the key to learn whether a write is there",
        )

    def _pause(self, tried: int, least: float) -> float:
        """Seconds before the next try: half of them sure, half by chance, so that many do not come at once."""
        usual = FIRST_PAUSE * 2 ** (tried - 1) * (0.5 + self._chance() / 2)
        return float(min(max(usual, least), MAX_PAUSE))

    def _lost(self, lost: Lost) -> CrdtkvError:
        if lost.happened == "no":
            return Unavailable(
                f"{self.url} cannot be reached: {lost}", happened="no",
                next_step=_UNTRUSTED if "CERTIFICATE_VERIFY_FAILED" in str(lost) else _UNREACHED,
            )  # fmt: skip
        return Unavailable(
            f"the connection to {self.url} was lost before it answered: {lost}", happened="unknown",
            next_step="read the key to learn whether the write is there",
        )  # fmt: skip


def _error(reply: Reply) -> CrdtkvError:
    try:
        plain = bodies.load(reply.body)
    except CrdtkvError:
        plain = None  # somebody else's words: a proxy's, perhaps
    return bodies.error_of(plain, reply.status)


def _seconds(words: str | None) -> float:
    try:
        return float(words or 0)
    except ValueError:  # a date
        return 1.0


def _word(value: Any) -> str:
    if value is True:
        return "true"
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadRequest(f"{value!r:.80} has a lone surrogate; text of UTF-8 is wanted") from None
        return value
    return values.to_json(value)
