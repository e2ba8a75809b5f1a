"""Operations and transactions that are sent again under their idempotency key; and what a receipt says of a base."""

from __future__ import annotations

from typing import Any

import pytest

from crdtkv.node.node import Node
from crdtkv.server.app import create_app
from tests.server.asgi import Client

KEYED = {"idempotency-key": "order-7"}


def test_an_operation_sent_again_is_answered_as_the_first_time(client: Client) -> None:
    path, body = "/v1/default/keys/l/operations", {"op": "append", "value": 1}
    first = client.post(path, json=body, headers=KEYED).json()
    client.post(path, json={"op": "append", "value": 2})
    assert client.post(path, json=body, headers=KEYED).json() == first
    assert client.get("/v1/default/keys/l").json() == [1, 2]


def test_a_transaction_sent_again_is_answered_as_the_first_time(client: Client) -> None:
    body = {"writes": [{"key": "n", "op": "increment"}, {"key": "l", "op": "append", "value": 1}]}
    first = client.post("/v1/default/transactions", json=body, headers=KEYED).json()
    assert client.post("/v1/default/transactions", json=body, headers=KEYED).json() == first
    assert client.get("/v1/default/keys/n").json() == 1 and client.get("/v1/default/keys/l").json() == [1]


def test_a_patch_a_delete_and_a_revert_sent_again_are_answered_as_the_first_time(client: Client) -> None:
    """Whatever others have written meanwhile stands."""
    key = "/v1/default/keys/l"
    version = client.put(key, json=[1]).json()["version"]
    patch = {"content-type": "application/json-patch+json", "idempotency-key": "p"}
    ways = [
        lambda: client.patch(key, json=[{"op": "add", "path": "/-", "value": 2}], headers=patch),
        lambda: client.post(f"{key}/revert", params={"to": version}, headers={"idempotency-key": "r"}),
        lambda: client.delete(key, headers={"idempotency-key": "d"}),
    ]
    for way, shows in zip(ways, ([1, 2], [1], None), strict=True):
        first = way()
        found = client.get(key)
        assert first.status_code == 200 and (found.json() if found.status_code == 200 else None) == shows
        client.post(f"{key}/operations", json={"op": "append", "value": 7})
        before = client.get(key).json()
        assert way().json() == first.json() and client.get(key).json() == before
        client.put(key, json=shows or [])


def test_increments_count_once_at_whatever_colos_they_are_tried(client: Client, node: Node) -> None:
    """Each of a request by itself; what bears a key of its own, under that; a client's retry is of the colo alone."""
    path, twice = "/v1/default/keys/n/operations", [{"op": "increment", "by": 2}, {"op": "increment", "by": 3}]
    with Node(None, colo="sin") as away, Client(create_app(away)) as other:
        node.store("default").sync(away.store("default"))
        for colo in (client, other):
            assert colo.post(path, json=twice, headers=KEYED).status_code == 200
            own = {"op": "increment", "by": 10, "idempotency_key": "own"}
            colo.post(path, json=own, headers={"idempotency-key": "another"})
            colo.post(path, json={"op": "increment", "by": 100}, headers={"crdtkv-retry": "this"})
            moved = {"writes": [{"key": "n", "op": "decrement", "by": 1000}, {"key": "m", "op": "increment"}]}
            colo.post("/v1/default/transactions", json=moved, headers={"idempotency-key": "moved"})
        node.store("default").sync(away.store("default"))
        for colo in (client, other):
            found = [colo.get(f"/v1/default/keys/{key}").json() for key in ("n", "m")]
            assert found == [2 + 3 + 10 + 2 * 100 - 1000, 1]


@pytest.mark.parametrize(
    ("path", "body"),
    [("keys/n/operations", {"op": "increment", "by": 2}), ("keys/m/operations", {"op": "increment"}),
     ("transactions", {"writes": [{"key": "n", "op": "increment"}]})],
)  # fmt: skip
def test_one_key_is_not_for_two_wishes(client: Client, path: str, body: Any) -> None:
    client.post("/v1/default/keys/n/operations", json={"op": "increment"}, headers=KEYED)
    refused = client.post(f"/v1/default/{path}", json=body, headers=KEYED)
    assert refused.status_code == 400 and "was used for another write" in refused.json()["message"]
    assert client.get("/v1/default/keys/n").json() == 1


def test_a_receipt_says_whether_others_had_written_since_the_base(client: Client) -> None:
    key = "/v1/default/keys/l"
    base = client.put(key, json=[1, 2]).json()["version"]
    mine = client.put(key, json=[1], params={"base": base}).json()
    assert mine["merged"] is False
    assert client.put(key, json=[1, 2, 3], params={"base": base}).json()["merged"] is True
    assert "merged" not in client.put(key, json=[]).json()
    patch = {"content-type": "application/json-patch+json"}
    assert client.patch(key, json=[], params={"base": base}, headers=patch).json()["merged"] is True
    told = client.post(f"{key}/operations", json={"op": "append", "value": 4, "base": base}).json()
    assert told["merged"] is True


def test_a_part_is_what_a_handle_shows(client: Client) -> None:
    client.post("/v1/default/keys/tags/operations", json={"op": "add", "values": ["a", 1], "family": "set"})
    client.put("/v1/default/keys/doc", json={"items": [{"qty": 2}]})

    def part(key: str, **asked: Any) -> Any:
        return client.post(f"/v1/default/keys/{key}/part", json=asked)

    assert part("tags", family="set").json() == {"value": [1, "a"]}
    assert part("tags", family="set", element="a").json() == {"value": True}
    assert part("tags", family="set", element=1.0).json() == {"value": False}
    assert part("nothing", family="counter").json() == {"value": None}
    assert part("doc", family="json", path="/items/0/qty").json() == {"value": 2}
    assert part("tags", family="list").status_code == 409
    assert part("doc", family="set", path="/items").status_code == 400
    assert part("doc", path="/items").status_code == part("doc", family="json", patch=1).status_code == 400
    client.post("/v1/default/keys/log/operations", json={"op": "append", "values": ["x", "y"], "family": "log"})
    [[ms, word], _] = part("log", family="log", since=None, until=None).json()["value"]
    assert word == "x" and part("log", family="log", since=ms + 10**9, until=None).json() == {"value": []}
