"""Places on the earth: a sorted set whose scores say where.

So what two colos do at one time merges as in any sorted set: of two GEOADD of a member the later holds, and GEOADD
wins over a ZREM. What is searched is what this colo shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from crdtkv.doors.redis.arguments import float_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.commands.sorted_sets import zadd
from crdtkv.doors.redis.geohash import MAX_LATITUDE, MAX_LONGITUDE, decode, distance, encode, named, near
from crdtkv.doors.redis.held import integer, path_of
from crdtkv.doors.redis.ranked import ranked, replace, score_at
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.replies import NIL_ARRAY, Numeral
from crdtkv.doors.redis.table import command

__all__: list[str] = []

_UNITS = {b"m": 1.0, b"km": 1000.0, b"ft": 0.3048, b"mi": 1609.34}
_NO_UNIT = "ERR unsupported unit provided. please use M, KM, FT, MI"
_NO_MEMBER = "ERR could not decode requested zset member"
_Spot = tuple[float, float]
"""Longitude and latitude."""


# where they are


@command("geoadd", -5, "write denyoom", (1, 1, 1), group="geo", maps="set of scores")
def _geoadd(at: At, args: list[bytes]) -> Any:
    """Says where members of a sorted set are: longitude, latitude, member; how many of them are new. NX, XX, CH."""
    begin = 2
    while begin < len(args) and args[begin].lower() in (b"nx", b"xx", b"ch"):
        begin += 1
    flags = {word.lower() for word in args[2:begin]}
    words = args[begin:]
    if len(words) % 3 or not words or {b"nx", b"xx"} <= flags:
        raise Refusal(SYNTAX)
    spots = [_spot(*words[i : i + 2]) for i in range(0, len(words), 3)]
    scores = [b"%d" % encode(*spot) for spot in spots]
    pairs = [word for pair in zip(scores, words[2::3], strict=True) for word in pair]
    return zadd(at, [b"zadd", args[1], *flags, *pairs])


def _spot(longitude: bytes, latitude: bytes) -> _Spot:
    x, y = float_of(longitude), float_of(latitude)
    if not (abs(x) <= MAX_LONGITUDE and abs(y) <= MAX_LATITUDE):
        raise Refusal(f"ERR invalid longitude,latitude pair {x:f},{y:f}")
    return x, y


def _score(at: At, key: str, member: bytes) -> int | None:
    found = score_at(at, key, path_of(member))
    return int(found) if found is not None and 0 <= found < 1 << 52 else None


@command("geopos", -2, "readonly", (1, 1, 1), group="geo", maps="scores")
def _geopos(at: At, args: list[bytes]) -> Any:
    """Longitude and latitude of members."""
    key = key_of(args[1])
    ranked(at, key)
    found = [_score(at, key, member) for member in args[2:]]
    return [NIL_ARRAY if score is None else _told(decode(score)) for score in found]


def _told(spot: _Spot) -> list[Numeral]:
    return [Numeral(f"{each:.17f}".rstrip("0").rstrip(".").encode()) for each in spot]


@command("geohash", -2, "readonly", (1, 1, 1), group="geo", maps="scores")
def _geohash(at: At, args: list[bytes]) -> Any:
    """Where members are, in the letters of geohash.org."""
    key = key_of(args[1])
    ranked(at, key)
    found = [_score(at, key, member) for member in args[2:]]
    return [None if score is None else named(score) for score in found]


@command("geodist", -4, "readonly", (1, 1, 1), group="geo", maps="scores")
def _geodist(at: At, args: list[bytes]) -> Any:
    """How far two members are from each other: in m, or km, ft, mi."""
    if len(args) > 5:
        raise Refusal(SYNTAX)
    unit = _unit(args[4]) if len(args) == 5 else 1.0
    key = key_of(args[1])
    ranked(at, key)
    one, other = _score(at, key, args[2]), _score(at, key, args[3])
    return None if one is None or other is None else _length(distance(decode(one), decode(other)) / unit)


def _unit(word: bytes) -> float:
    found = _UNITS.get(word.lower())
    if found is None:
        raise Refusal(_NO_UNIT)
    return found


def _length(value: float) -> bytes:
    return f"{value:.4f}".encode()


# who is near


@dataclass(slots=True)
class _Wish:
    """What is searched for."""

    middle: _Spot | None = None
    radius: float | None = None
    box: _Spot | None = None
    """Width and height; this and the radius are in metres."""
    unit: float = 1.0
    order: bytes = b""
    count: int = 0
    any: bool = False
    tells: frozenset[bytes] = frozenset()
    target: bytes | None = None
    target_lengths: bool = False

    def far(self, spot: _Spot) -> float | None:
        """How far from the middle, in metres; None: it is outside."""
        assert self.middle is not None, "it was asked for"
        found = distance(self.middle, spot)
        if self.radius is not None:
            return found if found <= self.radius else None
        width, height = self.box or (0.0, 0.0)
        x, y = spot
        if distance((x, y), (x, self.middle[1])) > height / 2 or distance((x, y), (self.middle[0], y)) > width / 2:
            return None
        return found


def _number(word: bytes, what: str) -> float:
    return float_of(word, f"ERR need numeric {what}")


def _radius(words: list[bytes]) -> tuple[float, float]:
    """In metres, and the unit."""
    radius = _number(words[0], "radius")
    if radius < 0:
        raise Refusal("ERR radius cannot be negative")
    unit = _unit(words[1])
    return radius * unit, unit


def _box(words: list[bytes]) -> tuple[_Spot, float]:
    width, height = _number(words[0], "width"), _number(words[1], "height")
    if width < 0 or height < 0:
        raise Refusal("ERR height or width cannot be negative")
    unit = _unit(words[2])
    return (width * unit, height * unit), unit


_TELL = frozenset({b"withdist", b"withhash", b"withcoord"})


class _Reader:
    """The words of a search."""

    def __init__(self, at: At, key: str, words: list[bytes], name: str, stores: bool) -> None:
        self.at, self.key, self.words, self.name, self.stores = at, key, words, name, stores
        self.there = ranked(at, key) is not None
        self.wish = _Wish()

    def member(self, word: bytes) -> None:
        """The middle is where that member is."""
        score = _score(self.at, self.key, word) if self.there else None
        if self.there and score is None:
            raise Refusal(_NO_MEMBER)
        self.wish.middle = (0.0, 0.0) if score is None else decode(score)

    def options(self, searches: bool) -> _Wish:
        """All the others. Raises Refusal."""
        words, wish, at = self.words, self.wish, 0
        while at < len(words):
            at += self._option(words[at].lower(), words[at + 1 :], searches)
        if wish.any and not wish.count:
            raise Refusal("ERR the ANY argument requires COUNT argument")
        if wish.middle is None or (wish.radius is None) == (wish.box is None):
            what = "FROMMEMBER or FROMLONLAT" if wish.middle is None else "BYRADIUS and BYBOX"
            raise Refusal(f"ERR exactly one of {what} can be specified for {self.name}")
        if wish.count and not wish.order and not wish.any:
            wish.order = b"asc"
        return wish

    def _option(self, name: bytes, more: list[bytes], searches: bool) -> int:
        """How many words it took."""
        wish = self.wish
        if name in _TELL:
            wish.tells |= {name}
        elif name == b"any":
            wish.any = True
        elif name in (b"asc", b"desc"):
            wish.order = name
        elif name == b"count" and more:
            wish.count = integer(more[0])
            if wish.count <= 0:
                raise Refusal("ERR COUNT must be > 0")
            return 2
        elif searches:
            return self._shape(name, more)
        elif name in (b"store", b"storedist") and self.stores and more:
            wish.target, wish.target_lengths = more[0], name == b"storedist"
            return 2
        else:
            raise Refusal(SYNTAX)
        return 1

    def _shape(self, name: bytes, more: list[bytes]) -> int:
        wish = self.wish
        if name == b"storedist" and self.stores:
            wish.target_lengths = True
            return 1
        if name == b"frommember" and more and wish.middle is None:
            self.member(more[0])
            return 2
        if name == b"fromlonlat" and len(more) > 1 and wish.middle is None:
            wish.middle = _spot(*more[:2])
            return 3
        if name == b"byradius" and len(more) > 1 and wish.radius is None and wish.box is None:
            wish.radius, wish.unit = _radius(more)
            return 3
        if name == b"bybox" and len(more) > 2 and wish.radius is None and wish.box is None:
            wish.box, wish.unit = _box(more)
            return 4
        raise Refusal(SYNTAX)


_Found = tuple[float, int, bytes, bytes, _Spot]
"""How far, score, member, path, where."""


def _found(at: At, key: str, wish: _Wish) -> list[_Found]:
    members = ranked(at, key)
    if members is None or wish.middle is None:
        return []
    width, height = wish.box or (0.0, 0.0)
    reach = wish.radius if wish.radius is not None else (width * width + height * height) ** 0.5 / 2
    out: list[_Found] = []
    for score, member, path in near(members, wish.middle, reach):
        spot = decode(int(score))
        far = wish.far(spot)
        if far is not None:
            out.append((far, int(score), member, path, spot))
            if wish.any and len(out) == wish.count:
                break
    if wish.order:
        out.sort(key=lambda each: each[0], reverse=wish.order == b"desc")
    return out[: wish.count or None]


def _tell(found: list[_Found], wish: _Wish) -> list[Any]:
    if not wish.tells:
        return [member for _, _, member, _, _ in found]
    out = []
    for far, score, member, _, spot in found:
        told: list[Any] = [member]
        if b"withdist" in wish.tells:
            told.append(_length(far / wish.unit))
        if b"withhash" in wish.tells:
            told.append(score)
        if b"withcoord" in wish.tells:
            told.append(_told(spot))
        out.append(told)
    return out


def _store(at: At, target: bytes, found: list[_Found], wish: _Wish, event: str, name: str) -> int:
    if wish.tells:
        raise Refusal(f"ERR {name} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
    scores = {path: far / wish.unit if wish.target_lengths else float(score) for far, score, _, path, _ in found}
    return replace(at, key_of(target), scores, event)


def _named(args: list[bytes]) -> str:
    return args[0].decode("latin-1")


@command("geosearch", -7, "readonly slow", (1, 1, 1), group="geo", maps="scores of this colo")
def _geosearch(at: At, args: list[bytes]) -> Any:
    """Members in a circle or a box: FROMMEMBER or FROMLONLAT, BYRADIUS or BYBOX."""
    key = key_of(args[1])
    wish = _Reader(at, key, args[2:], _named(args), stores=False).options(searches=True)
    return _tell(_found(at, key, wish), wish)


@command("geosearchstore", -8, "write denyoom slow", (1, 2, 1), group="geo", maps="put of what was found here")
def _geosearchstore(at: At, args: list[bytes]) -> Any:
    """Members in a circle or a box, as it is at this colo, are put in the place of a key; STOREDIST: distances."""
    key = key_of(args[2])
    wish = _Reader(at, key, args[3:], _named(args), stores=True).options(searches=True)
    return _store(at, args[1], _found(at, key, wish), wish, "geosearchstore", "GEOSEARCHSTORE")


def _define_radius(name: str, by_member: bool, stores: bool) -> None:
    own = 5 if by_member else 6

    def search(at: At, args: list[bytes]) -> Any:
        key = key_of(args[1])
        reader = _Reader(at, key, args[own:], name, stores)
        if by_member:
            reader.member(args[2])
        else:
            reader.wish.middle = _spot(args[2], args[3])
        # (How far from a member of nothing is not looked at, as in Redis.)
        known = reader.there or not by_member
        reader.wish.radius, reader.wish.unit = _radius(args[own - 2 : own]) if known else (0.0, 1.0)
        wish = reader.options(searches=False)
        if wish.target is not None:
            return _store(at, wish.target, _found(at, key, wish), wish, "georadiusstore", "STORE option in GEORADIUS")
        return _tell(_found(at, key, wish), wish)

    where = "a member" if by_member else "a place"
    search.__doc__ = f"Members no further than a radius from {where}{'; STORE, STOREDIST' if stores else ''}."
    flags = "write denyoom slow movablekeys" if stores else "readonly slow"
    maps = "scores of this colo; STORE is a put" if stores else "scores of this colo"
    run: Callable[[Any, list[bytes]], Any] = search
    command(name, -own, flags, (1, 1, 1), group="geo", maps=maps)(run)


_define_radius("georadius", by_member=False, stores=True)
_define_radius("georadius_ro", by_member=False, stores=False)
_define_radius("georadiusbymember", by_member=True, stores=True)
_define_radius("georadiusbymember_ro", by_member=True, stores=False)
