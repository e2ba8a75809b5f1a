"""The case of the thread over HTTP: one list, two clients at two colos, each PUTs its whole list. With lines to paste.

What is shown was sent: each line is printed as curl would be told it, and what the colo answered.
"""

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from shlex import quote

import httpx

import crdtkv
from crdtkv.demo.screen import console

__all__ = ["show"]

_FIRST = [1, 2, 3, 4, 5, 6, 7]
_WITHOUT_5 = [1, 2, 3, 4, 6, 7]
_WITH_8_9 = [1, 2, 3, 4, 5, 6, 7, 8, 9]
_PATIENCE = 10.0
"""Seconds that a write may take to the other colos."""


def show(urls: Mapping[str, str]) -> None:
    """Prints the case, at the colos served at these addresses: the first, the second and the last."""
    out = console()
    names = list(urls)
    lhr, sin, gru = names[0], names[min(1, len(names) - 1)], names[-1]
    paths = {name: f"{url}/v1/default/keys/todo" for name, url in urls.items()}
    out.print("\n[bold]One list, two clients, over HTTP[/bold]")
    with ExitStack() as stack:
        at_lhr, at_sin, at_gru = (stack.enter_context(crdtkv.connect(urls[c], tries=1)) for c in (lhr, sin, gru))
        at_lhr.pop("todo", None)
        out.print(f"\n1. A client at {lhr} writes seven entries:")
        base = _put(paths[lhr], _FIRST)

        _until(at_sin, base)
        out.print(f"\n2. Two clients have read that. One takes 5 out, at {lhr}; one adds 8 and 9, at {sin}. Each PUTs")
        out.print("   its whole list, and says by base= which version it had read:")
        for version in (_put(paths[lhr], _WITHOUT_5, base), _put(paths[sin], _WITH_8_9, base)):
            _until(at_gru, version)
        out.print(f"\n3. Every client now reads, at {gru} as elsewhere, 5 gone and 8 and 9 there:")
        _show(paths[gru], httpx.get(paths[gru]))


def _put(path: str, value: list[int], base: str = "") -> str:
    """The version of it; shown as curl is told it."""
    url, body = (f"{path}?base={base}" if base else path), json.dumps(value)
    answer = httpx.put(url, content=body)
    _show(f"-X PUT {quote(url)} -d {quote(body)}", answer)
    return str(answer.json()["version"])


def _show(words: str, answer: httpx.Response) -> None:
    print(f"   curl {words}\n   {answer.raise_for_status().text}")


def _until(client: "crdtkv.Client", version: str) -> None:
    """That version has arrived where the client asks. (A session token says the same without asking again.)"""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            client.get("todo", at=version)
            return
        except crdtkv.Unavailable:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.02)
