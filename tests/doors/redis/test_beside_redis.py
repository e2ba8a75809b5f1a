"""At one colo the commands of collections answer what redis-server answers, mistakes included."""

from random import Random
from typing import Any

import pytest
import redis
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.doors.redis.beside import answers, redis_server, same
from tests.doors.redis.drawn import KEYS, LOGS, draw

_FEW = settings(max_examples=max(40, settings().max_examples // 2))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port


def beside(ours: int, theirs: int, commands: list[tuple[Any, ...]], protocol: int = 2, together: bool = False) -> None:
    begun = [("DEL", *KEYS, *LOGS), ("SET", "str", "v"), *commands]
    mine, others = (answers(port, begun, protocol, together) for port in (ours, theirs))
    for at, (command, a, b) in enumerate(zip(begun[1:], mine[1:], others[1:], strict=True), 1):
        assert same(command, a, b), f"{begun[: at + 1]}: {a!r}, and redis-server {b!r}"


@pytest.mark.parametrize("protocol", [2, 3])
def test_any_commands(colo: Any, server: int, protocol: int) -> None:
    @_FEW
    @given(st.integers(0, 2**32).map(Random))
    def compare(dice: Random) -> None:
        beside(colo.port, server, [draw(dice) for _ in range(40)], protocol)

    compare()


def test_any_commands_at_once(colo: Any, server: int) -> None:
    """Those that come together share a transaction, and what those of one kind say in a row is written at once."""

    @_FEW
    @given(st.integers(0, 2**32).map(Random))
    def compare(dice: Random) -> None:
        commands = [draw(dice) for _ in range(30)]
        kinds = dice.choice(["RPUSH LPUSH LLEN", "SADD", "HSET", "SADD SREM", "RPUSH RPOP LSET"]).split()
        while len(commands) < 60:
            words = draw(dice)
            if words[0] in kinds:
                commands.append(words)
        commands += [("LRANGE", "l1", "0", "-1"), ("SMEMBERS", "s1"), ("HGETALL", "h1"), ("LLEN", "l2")]
        beside(colo.port, server, [words for words in commands if words[0][0] != "B"], together=True)

    compare()


def test_what_two_strings_have_in_common(colo: Any, server: int) -> None:
    """Of several that are as long the same one; with the options in any order, also wrong ones."""
    options = ["LEN", "idx", "WITHMATCHLEN", "MINMATCHLEN 2", "MINMATCHLEN 4", "MINMATCHLEN -1", "MINMATCHLEN", "x"]

    @_FEW
    @given(st.integers(0, 2**32).map(Random))
    def compare(dice: Random) -> None:
        commands: list[tuple[Any, ...]] = []
        for _ in range(30):
            key = dice.choice(("str", "l1", "s1"))
            letters = dice.choice((b"ab", b"abcdefgh", bytes(range(256))))
            commands.append(("SET", key, bytes(dice.choices(letters, k=dice.randrange(40)))))
            words = " ".join(dice.sample(options, dice.choice((0, 1, 1, 2, 2, 3)))).split()
            commands.append(("LCS", "str", dice.choice(("str", "l1", "s1", "l2")), *words))
        commands += [("LPUSH", "l2", "x"), ("LCS", "str", "l2", "x"), ("LCS", "str"), ("INCR", "z1")]
        beside(colo.port, server, [*commands, ("LCS", "z1", "str")], dice.choice((2, 3)))

    compare()


def test_strings_whose_lengths_multiplied_are_too_much_are_refused(r: Any) -> None:
    r.mset({"a": b"x" * 20_000, "b": b"x" * 20_000, "c": b"yx" * 2_000})
    with pytest.raises(redis.ResponseError, match="lengths multiplied"):
        r.lcs("a", "b")
    assert r.lcs("a", "c", len=True) == 2_000


_ODD = [b"a", b"1", b"-1", b"(1", b"[a", b"inf", b"2", b"", b"\r\n"]
_BYTES = st.one_of(st.binary(max_size=5), st.sampled_from(_ODD))
_NAMES = sorted({str(draw(Random(seed))[0]) for seed in range(3000)} - {"DEL", "HRANDFIELD"})


def test_any_words(colo: Any, server: int) -> None:
    """Whatever stands behind the name of a command: an answer, and as many; no connection ends."""

    @_FEW
    @given(st.lists(st.tuples(st.sampled_from(_NAMES), st.lists(_BYTES, max_size=5)), max_size=12))
    def compare(drawn: list[tuple[str, list[bytes]]]) -> None:
        commands = [(name, *words) for name, words in drawn if not name.startswith("B")]
        assert len(answers(colo.port, [*commands, ("PING",)])) == len(commands) + 1

    compare()


def test_what_is_drawn_at_random_is_in_it(r: Any) -> None:
    r.sadd("s", *range(10))
    r.hset("h", mapping={str(n): n for n in range(10)})
    r.zadd("z", {str(n): n for n in range(10)})
    for draws in (r.srandmember, r.hrandfield, r.zrandmember):
        key = draws.__name__[0]
        assert int(draws(key)) in range(10)
        assert len(set(draws(key, 4))) == 4 and len(draws(key, -30)) == 30 and len(draws(key, 99)) == 10
        assert draws("none") is None and draws("none", 3) == []
    found = r.hrandfield("h", 3, withvalues=True)
    assert len(found) == 6 and found[::2] == found[1::2]
    popped = {r.spop("s"), *r.spop("s", 3)}
    assert len(popped) == 4 and r.scard("s") == 6 and not popped & r.smembers("s")


@pytest.mark.parametrize("kind", ["s", "h", "z"])
def test_a_scan_tells_all_that_is_there_all_the_while(r: Any, kind: str) -> None:
    """Whatever comes and goes meanwhile; each page is about as long as it was asked for."""
    add = {"s": r.sadd, "h": lambda k, *n: r.hset(k, mapping=dict.fromkeys(n, 1)),
           "z": lambda k, *n: r.zadd(k, dict.fromkeys(n, 1))}[kind]  # fmt: skip
    remove = {"s": r.srem, "h": r.hdel, "z": r.zrem}[kind]
    scan = {"s": r.sscan, "h": r.hscan, "z": r.zscan}[kind]
    add(kind, *(f"stays-{n}" for n in range(400)), *(f"goes-{n}" for n in range(100)))
    cursor, seen, pages = 0, set(), 0
    while True:
        cursor, page = scan(kind, cursor, count=50)
        seen |= {name[0] if kind == "z" else name for name in page}
        remove(kind, *(f"goes-{n}" for n in range(pages * 20, pages * 20 + 20)))
        add(kind, f"comes-{pages}")
        pages += 1
        if not cursor:
            break
    assert {f"stays-{n}".encode() for n in range(400)} <= seen
    assert 8 <= pages <= 12
