"""Streams: beside redis-server, and at two colos."""

from __future__ import annotations

import threading
from random import Random
from typing import Any

import pytest
import redis

from tests.doors.redis.beside import answers, redis_server, same

_WRONG = ("MAXLEN", "-1")


def drawn(dice: Random) -> list[tuple[Any, ...]]:
    """Commands over one stream whose greatest entry is never removed: an emptied stream is gone here."""
    out: list[tuple[Any, ...]] = [("DEL", "x"), ("XADD", "x", "1-1", "a", "1")]
    ids = ["1-1"]

    def some() -> str:
        return dice.choice([*ids, "0", "-", "+", "3", "7-2", "(2", "(1-1", "x", "", "99999999999999999999999", "0-0"])

    for n in range(2, 30):
        fields = [dice.choice(["a", "b", b"\xff", ""]) for _ in range(2 * dice.randint(1, 3))]
        pick = dice.random()
        if pick < 0.35:
            id = f"{n}-{dice.randrange(3) + 1}"
            ids.append(id)
            out.append(("XADD", "x", id, *fields))
        elif pick < 0.45:
            option = dice.choice([("MAXLEN", "5"), ("MAXLEN", "=", "3"), ("MINID", ids[0]), ("NOMKSTREAM",), _WRONG])
            ids.append(f"{n}-1")
            out.append(("XADD", "x", *option, f"{n}-1", *fields))
        elif pick < 0.5:
            out.append(("XADD", "x", dice.choice(["0-0", "1-0", "x", "1-x", "-", "0"]), *fields[: dice.randint(0, 4)]))
        elif pick < 0.55:
            ids.append(f"{n}-0")
            out.append(("XADD", "x", f"{n}-*", "f", "v"))
        elif pick < 0.65 and len(ids) > 1:
            out.append(("XDEL", "x", *(dice.choice(ids[:-1]) for _ in range(dice.randint(1, 3)))))
        elif pick < 0.7:
            out.append(("XTRIM", "x", *dice.choice([("MAXLEN", "4"), ("MINID", "1-2"), ("MAXLEN", "~"), ("LEN", "3")])))
        elif pick < 0.8:
            count = dice.choice([(), (), ("COUNT", "2"), ("COUNT", "0"), ("COUNT",), ("COUNT", "x")])
            out.append((dice.choice(["XRANGE", "XREVRANGE"]), "x", some(), some(), *count))
        elif pick < 0.9:
            id = dice.choice([*ids, "0", "$", "x"])
            streams = dice.choice([("x", id), ("x", "y", id, "0")])
            out.append(("XREAD", *dice.choice([(), ("COUNT", "2")]), "STREAMS", *streams))
        else:
            out.append(dice.choice([("XLEN", "x"), ("XLEN", "y"), ("XREAD", "STREAMS", "x"), ("XREAD", "COUNT", "1")]))
    return out


@pytest.mark.parametrize("protocol", [2, 3])
def test_any_commands(colo: Any, tmp_path: Any, protocol: int) -> None:
    with redis_server(tmp_path) as server:
        for seed in range(60):
            commands = drawn(Random(seed))
            mine, theirs = (answers(port, commands, protocol) for port in (colo.port, server))
            for at, (command, a, b) in enumerate(zip(commands[1:], mine[1:], theirs[1:], strict=True), 1):
                assert same(command, a, b), f"{seed}: {commands[: at + 1]}: {a!r}, and redis-server {b!r}"


def test_an_id_says_when_and_is_greater_than_all_before(colo: Any, r: Any) -> None:
    ids = [r.xadd("x", {"n": n}) for n in range(50)]
    parts = [tuple(map(int, id.split(b"-"))) for id in ids]
    assert parts == sorted(set(parts))
    assert abs(parts[0][0] - int(r.time()[0]) * 1000) < 60_000
    assert [entry[1] for entry in r.xrange("x")] == [{b"n": b"%d" % n} for n in range(50)]
    assert r.type("x") == b"stream" and colo.store["x"][0] == [ids[0].decode(), "n", "0"]


def test_what_two_colos_append_is_in_one_order_and_no_two_ids_are_the_same(two: Any) -> None:
    lhr, sin, sync = two
    for n in range(20):
        lhr.xadd("x", {"lhr": n})
        sin.xadd("x", {"sin": n})
    sync()
    assert lhr.xrange("x") == sin.xrange("x")
    ids = [id for id, _ in lhr.xrange("x")]
    assert len(set(ids)) == 40 and ids == sorted(ids, key=lambda id: tuple(map(int, id.split(b"-"))))


@pytest.mark.parametrize(
    ("here", "there", "left"),
    [
        ("XDEL x 1-1", "XADD x 3-1 c 3", [b"2-1", b"3-1"]),
        ("DEL x", "XADD x 3-1 c 3", [b"3-1"]),
        ("XTRIM x MAXLEN 1", "XADD x 3-1 c 3", [b"2-1", b"3-1"]),
        ("XADD x 3-1 a 1", "XADD x 3-1 b 2", [b"1-1", b"2-1", b"3-1", b"3-1"]),  # both stand, under one id
    ],
)
def test_what_was_not_seen_stands(two: Any, here: str, there: str, left: list[bytes]) -> None:
    lhr, sin, sync = two
    lhr.xadd("x", {"a": 1}, id="1-1")
    lhr.xadd("x", {"b": 1}, id="2-1")
    sync()
    lhr.execute_command(*here.split())
    sin.execute_command(*there.split())
    sync()
    assert [id for id, _ in lhr.xrange("x")] == [id for id, _ in sin.xrange("x")] == left


def test_who_waits_for_what_comes_next_is_told_that(colo: Any, r: Any) -> None:
    """`$` is the last entry when it was asked for first."""
    r.xadd("x", {"a": 1})
    found: list[Any] = []
    waiting = threading.Thread(target=lambda: found.append(colo.client().xread({"x": "$"}, block=60_000)))
    waiting.start()
    while not colo.redis_port.door.place("default").parking:
        pass
    r.set("other", 1)
    id = r.xadd("x", {"b": 2})
    waiting.join()
    assert repr(id) in repr(found) and repr(found).count("-") == 1, "one entry"
    assert r.xread({"x": "$"}, block=10) in ([], {}, None)


def test_entries_of_other_doors_are_shown(colo: Any, r: Any) -> None:
    colo.store.log("x").append({"login": "ann"})
    [(id, fields)] = r.xrange("x")
    assert fields == {b"value": b'{"login":"ann"}'} and r.xadd("x", {"a": 1}) > id
    assert r.xdel("x", id) == 1 and r.xlen("x") == 1
    info = r.xinfo_stream("x")
    assert info["length"] == 1 and info["first-entry"] == info["last-entry"]


def test_groups_are_refused_in_words(r: Any) -> None:
    with pytest.raises(redis.ResponseError, match="consumer groups are not supported: what a group has read"):
        r.xgroup_create("x", "g", mkstream=True)
