"""Commands of collections, drawn at random: small worlds, so that they meet; now and then one that is wrong."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

__all__ = ["KEYS", "LOGS", "draw"]

Word = Any
KEYS = ("s1", "s2", "h1", "h2", "z1", "z2", "l1", "l2", "str", "x1", "b1", "b2", "g1", "g2")
LOGS = ("p1", "p2")
"""HyperLogLogs: no strings here, so no other command is asked of them."""
_WORDS: tuple[Word, ...] = ("a", "b", "c", "d", "1", "2", b"\xff\x00", "")
_NUMBERS = ("0", "1", "-1", "2", "5", "-3", "10", "007", "x", "9223372036854775807", "1.5")
_FLOATS = ("0", "1", "-1", "2.5", "0.25", "-3.75", "inf", "-inf", "+inf", "nan", "x", "1e3", "3.0", "")
_RANGES = ("-inf", "+inf", "0", "(1", "1", "2.5", "(2.5", "inf", "(-inf", "x", "(")
_LEX = ("-", "+", "[a", "(a", "[b", "(c", "[", "(", "a", "")


def draw(dice: Random) -> tuple[Word, ...]:
    """A command."""
    name = dice.choice(tuple(_COMMANDS))
    words = (name, *_COMMANDS[name](dice))
    pick = dice.random()
    if pick < 0.02:
        return words[:-1]
    return (*words, "more") if pick < 0.04 else words


def _key(dice: Random, kind: str) -> str:
    return f"{kind}{dice.choice('12')}" if dice.random() < 0.93 else dice.choice(KEYS)


def _some(dice: Random, among: tuple[Word, ...], most: int = 3) -> tuple[Word, ...]:
    return tuple(dice.choice(among) for _ in range(dice.randint(1, most)))


def _takes(kind: str, *parts: tuple[Word, ...] | Callable[[Random], tuple[Word, ...]]) -> Any:
    def made(dice: Random) -> tuple[Word, ...]:
        words: tuple[Word, ...] = (_key(dice, kind),) if kind else ()
        for part in parts:
            words += part(dice) if callable(part) else (dice.choice(part),)
        return words

    return made


def _many(among: tuple[Word, ...]) -> Callable[[Random], tuple[Word, ...]]:
    return lambda dice: _some(dice, among)


def _pairs(first: tuple[Word, ...], second: tuple[Word, ...]) -> Callable[[Random], tuple[Word, ...]]:
    return lambda dice: tuple(
        word for _ in range(dice.randint(1, 3)) for word in (dice.choice(first), dice.choice(second))
    )


def _maybe(*words: Word) -> Callable[[Random], tuple[Word, ...]]:
    return lambda dice: tuple(word for word in words if dice.random() < 0.4)


def _keys(kind: str) -> Callable[[Random], tuple[Word, ...]]:
    return lambda dice: tuple(_key(dice, kind) for _ in range(dice.randint(1, 3)))


def _counted(kind: str) -> Callable[[Random], tuple[Word, ...]]:
    def made(dice: Random) -> tuple[Word, ...]:
        keys = [_key(dice, dice.choice(kind)) for _ in range(dice.randint(1, 3))]
        return (str(len(keys)) if dice.random() < 0.9 else dice.choice(_NUMBERS), *keys)

    return made


def _limit(dice: Random) -> tuple[Word, ...]:
    words = ("LIMIT", dice.choice(("0", "1", "2", "-1", "x")), dice.choice(("1", "2", "-1", "0")))
    return words * (dice.random() < 0.4)


def _weights(dice: Random) -> tuple[Word, ...]:
    words: tuple[Word, ...] = ()
    if dice.random() < 0.3:
        words += ("WEIGHTS", *_some(dice, ("1", "2", "0.5", "x", "inf", "-1")))
    return words + (("AGGREGATE", dice.choice(("SUM", "min", "MAX", "avg"))) if dice.random() < 0.3 else ())


_FLAGS = _maybe("NX", "XX", "GT", "LT", "CH", "INCR")


def _flags(dice: Random) -> tuple[Word, ...]:
    return _FLAGS(dice) if dice.random() < 0.4 else ()


def _by(dice: Random) -> tuple[Word, ...]:
    how = dice.choice(("", "", "BYSCORE", "BYLEX"))
    ends = {"": _NUMBERS[:7], "BYSCORE": _RANGES, "BYLEX": _LEX}[how]
    words = (dice.choice(ends), dice.choice(ends), *((how,) if how else ()))
    return (*words, *_maybe("REV")(dice), *(_limit(dice) if how or dice.random() < 0.05 else ()))


_TYPES = ("u8", "i8", "u1", "i5", "u63", "i64", "i1", "u64", "x", "i0", "i65", "u4")
_OFFSETS = ("0", "1", "7", "8", "#1", "#0", "13", "#3", "100", "-1", "x", "#x", "200")
_VALUES = ("0", "1", "-1", "5", "127", "255", "300", "-129", "9223372036854775807", "-9223372036854775807", "x")


def _bits(dice: Random) -> tuple[Word, ...]:
    words: tuple[Word, ...] = ()
    for _ in range(dice.randint(1, 4)):
        name = dice.choice(("GET", "set", "INCRBY", "INCRBY", "OVERFLOW", "x") if dice.random() < 0.1 else _STEPS)
        if name == "OVERFLOW":
            words += (name, dice.choice(("WRAP", "sat", "FAIL", "SAT")))
            continue
        most = None if dice.random() < 0.1 else 7
        words += (name, dice.choice(_TYPES[:most]), dice.choice(_OFFSETS[: most and 9]))
        words += () if name == "GET" else (dice.choice(_VALUES[: most and 10]),)
    return words


_STEPS = ("GET", "SET", "INCRBY", "INCRBY", "OVERFLOW")
_NAMES = ("a", "b", "c", "d", "e", "f", "g")
_PLACES = (("13.361389", "38.115556"), ("15.087269", "37.502669"), ("-122.4194", "37.7749"), ("0", "0"),
           ("-179.99", "1.01"), ("13.3614", "38.1156"), ("2.349014", "48.864716"), ("0", "85"), ("90", "85"),
           ("179.99", "1"), ("13", "38"))
_FAR = ("0", "10", "200", "400", "1500", "9000", "15", "25000", "0.01")
_UNITS = ("km", "M", "ft", "mi")


def _place(dice: Random) -> tuple[Word, ...]:
    return dice.choice(_PLACES) if dice.random() < 0.97 else (dice.choice(("200", "x", "1")), dice.choice(("86", "1")))


def _places(dice: Random) -> tuple[Word, ...]:
    return tuple(word for _ in range(dice.randint(1, 4)) for word in (*_place(dice), dice.choice(_NAMES)))


def _reach(dice: Random) -> tuple[Word, ...]:
    return dice.choice(_FAR if dice.random() < 0.97 else ("-1", "x")), dice.choice((*_UNITS, *_UNITS, "y"))


def _found(dice: Random) -> tuple[Word, ...]:
    """Options that leave nothing to chance: in an order, and of all."""
    count = ("COUNT", dice.choice(("1", "2", "5", "0", "x"))) * (dice.random() < 0.3)
    return (dice.choice(("ASC", "desc")), *count, *(_maybe("WITHDIST", "WITHCOORD", "WITHHASH")(dice)))


def _shape(dice: Random) -> tuple[Word, ...]:
    start = ("FROMMEMBER", dice.choice(_NAMES)) if dice.random() < 0.4 else ("FROMLONLAT", *_place(dice))
    reach = ("BYRADIUS", *_reach(dice)) if dice.random() < 0.5 else ("BYBOX", dice.choice(_FAR), *_reach(dice))
    both = (*start, *reach) if dice.random() < 0.5 else (*reach, *start)
    return both if dice.random() < 0.97 else both[dice.choice((2, 3)) :]


_SIDES = ("LEFT", "right", "up")
_IN = ("a", "b", "c", "d", "1", "2", b"\xff\x00", "")
_COUNT = ("0", "1", "2", "3", "-2", "x")
_COMMANDS: dict[str, Callable[[Random], tuple[Word, ...]]] = {
    "SADD": _takes("s", _many(_IN)), "SREM": _takes("s", _many(_IN)), "SISMEMBER": _takes("s", _IN),
    "SMISMEMBER": _takes("s", _many(_IN)), "SCARD": _takes("s"), "SMEMBERS": _takes("s"),
    "SMOVE": _takes("s", lambda d: (_key(d, "s"),), _IN), "SINTER": _takes("", _keys("s")),
    "SUNION": _takes("", _keys("s")), "SDIFF": _takes("", _keys("s")), "SINTERSTORE": _takes("s", _keys("s")),
    "SUNIONSTORE": _takes("s", _keys("s")), "SDIFFSTORE": _takes("s", _keys("s")),
    "SINTERCARD": _takes("", _counted("s"), _maybe("LIMIT"), _maybe("1")),
    "SSCAN": _takes("s", ("0", "x"), _maybe("COUNT", "5")),
    "HSET": _takes("h", _pairs(_IN, _WORDS + _NUMBERS)), "HMSET": _takes("h", _pairs(_IN, _WORDS)),
    "HSETNX": _takes("h", _IN, _WORDS), "HGET": _takes("h", _IN), "HMGET": _takes("h", _many(_IN)),
    "HDEL": _takes("h", _many(_IN)), "HLEN": _takes("h"), "HGETALL": _takes("h"), "HKEYS": _takes("h"),
    "HVALS": _takes("h"), "HEXISTS": _takes("h", _IN), "HSTRLEN": _takes("h", _IN),
    "HINCRBY": _takes("h", _IN, _NUMBERS), "HINCRBYFLOAT": _takes("h", _IN, _FLOATS),
    "HSCAN": _takes("h", ("0",), _maybe("MATCH", "[ab]")), "HRANDFIELD": _takes("z", ("x", "0")),
    "ZADD": _takes("z", _flags, _pairs(_FLOATS, _IN)), "ZINCRBY": _takes("z", _FLOATS, _IN),
    "ZREM": _takes("z", _many(_IN)), "ZSCORE": _takes("z", _IN), "ZMSCORE": _takes("z", _many(_IN)),
    "ZCARD": _takes("z"), "ZCOUNT": _takes("z", _RANGES, _RANGES), "ZLEXCOUNT": _takes("z", _LEX, _LEX),
    "ZRANK": _takes("z", _IN), "ZREVRANK": _takes("z", _IN),
    "ZRANGE": _takes("z", _by, _maybe("WITHSCORES")),
    "ZREVRANGE": _takes("z", _NUMBERS, _NUMBERS, _maybe("WITHSCORES")),
    "ZRANGEBYSCORE": _takes("z", _RANGES, _RANGES, _maybe("WITHSCORES"), _limit),
    "ZREVRANGEBYSCORE": _takes("z", _RANGES, _RANGES, _limit, _maybe("WITHSCORES")),
    "ZRANGEBYLEX": _takes("z", _LEX, _LEX, _limit), "ZREVRANGEBYLEX": _takes("z", _LEX, _LEX, _limit),
    "ZRANGESTORE": _takes("z", lambda d: (_key(d, "z"),), _by),
    "ZREMRANGEBYRANK": _takes("z", _NUMBERS, _NUMBERS), "ZREMRANGEBYSCORE": _takes("z", _RANGES, _RANGES),
    "ZREMRANGEBYLEX": _takes("z", _LEX, _LEX), "ZPOPMIN": _takes("z", _maybe("2")),
    "ZPOPMAX": _takes("z", _maybe("2")), "ZMPOP": _takes("", _counted("z"), ("MIN", "max"), _maybe("COUNT", "2")),
    "ZUNION": _takes("", _counted("zs"), _weights, _maybe("WITHSCORES")),
    "ZINTER": _takes("", _counted("zs"), _weights, _maybe("WITHSCORES")),
    "ZDIFF": _takes("", _counted("zs"), _maybe("WITHSCORES")), "ZUNIONSTORE": _takes("z", _counted("zs"), _weights),
    "ZINTERSTORE": _takes("z", _counted("zs"), _weights), "ZDIFFSTORE": _takes("z", _counted("zs")),
    "ZINTERCARD": _takes("", _counted("z"), _maybe("LIMIT"), _maybe("1")), "ZSCAN": _takes("z", ("0",)),
    "BZPOPMIN": _takes("", lambda d: ("z1", "z2", "z9", "0.01")[d.randrange(3) :]),
    "RPUSH": _takes("l", _many(_WORDS)), "LPUSH": _takes("l", _many(_WORDS)), "RPUSHX": _takes("l", _many(_WORDS)),
    "LPUSHX": _takes("l", _many(_WORDS)), "LLEN": _takes("l"), "LRANGE": _takes("l", _NUMBERS, _NUMBERS),
    "LINDEX": _takes("l", _NUMBERS), "LSET": _takes("l", _NUMBERS, _WORDS),
    "LINSERT": _takes("l", ("BEFORE", "after", "in"), _WORDS, _WORDS), "LREM": _takes("l", _COUNT, _WORDS),
    "LTRIM": _takes("l", _NUMBERS[:7], _NUMBERS[:7]), "LPOP": _takes("l", _maybe("2")),
    "RPOP": _takes("l", lambda d: _some(d, _COUNT, 1) * (d.random() < 0.5)),
    "LMOVE": _takes("l", lambda d: (_key(d, "l"),), _SIDES, _SIDES),
    "RPOPLPUSH": _takes("l", lambda d: (_key(d, "l"),)),
    "LMPOP": _takes("", _counted("l"), _SIDES, _maybe("COUNT", "2")),
    "LPOS": _takes("l", _WORDS, lambda d: ("RANK", d.choice(("1", "-1", "2", "0"))) * (d.random() < 0.4),
                   lambda d: ("COUNT", d.choice(_COUNT)) * (d.random() < 0.4),
                   lambda d: ("MAXLEN", d.choice(_COUNT)) * (d.random() < 0.3)),
    "BLPOP": _takes("", lambda d: ("l1", "l2", "0.01")), "BRPOP": _takes("", lambda d: ("l1", "l9", "0.01")),
    "BLMOVE": _takes("l", lambda d: (_key(d, "l"),), _SIDES, _SIDES, ("0.01", "x", "-1")),
    "BITFIELD": _takes("b", _bits), "BITFIELD_RO": _takes("b", ("GET",), _TYPES, _OFFSETS),
    "SETBIT": _takes("b", ("0", "3", "9", "x"), ("0", "1", "2")), "GETBIT": _takes("b", ("0", "3", "9", "400")),
    "GET": _takes("b"), "BITCOUNT": _takes("b", lambda d: (d.choice(_NUMBERS[:7]), d.choice(_NUMBERS[:7]))),
    "GEOADD": _takes("g", _maybe("NX", "XX", "CH"), _places), "GEOPOS": _takes("g", _many(_NAMES)),
    "GEOHASH": _takes("g", _many(_NAMES)), "GEODIST": _takes("g", _NAMES, _NAMES, _maybe("km")),
    "GEOSEARCH": _takes("g", _shape, _found), "GEORADIUS": _takes("g", _place, _reach, _found),
    "GEORADIUSBYMEMBER": _takes("g", _NAMES, _reach, _found), "GEORADIUS_RO": _takes("g", _place, _reach, _found),
    "GEOSEARCHSTORE": _takes("g", lambda d: (_key(d, "g"),), _shape, _maybe("STOREDIST")),
    "PFADD": lambda d: (d.choice(LOGS), *[f"element {d.randrange(5000)}" for _ in range(d.randint(0, 40))]),
    "PFCOUNT": _takes("", _many(LOGS)), "PFMERGE": _takes("", _many(LOGS)),
    "DEL": _takes("z"), "TYPE": lambda d: (_key(d, d.choice("hlsz")),), "EXISTS": _takes("", _keys("s")),
    "RENAME": _takes("h", _keys("h")), "COPY": _takes("z", lambda d: (_key(d, "z"),), _maybe("REPLACE")),
    "SORT": _takes("l", ("ALPHA",)), "PERSIST": _takes("s"), "EXPIRE": _takes("s", ("100", "x", "-1")),
}  # fmt: skip
