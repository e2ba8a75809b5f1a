"""What colos say to each other, as bytes: a frame that names the namespace and the sender, and one message in it.

Law of this room: `decode(encode(f)) == f`, and whatever bytes come in, `decode` gives a frame
whose every part has the right type, or raises MessageInvalid, or FormatTooNew. Records and
catch-ups inside are bytes of their own, looked into by who takes them (`core/wire.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import chain, groupby
from types import MappingProxyType
from typing import Any, NamedTuple

import msgpack

from crdtkv.core.bundles import bundled, unbundled
from crdtkv.core.clocks import Dot, Vector
from crdtkv.core.envelope import MAX_MESSAGE, VERSION, seal, unseal
from crdtkv.core.parts import dot_in, dots_in, expect, fields_in, number, vector_in
from crdtkv.core.views import Ancestor, Link, Portrait, View
from crdtkv.errors import MessageInvalid

__all__ = [
    "ANNOUNCED",
    "BESIDE",
    "Ask",
    "Even",
    "Frame",
    "Glance",
    "Goodbye",
    "Have",
    "Heard",
    "Hello",
    "Join",
    "Later",
    "Message",
    "Page",
    "Probe",
    "Prune",
    "Push",
    "Ranges",
    "Repair",
    "Want",
    "Welcome",
    "decode",
    "encode",
    "kind_of",
    "together",
]


_BUNDLES = 2
"""Version of the wire from which on records go in bundles."""

BESIDE = 2
"""Version of the wire from which on a catch-up's vectors are said beside the one that was asked from."""

ANNOUNCED = 2
"""Version of the wire from which on what is spared is told of."""


class Hello(NamedTuple):
    """Who I am. `answers`: the `nonce` of your hello that this one answers, 0 if none: an old one decides nothing."""

    nonce: int
    answers: int
    portrait: Portrait


class Probe(NamedTuple):
    """A hash of my vector, my floor and digest. `answer`: say yours; `pull`: ask me for what I know, whatever they say.

    `sent_ms`: of the sender's clock, given back in the answer. `lately`: entries of the vector that changed of late:
    of what the other lacks these may be under way.
    """

    vector: int
    floor: int
    digest: int
    answer: bool
    pull: bool
    sent_ms: int
    lately: Vector = MappingProxyType({})


class Push(NamedTuple):
    """Records, each as its origin encoded it. (They go in bundles, between who speaks version 2.)"""

    records: tuple[bytes, ...]


class Ask(NamedTuple):
    """Send me what one at `since` lacks: of pass `turn`, through what changed beyond `base`, from `after` on.

    `number` names the whole catch-up. `full`: as a full join. `whole`: as cells, no records. `head`: also if it is
    nothing but announcements. `ahead`: so many pages behind that one may be under way besides; 0: begin there again.
    """

    number: int
    since: Vector
    turn: int
    base: Vector
    after: str | None
    full: bool
    whole: bool
    head: bool
    ahead: int = 0


class Page(NamedTuple):
    """Keys of pass `turn` behind `after`, as asked for, each packed; `more`: the pass goes on behind the last of them.

    `began`: the sender's vector when this was cut, where more follows. `head`: the catch-up that all of it is, without
    its keys; on the last page, else empty. `beside`: not 0 if its `to` says only where it differs from the `since` of
    the `Ask` (0: it has nothing of that one); and it starts there (1), or at its own `to` (2).
    """

    number: int
    turn: int
    after: str | None
    full: bool
    more: bool
    began: Vector
    keys: tuple[bytes, ...]
    head: bytes
    beside: int = 0


class Even(NamedTuple):
    """There is nothing here that you lack: the answer to an `Ask` with that number."""

    number: int


class Later(NamedTuple):
    """I am about to join myself: ask another, the `Join` with that number is not answered."""

    number: int


class Heard(NamedTuple):
    """How far everybody was heard and said to have heard, for who has absorbed just what I have.

    `vector`: a hash of that; `facts`: of who belongs. `second`: of my clock. `lags`: of each member, in order, how many
    seconds before that, twice.
    """

    vector: int
    facts: int
    second: int
    lags: bytes


class Join(NamedTuple):
    """Make `new` a member in my place, and retire `old`. `answers`: your nonce. `copy`: I am a restored copy."""

    number: int
    answers: int
    new: str
    old: tuple[str, ...]
    copy: bool
    portrait: Portrait


class Ranges(NamedTuple):
    """Digests of the keys from each of `lows` up to the next, the last up to `high`, at my vector and floor."""

    vector: int
    floor: int
    high: str | None
    lows: tuple[str, ...]
    digests: tuple[int, ...]


class Repair(NamedTuple):
    """All keys from `low` up to `high`, at my vector and floor. `sound`: my cells add up to my digest. `answer`: send
    yours."""

    vector: int
    floor: int
    low: str
    high: str | None
    sound: bool
    answer: bool
    keys: tuple[bytes, ...]


class Welcome(NamedTuple):
    """`new` is a member, by this ancestry; ask for its cells under the same number. `record`: the admission."""

    number: int
    new: str
    ancestry: tuple[Ancestor, ...]
    record: bytes


class Prune(NamedTuple):
    """Others bring me sooner what these minted: for so long do not push it. 0: nobody does any more; of none: I chose
    you to push to."""

    for_ms: int
    origins: tuple[str, ...] = ()


class Have(NamedTuple):
    """I have these, and others bring them to you sooner: if they do not, ask me."""

    dots: tuple[Dot, ...]


class Want(NamedTuple):
    """Push these to me: they have not come."""

    dots: tuple[Dot, ...]


class Glance(NamedTuple):
    """Do you hold what I do? `all`: 16 bytes of a hash of that. `turn`: 0 asks, 1 answers, 2 is the last word.

    `heard`: my clock. `known`: the most transactions that another was heard to have announced. In an answer and the
    last word `low` is how far I have heard all, and `others` a hash of how far those besides us two were heard, and
    what they said; else they are 0.
    """

    turn: int
    all: bytes
    heard: int
    low: int
    known: int
    others: int


class Goodbye(NamedTuple):
    """I am about to stop."""


Message = (
    Hello | Probe | Push | Ask | Page | Even | Heard | Ranges | Repair | Later | Join | Welcome | Prune | Glance
    | Goodbye | Have | Want
)


class Frame(NamedTuple):
    """A message of `sender`, a replica id; `name` is what its store was opened for, `namespace` which one that is."""

    name: str
    namespace: str
    sender: str
    message: Message


def encode(frame: Frame, version: int = VERSION) -> bytes:
    """The bytes of a frame. O(size). TooLarge above MAX_MESSAGE."""
    message = frame.message
    kind, out, _ = _KINDS[type(message)]
    fields = [[], _bundled(message.records)] if version >= _BUNDLES and type(message) is Push else out(message)
    return seal(kind, [*frame[:3], *fields], version)


def kind_of(data: bytes) -> str:
    """What kind of message that is, by its first bytes; "" if none. O(1)."""
    found = _BY_KIND.get(data[1:2])
    return found[0].__name__.lower() if found is not None else ""


def decode(data: bytes, most: int = MAX_MESSAGE) -> Frame:
    """The frame in `data`, of `most` bytes. O(size). Raises MessageInvalid, FormatTooNew."""
    kind, body = unseal(data, most)
    if kind not in _BY_KIND:
        raise MessageInvalid(f"no message kind {kind!r} between colos; there are {', '.join(map(repr, _BY_KIND))}")
    of, take = _BY_KIND[kind]
    try:
        name, namespace, sender, *rest = expect(msgpack.unpackb(body, raw=False, strict_map_key=True), list)
        return Frame(expect(name, str), expect(namespace, str), expect(sender, str), take(rest))
    except MessageInvalid:
        raise
    except Exception as error:
        raise MessageInvalid(f"{of.__name__} is malformed: {type(error).__name__}: {error}") from error


# portraits


def _portrait_out(p: Portrait) -> list[Any]:
    view = p.view
    return [
        p.namespace, view.vector, list(view.lineage), [[id, *dot] for id, dot in view.ancestry], list(view.members),
        [part for dot in view.overruled for part in dot], p.chains, {m: list(said) for m, said in p.announced.items()},
        [[k.id, list(k.after), list(k.out), list(k.over)] for k in p.links], p.copied, p.left,
    ]  # fmt: skip


def _names(value: Any) -> tuple[str, ...]:
    return tuple(expect(name, str) for name in expect(value, list))


def _ancestry_in(value: Any) -> tuple[Ancestor, ...]:
    parts = (fields_in(each, 3, ()) for each in expect(value, list))
    return tuple((expect(id, str), dot_in(origin, n)) for id, origin, n in parts)


def _said_in(value: Any) -> tuple[int, int, int]:
    total, low, facts = fields_in(value, 3, ())
    return number(total), number(low), number(facts)


def _link_in(value: Any) -> Link:
    id, after, out, over = fields_in(value, 4, ())
    link = Link(expect(id, str), _names(after), _names(out), _names(over))
    dot_in(*link.dot)
    return link


def _portrait_in(value: Any) -> Portrait:
    namespace, vector, lineage, ancestry, members, over, chains, announced, links, copied, left = fields_in(
        value, 11, ()
    )
    if not _names(lineage):
        raise MessageInvalid("message has an empty lineage; the sender's id belongs there")
    view = View(vector_in(vector), _names(lineage), _ancestry_in(ancestry), _names(members), dots_in(over))
    said = {expect(m, str): _said_in(each) for m, each in expect(announced, dict).items()}
    return Portrait(
        expect(namespace, str), view, vector_in(chains), said, tuple(map(_link_in, expect(links, list))),
        expect(copied, bool), expect(left, bool),
    )  # fmt: skip


# each kind: what goes out, and what comes in


def _hello_in(body: list[Any]) -> Hello:
    nonce, answers, portrait = fields_in(body, 3, ())
    return Hello(number(nonce), number(answers), _portrait_in(portrait))


def _probe_out(p: Probe) -> list[Any]:
    told = [p.vector, p.floor, p.digest.to_bytes(16, "big"), p.answer, p.pull, p.sent_ms]
    return [*told, p.lately] if p.lately else told


def _probe_in(body: list[Any]) -> Probe:
    vector, floor, digest, answer, pull, sent_ms, lately = fields_in(body, 6, ({},))
    if len(expect(digest, bytes)) != 16:
        raise MessageInvalid(f"message has a digest of {len(digest)} bytes; 16 belong there")
    return Probe(
        number(vector), number(floor), int.from_bytes(digest, "big"), expect(answer, bool), expect(pull, bool),
        number(sent_ms), vector_in(lately),
    )  # fmt: skip


def _heard_in(body: list[Any]) -> Heard:
    vector, facts, second, lags = fields_in(body, 4, ())
    return Heard(number(vector), number(facts), number(second), expect(lags, bytes))


def _ranges_out(r: Ranges) -> list[Any]:
    return [r.vector, r.floor, r.high, list(r.lows), [digest.to_bytes(16, "big") for digest in r.digests]]


def _ranges_in(body: list[Any]) -> Ranges:
    vector, floor, high, lows, digests = fields_in(body, 5, ())
    starts, sums = _names(lows), _blobs(digests)
    if not starts or len(starts) != len(sums) or list(starts) != sorted(set(starts)):
        raise MessageInvalid(f"message has {len(starts)} ranges, {len(sums)} digests; as many, in order, belong there")
    return Ranges(
        number(vector), number(floor), _after_in(high), starts, tuple(int.from_bytes(d[:16], "big") for d in sums)
    )


def _repair_out(r: Repair) -> list[Any]:
    return [*r[:6], list(r.keys)]


def _repair_in(body: list[Any]) -> Repair:
    vector, floor, low, high, sound, answer, keys = fields_in(body, 7, ())
    return Repair(
        number(vector), number(floor), expect(low, str), _after_in(high), expect(sound, bool), expect(answer, bool),
        _blobs(keys),
    )  # fmt: skip


def _blobs(value: Any) -> tuple[bytes, ...]:
    return tuple(expect(each, bytes) for each in expect(value, list))


@lru_cache(maxsize=1)
def _bundled(records: tuple[bytes, ...]) -> list[Any]:
    """The same are sent to all peers."""
    return bundled(records)


def _push_in(body: list[Any]) -> Push:
    records, parts = fields_in(body, 1, ([],))
    return Push(_blobs(records) + unbundled(parts))


def _prune_in(body: list[Any]) -> Prune:
    for_ms, origins = fields_in(body, 1, ([],))
    return Prune(number(for_ms), _names(origins))


def _dots_out(message: Have | Want) -> list[Any]:
    return [[part for dot in message.dots for part in dot]]


def _dots_in(body: list[Any]) -> tuple[Dot, ...]:
    return dots_in(fields_in(body, 1, ())[0])


def _glance_in(body: list[Any]) -> Glance:
    turn, all, heard, low, known, others = fields_in(body, 6, ())
    if len(expect(all, bytes)) != 16:
        raise MessageInvalid(f"message has a hash of {len(all)} bytes; 16 belong there")
    if number(turn) > 2:
        raise MessageInvalid(f"message is a glance of turn {turn}; there are 0, 1 and 2")
    return Glance(turn, all, number(heard), number(low), number(known), number(others))


def _after_in(value: Any) -> str | None:
    return None if value is None else expect(value, str)


def _ask_in(body: list[Any]) -> Ask:
    of, since, turn, base, after, full, whole, head, ahead = fields_in(body, 8, (0,))
    return Ask(
        number(of), vector_in(since), number(turn), vector_in(base), _after_in(after), expect(full, bool),
        expect(whole, bool), expect(head, bool), number(ahead),
    )  # fmt: skip


def _page_out(p: Page) -> list[Any]:
    return [*p[:6], list(p.keys), p.head, p.beside]


def _page_in(body: list[Any]) -> Page:
    of, turn, after, full, more, began, keys, head, beside = fields_in(body, 8, (0,))
    return Page(
        number(of), number(turn), _after_in(after), expect(full, bool), expect(more, bool), vector_in(began),
        _blobs(keys), expect(head, bytes), number(beside),
    )  # fmt: skip


def _join_out(j: Join) -> list[Any]:
    return [*j[:3], list(j.old), j.copy, _portrait_out(j.portrait)]


def _join_in(body: list[Any]) -> Join:
    of, answers, new, old, copy, portrait = fields_in(body, 6, ())
    return Join(
        number(of), number(answers), expect(new, str), _names(old), expect(copy, bool), _portrait_in(portrait)
    )


def _welcome_out(w: Welcome) -> list[Any]:
    return [w.number, w.new, [[id, *dot] for id, dot in w.ancestry], w.record]


def _welcome_in(body: list[Any]) -> Welcome:
    of, new, ancestry, record = fields_in(body, 4, ())
    return Welcome(number(of), expect(new, str), _ancestry_in(ancestry), expect(record, bytes))


_KINDS: Mapping[type[Any], tuple[bytes, Callable[[Any], list[Any]], Callable[[list[Any]], Message]]] = {
    Hello: (b"h", lambda h: [h.nonce, h.answers, _portrait_out(h.portrait)], _hello_in),
    Probe: (b"s", _probe_out, _probe_in),
    Push: (b"p", lambda p: [list(p.records)], _push_in),
    Ask: (b"a", list, _ask_in),
    Page: (b"g", _page_out, _page_in),
    Even: (b"e", list, lambda body: Even(number(fields_in(body, 1, ())[0]))),
    Heard: (b"o", list, _heard_in),
    Ranges: (b"d", _ranges_out, _ranges_in),
    Repair: (b"x", _repair_out, _repair_in),
    Later: (b"l", list, lambda body: Later(number(fields_in(body, 1, ())[0]))),
    Join: (b"j", _join_out, _join_in),
    Welcome: (b"w", _welcome_out, _welcome_in),
    Prune: (b"n", lambda m: [m.for_ms, list(m.origins)], _prune_in),
    Glance: (b"k", list, _glance_in),
    Goodbye: (b"b", list, lambda body: Goodbye()),
    Have: (b"i", _dots_out, lambda body: Have(_dots_in(body))),
    Want: (b"q", _dots_out, lambda body: Want(_dots_in(body))),
}
_BY_KIND = {kind: (of, take) for of, (kind, _, take) in _KINDS.items()}


def together(frames: Iterable[Frame]) -> Iterator[Frame]:
    """The same, but records that one sender pushed in frames side by side are in one."""
    for (kind, *_), run in groupby(frames, lambda frame: (type(frame.message), *frame[:3])):
        if kind is not Push:
            yield from run
            continue
        side_by_side = list(run)
        pushed = [frame.message.records for frame in side_by_side if isinstance(frame.message, Push)]
        yield side_by_side[0]._replace(message=Push(tuple(chain.from_iterable(pushed))))
