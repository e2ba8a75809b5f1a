"""The application: every path of docs/http.md, over a node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.routing import Match, Route

from crdtkv.errors import BadRequest, CrdtkvError
from crdtkv.http.refusals import MethodUnknown, RouteUnknown
from crdtkv.node.node import Node
from crdtkv.server import (
    feeds,
    inbox,
    keypaths,
    listing,
    metrics,
    moving,
    namespacing,
    operating,
    ruling,
    writing,
)
from crdtkv.server.describing import complete
from crdtkv.server.front import Front, MakeDoor, failed
from crdtkv.server.limits import LIMITS, Limits
from crdtkv.server.manual import manual
from crdtkv.server.routing import respond
from crdtkv.server.serving import Serving

__all__ = ["create_app", "routed"]

_ROUTERS = (
    keypaths.router, listing.router, writing.router, feeds.router, inbox.router, ruling.router, namespacing.router,
    operating.router, moving.router, metrics.router,
)  # fmt: skip


def create_app(node: Node, limits: Limits = LIMITS, doors: Iterable[MakeDoor] = ()) -> Front:
    """An ASGI application that serves `node`, which it does not close. `doors`: others at the same address.

    >>> app = create_app(Node(None, colo="lhr"))
    """
    serving = Serving(node, limits)
    return Front(serving, routed(serving), doors)


def routed(serving: Serving) -> FastAPI:
    """The same behind its router alone: the OpenAPI, and slower on key paths."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        serving.close()

    app = FastAPI(
        title="crdtkv", version=_release(), lifespan=lifespan, redoc_url=None, docs_url=None,
        summary="A replicated key-value store whose concurrent writes merge, by the strategy you choose",
    )  # fmt: skip
    app.state.serving = serving
    for router in _ROUTERS:
        app.include_router(router)
    for path in ("/docs", "/"):  # who types a colo's address into a browser is told what there is
        app.add_route(path, _manual, include_in_schema=False)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _unrouted)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


async def _manual(request: Request) -> Response:
    return HTMLResponse(manual(request.app.openapi(), str(request.base_url).rstrip("/")))


def _openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        made = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
        app.openapi_schema = complete(made, (route for router in _ROUTERS for route in router.routes))
    return app.openapi_schema


async def _invalid(request: Request, error: Any) -> Response:
    """What a parameter is and may not be, in the words and the shape of every other error."""
    words = []
    for each in error.errors()[:5]:
        place, *names = each["loc"]
        name = ".".join(str(part) for part in names)
        told = "there is no such parameter" if each["type"] == "extra_forbidden" else each["msg"].lower()
        words.append(f"{place} {name!r} is {each.get('input')!r:.80}: {told}")
    return respond(failed(BadRequest("; ".join(words))))


async def _unrouted(request: Request, error: Any) -> Response:
    path = request.scope["raw_path"]
    if error.status_code == 405:
        allow = ", ".join(_methods(request))
        return respond(failed(MethodUnknown(f"method {request.method!r:.20} is none of {allow}", allow=allow)))
    if error.status_code == 404:
        return respond(failed(RouteUnknown(f"there is no path {path.decode('latin-1')!r:.200}")))
    found = CrdtkvError(str(error.detail).lower(), happened="no")
    return Response(status_code=error.status_code) if error.status_code < 400 else respond(failed(found))


def _methods(request: Request) -> list[str]:
    """All that the path takes: the router tells those of the first route that fits."""
    ours = [route for router in _ROUTERS for route in router.routes if isinstance(route, Route)]
    fits = [route for route in ours if route.matches(request.scope)[0] is not Match.NONE]
    return sorted({method for route in fits for method in route.methods or ()})


def _release() -> str:
    from importlib.metadata import version

    return version("crdtkv")
