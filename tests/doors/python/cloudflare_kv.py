"""Cloudflare's own Python library against a colo: `cloudflare_kv.py write|read|thread URL [URL]`."""

from __future__ import annotations

import json
import os
import sys
import time

import cloudflare
from cloudflare import Cloudflare

ACCOUNT = "me"


def client(url: str) -> Cloudflare:
    return Cloudflare(base_url=f"{url}/client/v4", api_token=os.environ["TOKEN"])


def refused(call: object, status: int, code: int) -> None:
    try:
        call()  # type: ignore[operator]
    except cloudflare.APIStatusError as error:
        found = error.status_code, [each.code for each in error.errors]
        assert found == (status, [code]), found
        return
    raise AssertionError("it was taken")


def write(url: str) -> None:
    kv = client(url).kv.namespaces
    made = kv.create(account_id=ACCOUNT, title="t1")
    assert made.title == "t1" and made.supports_url_encoding
    refused(lambda: kv.create(account_id=ACCOUNT, title="t1"), 400, 10014)
    one = {"account_id": ACCOUNT, "namespace_id": made.id}
    kv.values.update("a/b", **one, value=b"\x00\xff")
    kv.values.update("with", **one, value=b"text", metadata={"owner": "ann", "n": 1}, expiration_ttl=3600)
    kv.values.update("words", **one, value=b"text", metadata='{"owner":"bob"}')
    kv.values.update("gone", **one, value=b"x")
    assert kv.values.delete("gone", **one) is not None
    refused(lambda: kv.values.get("gone", **one), 404, 10009)
    refused(lambda: kv.values.update("k", **one, value=b"x", expiration_ttl=5), 400, 10001)
    refused(lambda: kv.values.update("k" * 513, **one, value=b"x"), 414, 10001)
    refused(lambda: kv.keys.list(account_id=ACCOUNT, namespace_id="nope"), 404, 10013)
    pairs = [{"key": f"many/{i:02}", "value": f"v{i}", "metadata": {"i": i}} for i in range(25)]
    done = kv.bulk_update(made.id, account_id=ACCOUNT, body=pairs)  # type: ignore[arg-type]
    assert done is not None and done.successful_key_count == 25 and not done.unsuccessful_keys
    renamed = kv.update(made.id, account_id=ACCOUNT, title="t2")
    assert (renamed.id, renamed.title) == (made.id, "t2")
    print(made.id)


def read(url: str, id: str) -> None:
    kv = client(url).kv.namespaces
    one = {"account_id": ACCOUNT, "namespace_id": id}
    assert [each.title for each in kv.list(account_id=ACCOUNT, per_page=1, order="title")] == ["default", "t2"]
    assert kv.get(id, account_id=ACCOUNT).title == "t2"
    assert kv.values.get("a/b", **one).read() == b"\x00\xff"
    reply = kv.values.with_raw_response.get("with", **one)
    assert reply.read() == b"text" and int(reply.headers["expiration"]) - time.time() > 3000
    assert kv.metadata.get("with", **one) == {"owner": "ann", "n": 1}
    assert kv.metadata.get("words", **one) == {"owner": "bob"}
    found = [key for key in kv.keys.list(id, account_id=ACCOUNT, limit=10) if key.name != "told"]
    assert [key.name for key in found] == ["a/b", *(f"many/{i:02}" for i in range(25)), "with", "words"]
    assert found[1].metadata == {"i": 0} and found[-2].expiration is not None
    assert len(list(kv.keys.list(id, account_id=ACCOUNT, prefix="many/1"))) == 10
    values = kv.bulk_get(id, account_id=ACCOUNT, keys=["many/00", "none"], with_metadata=True)
    assert values is not None and values.model_dump()["values"]["none"] is None, values
    assert values.model_dump()["values"]["many/00"]["metadata"] == {"i": 0}, values
    done = kv.bulk_delete(id, account_id=ACCOUNT, body=["many/00", "many/01"])
    assert done is not None and done.successful_key_count == 2
    assert len(list(kv.keys.list(id, account_id=ACCOUNT, prefix="many/"))) == 23


def thread(first: str, second: str) -> None:
    """Two clients read a list; one puts it without 5, the other, which knows nothing of that, with 8 and 9."""
    one, two = client(first).kv.namespaces.values, client(second).kv.namespaces.values
    at = {"account_id": ACCOUNT, "namespace_id": "default"}
    mine, theirs = (json.loads(values.get("todo", **at).read()) for values in (one, two))
    assert mine == theirs == [1, 2, 3, 4, 5, 6, 7]
    mine.remove(5)
    theirs += [8, 9]
    one.update("todo", **at, value=json.dumps(mine).encode())
    two.update("todo", **at, value=json.dumps(theirs).encode())


def delete(url: str, id: str) -> None:
    kv = client(url).kv.namespaces
    kv.delete(id, account_id=ACCOUNT)
    refused(lambda: kv.get(id, account_id=ACCOUNT), 404, 10013)


if __name__ == "__main__":
    {"write": write, "read": read, "thread": thread, "delete": delete}[sys.argv[1]](*sys.argv[2:])
