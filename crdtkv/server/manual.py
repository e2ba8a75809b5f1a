"""The page at /docs: what the OpenAPI says, for people, with a line to paste for each path.

Rule: one page that needs no network and runs nothing, so that it is there where a colo is, and whoever reads it
beside a token hands that to nobody.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from itertools import groupby
from typing import Any
from urllib.parse import quote

__all__ = ["manual"]

_NAMED = {"namespace": "default", "key": "todo", "pattern": "cart/*", "colo": "sin", "id": "ID"}
"""What stands in a line to paste for a part of a path."""

_STYLE = """
:root { color-scheme: light dark; --soft: #59636e; --line: #e3e5e8; --code: #f0f1f2 }
@media (prefers-color-scheme: dark) { :root { --soft: #9aa4af; --line: #2a313a; --code: #1b222b } }
body { max-width: 60em; margin: 0 auto; padding: 1.5em 1em 4em; font: 15px/1.5 system-ui, sans-serif }
h1 { margin: 0 } h2 { margin: 1.6em 0 .3em; font-size: 1.2em } p, .soft { color: var(--soft) }
details { border-top: 1px solid var(--line); padding: .35em 0 } summary { cursor: pointer; overflow-wrap: anywhere }
code, pre { font: 13px/1.5 ui-monospace, "DejaVu Sans Mono", monospace } b { display: inline-block; min-width: 5em }
pre { background: var(--code); padding: .6em .8em; border-radius: 4px; white-space: pre-wrap; overflow-wrap: anywhere }
table { border-collapse: collapse; margin: .6em 0 } td { padding: .15em 1.2em .15em 0; vertical-align: top }
"""


def manual(openapi: Mapping[str, Any], url: str) -> str:
    """The page. `url`: where the colo is, as who asks sees it.

    >>> act = {"tags": ["operating"], "summary": "Whether it answers", "responses": {"200": {"description": "yes"}}}
    >>> info = {"title": "crdtkv", "version": "1", "summary": "A store"}
    >>> page = manual({"info": info, "paths": {"/healthz": {"get": act}}}, "http://127.0.0.1:8801")
    >>> "curl &#x27;http://127.0.0.1:8801/healthz&#x27;" in page
    True
    """
    info = openapi["info"]
    found = [(path, name, act) for path, acts in openapi["paths"].items() for name, act in acts.items()]
    found.sort(key=_rank)
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['summary'])}. A colo at "
        f"<code>{escape(url)}</code>. For programs: <a href=/openapi.json>openapi.json</a>. Where a token is wanted: "
        "<code>-H \"Authorization: Bearer $CRDTKV_TOKEN\"</code>.</p>"
    ]
    for tag, acts in groupby(found, key=lambda each: each[2]["tags"][0]):
        parts.append(f"<h2>{escape(tag)}</h2>")
        parts += [_operation(url, *each) for each in acts]
    parts.append(f"<h2>errors</h2>{_table(_errors(found))}")
    head = f"<!doctype html><html lang=en><meta charset=utf-8><title>{escape(info['title'])}</title>"
    view = "<meta name=viewport content='width=device-width, initial-scale=1'>"
    return f"{head}{view}<style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"


_TAGS = ("keys", "past", "changes", "conflicts", "rules", "namespaces", "tokens", "operating", "moving")


def _rank(each: tuple[str, str, Mapping[str, Any]]) -> tuple[int, bool, str]:
    """By what it is about; of that, what is of one key before what is of many, and a path before those below it."""
    path, _, act = each
    tag = act["tags"][0]
    return _TAGS.index(tag) if tag in _TAGS else len(_TAGS), "{key}" not in path, path


def _operation(url: str, path: str, method: str, act: Mapping[str, Any]) -> str:
    head = f"<b>{method.upper()}</b><code>{escape(path)}</code> <span class=soft>{escape(act['summary'])}</span>"
    rows = [(p["name"], p["in"], p.get("description", "")) for p in act.get("parameters", []) if p["in"] != "path"]
    rows += [("body", kind, "") for kind in act.get("requestBody", {}).get("content", {})]
    rows += [(code, "", said["description"]) for code, said in sorted(act["responses"].items()) if code < "400"]
    line = f"<pre>{escape(_pasted(url, path, method, act))}</pre>"
    return f"<details><summary>{head}</summary>{line}{_table(rows)}</details>"


def _pasted(url: str, path: str, method: str, act: Mapping[str, Any]) -> str:
    """The call by curl, with something for all that it wants."""
    for name, value in _NAMED.items():
        path = path.replace(f"{{{name}}}", quote(value, safe=""))
    wanted = [p["name"] for p in act.get("parameters", []) if p["in"] == "query" and p.get("required")]
    query = "?" + "&".join(f"{name}={name.upper()}" for name in wanted) if wanted else ""
    line = {"get": "curl", "head": "curl -I"}.get(method, f"curl -X {method.upper()}") + f" '{url}{path}{query}'"
    for kind, body in act.get("requestBody", {}).get("content", {}).items():
        example = body.get("example", "")
        text = example if isinstance(example, str) else json.dumps(example)
        return f"{line} -H 'Content-Type: {kind}' -d '{text}'"
    return line


def _errors(found: list[tuple[str, str, Mapping[str, Any]]]) -> Iterator[tuple[str, ...]]:
    """Each status and its codes, as they stand with the operations."""
    told = {code: said["description"] for _, _, act in found for code, said in act["responses"].items()}
    return ((code, told[code]) for code in sorted(told) if code >= "400")


def _table(rows: Any) -> str:
    lines = ("".join(f"<td>{escape(cell.replace('`', ''))}</td>" for cell in row) for row in rows)
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
