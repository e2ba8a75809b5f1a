"""A client of an application in this process, without a network and without threads of its own."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Any

import httpx

__all__ = ["Client"]


class Client:
    """`client.get(path)` as of httpx; each request runs the event loop until it is answered."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self._runner = asyncio.Runner()
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://lhr")

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        content = given.get("content")
        if content is not None and not isinstance(content, str | bytes):
            given["content"] = _each(content)
        return self._runner.run(self._http.request(method, path, **given))

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def head(self, path: str, **given: Any) -> httpx.Response:
        return self.request("HEAD", path, **given)

    def put(self, path: str, **given: Any) -> httpx.Response:
        return self.request("PUT", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.request("POST", path, **given)

    def patch(self, path: str, **given: Any) -> httpx.Response:
        return self.request("PATCH", path, **given)

    def delete(self, path: str, **given: Any) -> httpx.Response:
        return self.request("DELETE", path, **given)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._runner.run(self._http.aclose())
        self._runner.close()


async def _each(parts: Any) -> Any:
    for part in parts:
        yield part
