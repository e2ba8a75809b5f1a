"""Transactions, as the router knows them."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from crdtkv.server.describing import body, replies
from crdtkv.server.routing import through
from crdtkv.server.ruling import DryRun
from crdtkv.server.writes import transact

__all__ = ["router"]

router = APIRouter(tags=["keys"])
_EXAMPLE = {
    "if": [{"key": "cart/7", "version": None}],
    "writes": [{"key": "cart/7", "op": "put", "value": {"hats": 1}}, {"key": "hits", "op": "increment", "by": 1}],
}


@router.post(
    "/v1/{namespace}/transactions", summary="Several writes, all or none of them", operation_id="transact",
    **replies(200, "Transacted", {"receipts": [{"key": "cart/7", "version": "1a2b_lhr~k3f9.42", "strategy": "json"}]}),
    openapi_extra=body("Transaction", _EXAMPLE),
)  # fmt: skip
async def _transact(request: Request, namespace: str, given: Annotated[DryRun, Query()]) -> Response:
    """One transaction, seen whole or not at all at every colo; nothing is written where an `if` does not hold.

    In a dry run nothing is written at all: the reply is how the keys in `read` would read after it.
    """
    return await through(request, "", namespace, None, partial(transact, trying=given.dry_run))
