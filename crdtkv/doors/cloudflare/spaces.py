"""Namespaces, and who asks: one namespace of a cluster is one of Workers KV, under its name for a title.

Accounts there are none here: whatever account a path names, it is the cluster. What a client asks of itself
(`/user`, `/memberships`) is answered with one user and one account, so that it goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from crdtkv.doors.cloudflare.asked import Asked
from crdtkv.doors.cloudflare.envelope import wrapped
from crdtkv.errors import BadRequest
from crdtkv.server.asking import Reply
from crdtkv.server.doors import token_of

if TYPE_CHECKING:
    from crdtkv.node.naming import Namespace

__all__ = [
    "ACCOUNT", "ask_accounts", "ask_create", "ask_delete", "ask_list", "ask_memberships", "ask_namespace", "ask_rename",
    "ask_token", "ask_user",
]  # fmt: skip

ACCOUNT = {"id": "crdtkv", "name": "crdtkv", "type": "standard"}
_MOST = 1_000
_PER_PAGE = 20


def _plain(found: Namespace) -> dict[str, Any]:
    return {"id": found.id, "title": found.name, "supports_url_encoding": True}


async def ask_list(asked: Asked) -> Reply:
    """A page of namespaces; beyond the last, none."""
    query, found = asked.ask.query, asked.serving.node.namespaces()
    order, direction = query.get("order") or "title", query.get("direction") or "asc"
    if order not in ("id", "title"):
        raise BadRequest(f"order is {order!r:.80}; id or title are allowed")
    if direction not in ("asc", "desc"):
        raise BadRequest(f"direction is {direction!r:.80}; asc or desc are allowed")
    found.sort(key=lambda each: each.id if order == "id" else each.name, reverse=direction == "desc")
    return _page(asked, [_plain(each) for each in found])


def _page(asked: Asked, found: list[dict[str, Any]]) -> Reply:
    page, size = _number(asked, "page", 1, 1 << 40), _number(asked, "per_page", _PER_PAGE, _MOST)
    shown = found[(page - 1) * size : page * size]
    info = {
        "page": page, "per_page": size, "count": len(shown), "total_count": len(found),
        "total_pages": -(-len(found) // size),
    }  # fmt: skip
    return wrapped(shown, info)


def _number(asked: Asked, name: str, usual: int, most: int) -> int:
    text = asked.ask.query.get(name) or str(usual)
    if not text.isascii() or not text.isdigit() or len(text) > 12 or not 1 <= int(text) <= most:
        raise BadRequest(f"{name} is {text!r:.80}; 1 to {most:,} are allowed")
    return int(text)


async def _title(asked: Asked) -> str:
    found = await asked.members()
    title = found.get("title")
    if not isinstance(title, str):
        raise BadRequest(f"title is {title!r:.80}; text is wanted")
    if found.get("jurisdiction") is not None:
        words = f"jurisdiction is {found['jurisdiction']!r:.80}; there are none here"
        raise BadRequest(words, next_step="make the namespace by crdtkv's own API, which takes colos")
    return title


async def ask_create(asked: Asked) -> Reply:
    """A namespace at every colo."""
    node = asked.serving.node
    return wrapped(_plain(await asked.serving.slow(node.create, await _title(asked))))


async def ask_namespace(asked: Asked) -> Reply:
    """By id, or by title."""
    return wrapped(_plain(asked.serving.node.namespace(asked.ask.namespace)))


async def ask_rename(asked: Asked) -> Reply:
    """Its data is what it was."""
    node = asked.serving.node
    return wrapped(_plain(await asked.serving.slow(node.rename, asked.ask.namespace, await _title(asked))))


async def ask_delete(asked: Asked) -> Reply:
    """It is gone, and all in it."""
    await asked.serving.slow(asked.serving.node.delete, asked.ask.namespace)
    return wrapped(None)


# who asks


async def ask_token(asked: Asked) -> Reply:
    """Whether the token is good."""
    return wrapped({"id": _who(asked), "status": "active"}, None, "This API Token is valid and active")


def _who(asked: Asked) -> str:
    """The id of the token; of none, or one of the settings, crdtkv. Raises Unauthorized."""
    tokens = asked.serving.node.tokens
    return (tokens.known(token_of(asked.ask.scope["headers"])).id if tokens.guarded else "") or "crdtkv"


async def ask_user(asked: Asked) -> Reply:
    """Whose token it is."""
    who = _who(asked)
    return wrapped({"id": who, "email": f"{who}@{asked.serving.node.colo}.invalid", "username": who})


async def ask_accounts(asked: Asked) -> Reply:
    """The cluster."""
    _who(asked)
    return _page(asked, [ACCOUNT])


async def ask_memberships(asked: Asked) -> Reply:
    """That whoever asks is of it."""
    return _page(asked, [{"id": _who(asked), "status": "accepted", "account": ACCOUNT, "roles": [], "permissions": {}}])
