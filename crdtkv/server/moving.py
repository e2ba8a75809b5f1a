"""Many keys in and out: NDJSON, read and written as it comes."""

from __future__ import annotations

import io
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from crdtkv.bulk.items import page_of
from crdtkv.bulk.loading import Into, load
from crdtkv.bulk.sources import ndjson
from crdtkv.core import values
from crdtkv.errors import BadRequest, CrdtkvError, TooLarge
from crdtkv.http import bodies
from crdtkv.http.names import NDJSON
from crdtkv.http.refusals import ContentTypeUnknown
from crdtkv.server.asking import Ask, Receive, Reply, Scope, check_length, json_reply
from crdtkv.server.describing import body, replies
from crdtkv.server.inbox import Prefixed
from crdtkv.server.routing import through

if TYPE_CHECKING:
    from crdtkv.node.waiting import Covered
    from crdtkv.server.serving import Serving
    from crdtkv.store.store import Store
    from crdtkv.store.transaction import Transaction

__all__ = ["Importing", "router"]

router = APIRouter(tags=["moving"])
_PROBLEMS = 1_000
_SPOOLED = 8 << 20
_PAGE = 500
_TYPES = (NDJSON, "application/jsonlines", "application/json-lines", "application/x-www-form-urlencoded", "")


class Importing(BaseModel):
    """Of which keys."""

    model_config = ConfigDict(extra="forbid")

    absent_only: Annotated[bool, Field(description="Leave alone the keys that are there.")] = False


@router.post(
    "/v1/{namespace}/import", summary="Put many keys, a line of JSON each", operation_id="import_keys",
    **replies(200, "Imported"),
    openapi_extra=body("Lines", '{"key": "todo", "value": [1, 2]}', kind=NDJSON, required=False),
)  # fmt: skip
async def _import(request: Request, namespace: str, given: Annotated[Importing, Query()]) -> Response:
    """Lines as `crdtkv export` writes them. What is wrong with one is said of it, and the rest goes on; to send it
    again does no harm."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        if ask.content_type not in _TYPES:
            raise ContentTypeUnknown(f"content-type is {ask.content_type!r:.80}; {NDJSON} is wanted")
        with tempfile.SpooledTemporaryFile(_SPOOLED) as lines:
            await _spool(request.scope, request.receive, lines, serving)
            return json_reply(await serving.slow(_loaded, _As(store, ask.covered), lines, given.absent_only))

    return await through(request, "write", namespace, None, call, body=False)


async def _spool(scope: Scope, receive: Receive, lines: Any, serving: Serving) -> None:
    """The body, to a file: who sends slowly holds no thread. Raises TooLarge."""
    limit, size = serving.limits.streamed, 0
    check_length(scope, limit)
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise BadRequest("the client went away in the middle of the body")
        part, more = message.get("body", b""), message.get("more_body", False)
        size += len(part)
        if size > limit:
            raise TooLarge(f"the body is more than {limit:,} bytes", next_step="send it in several parts")
        if size > _SPOOLED:
            await serving.slow(lines.write, part)
        else:
            lines.write(part)
    lines.seek(0)


def _loaded(store: Into, lines: Any, absent_only: bool) -> dict[str, Any]:
    problems: list[dict[str, Any]] = []

    def problem(line: int, words: str) -> None:
        if len(problems) < _PROBLEMS:
            problems.append({"line": line, "message": words})

    found = ndjson(io.BufferedReader(_Raw(lines)), time.time())
    done = load(store, found, time.time, absent_only=absent_only, problem=problem, advance=lambda done, read: None)
    counts = {name: getattr(done, name) for name in ("written", "same", "expired", "kept", "bad")}
    return {**counts, "problems": problems}


class _As:
    """A store whose transactions hold what a session has seen."""

    def __init__(self, store: Store, covered: Covered | None) -> None:
        self._store, self._covered = store, covered

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """All or nothing. Raises BaseNotHere."""
        with self._store.transaction() as t:
            if self._covered is not None:
                self._covered.check()
            yield t


class _Raw(io.RawIOBase):
    """A spooled file as `io.BufferedReader` reads it."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data: bytes = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


@router.get(
    "/v1/{namespace}/export", summary="All keys, a line of JSON each", operation_id="export_keys", response_model=None,
    response_class=Response,
    responses={200: {"description": "Lines", "content": {NDJSON: {"schema": {"type": "string"}}}}},
)  # fmt: skip
async def _export(request: Request, namespace: str, given: Annotated[Prefixed, Query()]) -> Response:
    """As `crdtkv export`; imported again, they are what they were. What is written meanwhile may be in it or not."""

    async def call(serving: Serving, store: Store, ask: Ask) -> Reply:
        text, cursor = await serving.slow(_lines, store, given.prefix, None)
        sent = _exported(serving, store, given.prefix, text, cursor)
        return Reply(200, [(b"content-type", NDJSON.encode())], stream=sent)

    return await through(request, "read", namespace, given.prefix, call)


def _lines(store: Store, prefix: str, cursor: str | None) -> tuple[bytes, str | None]:
    page, cursor = page_of(store, prefix=prefix, limit=_PAGE, cursor=cursor)
    return b"".join([values.to_json(plain).encode() + b"\n" for plain in page]), cursor


async def _exported(
    serving: Serving, store: Store, prefix: str, text: bytes, cursor: str | None
) -> AsyncIterator[bytes]:  # fmt: skip
    while True:
        yield text
        if cursor is None:
            return
        try:
            text, cursor = await serving.slow(_lines, store, prefix, cursor)
        except CrdtkvError as error:  # in the middle of a reply that began well
            yield bodies.dump({"error": bodies.plain_error(error)}) + b"\n"
            return
