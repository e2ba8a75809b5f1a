"""The page at /docs: every path is on it, it needs no network, and it runs nothing."""

from __future__ import annotations

import re

from tests.server.asgi import Client


def test_every_path_is_on_it_with_a_line_to_paste(client: Client) -> None:
    page, described = client.get("/docs").text, client.get("/openapi.json").json()
    for path, acts in described["paths"].items():
        for method, act in acts.items():
            assert f"<b>{method.upper()}</b><code>{path}</code>" in page and act["summary"] in page
    assert "curl -X PUT &#x27;http://lhr/v1/default/keys/todo&#x27;" in page
    assert "/v1/default/rules/cart%2F%2A" in page and "/revert?to=TO" in page
    assert "precondition-failed" in page


def test_it_needs_no_network_and_runs_nothing(client: Client) -> None:
    """Where a colo stands there may be no way out, and who reads it has a token in hand."""
    page = client.get("/docs").text
    assert "<script" not in page and "<link" not in page and "src=" not in page
    assert re.findall("href=([^ >]+)", page) == ["/openapi.json"]


def test_who_asks_cannot_write_on_it(client: Client) -> None:
    page = client.get("/docs", headers={"host": "lhr\"><script>alert(1)</script>"}).text
    assert "<script" not in page


def test_it_is_what_a_browser_finds_at_the_colo_s_address(client: Client) -> None:
    """What is of one key comes first, a path before those below it."""
    page = client.get("/").text
    assert page == client.get("/docs").text
    told = re.findall("<code>(/v1/[^<]*)</code>", page)
    assert told[0] == "/v1/{namespace}/keys/{key}" and told.index("/v1/{namespace}/keys/{key}/operations") < told.index(
        "/v1/{namespace}/keys"
    )
