"""Tokens: who may read, write or administer what.

A token is `crdtkv_id_secret`. The secret is drawn here, shown once, and nowhere kept: a
cell of the system namespace holds its hash (SHA-256 will do: nobody guesses 192 random
bits) and what it may, so it opens the same doors at every colo. Nothing takes back that
one was revoked.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from crdtkv.core.show import show
from crdtkv.errors import BadRequest, Forbidden, TokenUnknown, TooLarge, Unauthorized
from crdtkv.store.store import Store

__all__ = [
    "ACTIONS", "EVERYWHERE", "MAX_LABEL", "MAX_SCOPES", "MAX_TOKENS", "MIN_SECRET", "TOKENS", "Action", "Scope",
    "Token", "Tokens",
]  # fmt: skip

Action = Literal["read", "write", "admin"]
ACTIONS = ("read", "write", "admin")
"""An admin scope of a namespace reads and writes it too; one of every namespace administers the cluster."""

EVERYWHERE = "*"
"""Every namespace, those to come too."""

TOKENS = "token/"
MAX_TOKENS = 10_000
MAX_SCOPES = 64
MAX_LABEL = 100
MIN_SECRET = 16
"""How long a token must be that a person thought up: one of the settings."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What one line of a token allows: actions, on keys that begin with `prefix`, of a namespace by id, or "*".

    >>> Scope("~a1", "cart/", ("read",)).allows("read", "~a1", "cart/7")
    True
    """

    namespace: str
    prefix: str
    actions: tuple[str, ...]

    def allows(self, action: str, namespace: str | None, key: str | None) -> bool:
        """Whether that is allowed; no namespace: what is of the cluster, no key: what is of all keys. O(1)."""
        if self.namespace != EVERYWHERE and (namespace is None or self.namespace != namespace):
            return False
        if action not in self.actions and "admin" not in self.actions:
            return False
        return not self.prefix or (key is not None and key.startswith(self.prefix))


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is listed. `created`, `expires`: milliseconds since 1970."""

    id: str
    label: str
    scopes: tuple[Scope, ...]
    created: int
    expires: int | None
    hash: bytes

    def alive(self, now_ms: float) -> bool:
        """Whether its time has not passed."""
        return self.expires is None or now_ms < self.expires


_ROOT = Token("", "of the settings", (Scope(EVERYWHERE, "", ("admin",)),), 0, None, b"")


class Tokens:
    """Those of the system namespace, and `settings`: whole tokens that the settings of this colo name, which may all.

    >>> import crdtkv
    >>> tokens = Tokens(crdtkv.open(colo="lhr"), settings=["correct horse battery staple"])
    >>> token, secret = tokens.create("reader", [Scope("~shop", "", ("read",))])
    >>> tokens.authorize(secret, "read", "~shop", "a").label
    'reader'
    >>> tokens.authorize(secret, "write", "~shop", "a")
    Traceback (most recent call last):
    crdtkv.errors.Forbidden: token ... ('reader') may not write 'a' of namespace '~shop'
    >>> tokens.revoke(token.id); tokens.guarded, tokens.all()
    (True, [])
    """

    def __init__(self, system: Store, settings: Iterable[str] = ()) -> None:
        self._system = system
        self._known: dict[str, Token] = {}
        self._settings: tuple[bytes, ...] = ()
        self.guarded = False
        """Whether anything is asked of who comes: False as long as there is no token at all."""
        self.set_settings(settings)
        self.refresh()

    def set_settings(self, tokens: Iterable[str]) -> None:
        """These of the settings are good from now on, and only these: the old and the new while they rotate.

        Raises BadRequest for one of less than 16 characters.
        """
        found = tuple(tokens)
        if any(len(text) < MIN_SECRET for text in found):
            raise BadRequest(f"a token of the settings has less than {MIN_SECRET} characters; at least that many")
        self._settings = tuple(_hash(text) for text in found)
        self._guard()

    def refresh(self) -> None:
        """What the system namespace has absorbed of tokens holds. O(tokens)."""
        self._known = {token.id: token for token in self._read()}
        self._guard()

    def _guard(self) -> None:
        self.guarded = bool(self._settings or self._known)

    # who may what

    def authorize(self, text: str | None, action: str, namespace: str | None = None, key: str | None = None) -> Token:
        """The token, if it may do that; namespace by id. Some 2 us, the same whatever is wrong with its secret.

        Raises Unauthorized for none that is good here, Forbidden for one that may not.
        """
        token = self.known(text)
        if not any(scope.allows(action, namespace, key) for scope in token.scopes):
            what = "the cluster" if namespace is None else f"namespace {namespace!r}"
            part = f"{key!r:.80} of " if key else ""
            raise Forbidden(f"token {token.id!r} ({token.label!r}) may not {action} {part}{what}")
        return token

    def known(self, text: str | None) -> Token:
        """The token, whatever it may. Raises Unauthorized for none that is good here.

        >>> import crdtkv
        >>> Tokens(crdtkv.open(colo="lhr"), settings=["correct horse battery staple"]).known("wrong")
        Traceback (most recent call last):
        crdtkv.errors.Unauthorized: the token is not known here, was revoked, or is cut short
        """
        if not text:
            raise Unauthorized("no token was sent; send one as 'Authorization: Bearer ...'")
        hashed = _hash(text)
        for ours in self._settings:
            if hmac.compare_digest(hashed, ours):
                return _ROOT
        _, _, id = text.rpartition("_")[0].partition("_")
        token = self._known.get(id)
        if token is None or not hmac.compare_digest(hashed, token.hash):
            raise Unauthorized("the token is not known here, was revoked, or is cut short")
        if not token.alive(time.time() * 1000):
            raise Unauthorized(f"token {token.id!r} ({token.label!r}) has expired")
        return token

    # keeping them

    def all(self) -> list[Token]:
        """Those that are good, the oldest first. O(n log n)."""
        return sorted(self._known.values(), key=lambda token: (token.created, token.id))

    def create(self, label: str, scopes: Iterable[Scope], expires: int | None = None) -> tuple[Token, str]:
        """A new token, and its text, which is shown this once. One commit.

        The first must be one that may administer the cluster, unless the settings name one: else nobody
        could make another. Raises BadRequest, TooLarge.
        """
        given = tuple(scopes)
        _check(label, given, expires)
        root = any(scope.allows("admin", None, None) for scope in given)
        if not self.guarded and not root:
            raise BadRequest(
                "the first token must have the action 'admin' on namespace '*' without a prefix, else nobody could "
                "make others; make that one first, or name one in the settings"
            )
        if len(self._known) >= MAX_TOKENS:
            raise TooLarge(f"there are {len(self._known):,} tokens; at most {MAX_TOKENS:,}; revoke some")
        id = secrets.token_hex(6)
        text = f"crdtkv_{id}_{secrets.token_hex(24)}"
        token = Token(id, label, given, int(time.time() * 1000), expires, _hash(text))
        self._system.put(TOKENS + id, _plain(token), strategy="json")
        self.refresh()
        return token, text

    def revoke(self, id: str) -> None:
        """It is good nowhere any more that hears of it. One commit. Raises TokenUnknown for none."""
        if id not in self._known:
            raise TokenUnknown(f"no token {show(id)}; there are {_listed(t.id for t in self.all())}")
        self._system.json(TOKENS + id).at("/revoked").put(True)
        self.refresh()

    def _read(self) -> Iterator[Token]:
        for entry in self._system.scan(TOKENS):
            token = _of(entry.key.removeprefix(TOKENS), entry.value)
            if token is not None:
                yield token


def _listed(ids: Iterable[str]) -> str:
    return (", ".join(ids) or "none")[:200]


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _plain(token: Token) -> dict[str, Any]:
    scopes = [{"namespace": s.namespace, "prefix": s.prefix, "actions": list(s.actions)} for s in token.scopes]
    return {
        "label": token.label, "scopes": scopes, "created": token.created, "expires": token.expires,
        "hash": token.hash.hex(),
    }  # fmt: skip


def _of(id: str, told: Any) -> Token | None:
    """The token in that document; None for one that was revoked, or that is not wholly understood."""
    try:
        if told.get("revoked") is not None:
            return None
        scopes = tuple(Scope(s["namespace"], s["prefix"], tuple(s["actions"])) for s in told["scopes"])
        _check(told["label"], scopes, told["expires"])
        return Token(id, told["label"], scopes, int(told["created"]), told["expires"], bytes.fromhex(told["hash"]))
    except (AttributeError, KeyError, TypeError, ValueError, BadRequest):
        return None


def _check(label: Any, scopes: tuple[Scope, ...], expires: Any) -> None:
    if not isinstance(label, str) or len(label) > MAX_LABEL:
        raise BadRequest(f"label is {show(label)}; text of at most {MAX_LABEL} characters is wanted")
    if expires is not None and (isinstance(expires, bool) or not isinstance(expires, int) or expires < 0):
        raise BadRequest(f"expires is {show(expires)}; milliseconds since 1970, or None, are wanted")
    if not 1 <= len(scopes) <= MAX_SCOPES:
        raise BadRequest(f"a token has {len(scopes)} scopes; 1 to {MAX_SCOPES} are allowed")
    for scope in scopes:
        if not isinstance(scope.namespace, str) or not scope.namespace or not isinstance(scope.prefix, str):
            raise BadRequest(f"namespace {show(scope.namespace)} and prefix {show(scope.prefix)} of a scope are text")
        if not scope.actions or any(action not in ACTIONS for action in scope.actions):
            raise BadRequest(f"actions are {show(list(scope.actions))}; some of {', '.join(ACTIONS)} are wanted")
