"""Many keys: pages of a selection, all of it as lines, and those that are named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from crdtkv.core.clocks import merge
from crdtkv.core.versions import parse_version
from crdtkv.errors import BadRequest, CrdtkvError, TooLarge
from crdtkv.http import bodies
from crdtkv.http.names import NDJSON
from crdtkv.server.asking import Ask, Reply, json_reply
from crdtkv.server.describing import body, replies
from crdtkv.server.doors import admit
from crdtkv.server.routing import through

if TYPE_CHECKING:
    from crdtkv.server.serving import Serving
    from crdtkv.store.results import Entry, Page
    from crdtkv.store.store import Store

__all__ = ["Listing", "named_keys", "router", "seen_in"]

router = APIRouter(tags=["keys"])
_PAGE = 1000


class Listing(BaseModel):
    """Which keys, and how many of them."""

    model_config = ConfigDict(extra="forbid")

    prefix: Annotated[str, Field(description="They begin so.")] = ""
    glob: Annotated[str | None, Field(description="They match this: `*`, `?`, `[a-z]`.", examples=["cart/*"])] = None
    regex: Annotated[str | None, Field(description="This RE2 expression is found in them.")] = None
    start: Annotated[str | None, Field(description="They are not below this.")] = None
    end: Annotated[str | None, Field(description="They are below this.")] = None
    limit: Annotated[int | None, Field(ge=1, le=10_000, description="How many at most; 1,000.")] = None
    cursor: Annotated[str | None, Field(description="Of the page before.")] = None
    reverse: Annotated[bool, Field(description="The last first.")] = False
    count: Annotated[bool, Field(description="How many there are, and nothing else.")] = False
    values: Annotated[bool, Field(description="Whole entries, not keys alone.")] = False


@router.get(
    "/v1/{namespace}/keys", summary="List keys, in order", operation_id="list_keys",
    **replies(200, "Keys", {"keys": ["cart/7", "cart/9"], "cursor": None}, NDJSON),
)  # fmt: skip
async def _list(request: Request, namespace: str, given: Annotated[Listing, Query()]) -> Response:
    """A page of keys, or of entries with `values=true`; with `Accept: application/x-ndjson` a line each."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        if given.count:
            return json_reply({"count": await serving.slow(_count, store, given)})
        if ask.wants(NDJSON):
            first = await serving.slow(_page, store, given)
            return Reply(200, [(b"content-type", NDJSON.encode())], stream=_lines(serving, store, given, first))
        page = await serving.slow(_page, store, given)
        return await serving.slow(_page_reply, page, given)

    return await through(request, "read", namespace, given.prefix, call)


def _count(store: Store, given: Listing) -> int:
    said = given.model_dump(include={"prefix", "glob", "regex", "start", "end"})
    return len(store.keys(**said))


def _page(store: Store, given: Listing) -> Page:
    said = given.model_dump(exclude={"values", "limit", "count"})
    return store.scan(**said, limit=_PAGE if given.limit is None else given.limit)


def _page_reply(page: Page, given: Listing) -> Reply:
    told: dict[str, Any] = (
        {"entries": [bodies.plain_entry(each) for each in page]} if given.values else {"keys": [e.key for e in page]}
    )
    return json_reply({**told, "cursor": page.cursor}, seen=seen_in(page))


async def _lines(serving: Serving, store: Store, given: Listing, page: Page) -> AsyncIterator[bytes]:
    """All that there is, or as much as the limit, each page read when the one before was sent."""
    while True:
        yield await serving.slow(_text, page, given)
        if page.cursor is None:
            return
        if given.limit is not None or serving.stopping.is_set():
            yield bodies.dump({"cursor": page.cursor}) + b"\n"
            return
        given = given.model_copy(update={"cursor": page.cursor})
        try:
            page = await serving.slow(_page, store, given)
        except CrdtkvError as error:  # in the middle of a reply that began well
            yield bodies.dump({"error": bodies.plain_error(error), "cursor": given.cursor}) + b"\n"
            return


def _text(page: Page, given: Listing) -> bytes:
    plain = (bodies.plain_entry(each) if given.values else {"key": each.key} for each in page)
    return b"".join([bodies.dump(each) + b"\n" for each in plain])


def seen_in(entries: list[Entry]) -> dict[str, int]:
    """What whoever read these has seen. O(entries)."""
    seen: dict[str, int] = {}
    for version, key in {entry.version.partition("_")[2]: (entry.version, entry.key) for entry in entries}.values():
        seen = merge([seen, parse_version(key, version)])
    return seen


@router.post(
    "/v1/{namespace}/get", summary="Read several keys at one instant", operation_id="get_keys",
    **replies(200, "Entries", {"entries": {"todo": None}}),
    openapi_extra=body("GetKeys", {"keys": ["todo", "cart/7"]}),
)  # fmt: skip
async def _get(request: Request, namespace: str) -> Response:
    """Their entries, null for what is absent. At most 1,000 keys."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        keys = named_keys(ask, serving.limits.keys)
        for key in keys:
            admit(serving, ask.scope, "read", namespace, key)
        found = await serving.slow(store.get_many, keys)
        seen = seen_in([each for each in found.values() if each is not None])
        plain = {key: None if each is None else bodies.plain_entry(each) for key, each in found.items()}
        return json_reply({"entries": plain}, seen=seen)

    return await through(request, "", namespace, None, call, reads=True)


def named_keys(ask: Ask, limit: int) -> list[str]:
    """The keys in a body `{"keys": [...]}`. Raises BadRequest, TooLarge."""
    found = ask.object()
    keys = found.get("keys")
    if found.keys() != {"keys"} or not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise BadRequest(f"the body is {found!r:.80}; an object with 'keys', a list of keys, is wanted")
    if len(keys) > limit:
        raise TooLarge(f"{len(keys):,} keys; at most {limit:,}")
    return keys
