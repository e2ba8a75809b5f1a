"""words: the texts that nobody has replaced, as one; a word is an object, and what a text knows a set of writes."""

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from crdtkv.core import values
from crdtkv.core.clocks import Dot
from crdtkv.core.diff import match
from crdtkv.core.words import joined, split
from crdtkv.strategies.base import ABSENT
from tests.specs.history import GONE, Effect, Event, Said, Standing, covered, standing


@dataclass
class Word:
    """A word that was put in once. `instead`: the words it was put in the place of."""

    text: str = field(compare=False)
    by: Dot = field(compare=False)
    instead: list["Word"] = field(default_factory=list, compare=False)
    it: object = field(default_factory=object)

    def origins(self) -> list[Dot]:
        """The writes that what it stands in the place of first came with."""
        return [dot for w in self.instead for dot in (w.origins() or [w.by])]

    def replaces(self, known: set[Dot]) -> bool:
        """Whether it stands for anything that came with these writes, or of each replica between them."""
        mine = self.origins()
        return any(knows(known, dot) for dot in mine) or any(knows(set(mine), dot) for dot in known)


@dataclass
class Text:
    words: list[Word]
    known: set[Dot]

    def __str__(self) -> str:
        return joined(w.text for w in self.words)


def knows(known: set[Dot], dot: Dot) -> bool:
    """Of one replica a text knows all that lies between what it knows."""
    of = [n for replica, n in known if replica == dot[0]]
    return bool(of) and min(of) <= dot[1] <= max(of)


def value(events: list[Event], delete_wins: bool = False) -> Any:
    return read(standing(events, lambda *a: effects(*a, delete_wins)), delete_wins)


def effects(event: Event, now: Standing, base: Standing, delete_wins: bool) -> list[Effect]:
    shown, before = read_whole(now, delete_wins), read_whole(base, delete_wins)
    if event.operation.name == "delete":
        take = shown is not ABSENT and covered(now.get("it", []), event)
        return [Effect("it", GONE, "base")] if take else []
    wanted = event.operation.args[0]
    said = created(wanted, event) if isinstance(wanted, str) else wanted
    if shown is ABSENT:
        return [Effect("it", said, "seen")]
    if isinstance(shown, Text) and isinstance(wanted, str):
        both = merged(shown, edited(before, wanted, event) if isinstance(before, Text) else said)
        return [Effect("it", Text(both.words, both.known | {event.dot}), "seen")] if both.words != shown.words else []
    same = before is not ABSENT and values.equal(plain(before), wanted)
    return [] if same else [Effect("it", said, "seen")]


def read(stands: Standing, delete_wins: bool) -> Any:
    found = read_whole(stands, delete_wins)
    return found if found is ABSENT else plain(found)


def read_whole(stands: Standing, delete_wins: bool) -> Any:
    said: Said = sorted(stands.get("it", []), key=lambda pair: pair[0].rank)
    found = [s for _, s in said if s is not GONE]
    if not found or (delete_wins and len(found) < len(said)):
        return ABSENT
    acc = found[0]
    for other in found[1:]:
        acc = merged(acc, other) if isinstance(acc, Text) and isinstance(other, Text) else other
    return acc


def plain(said: Any) -> Any:
    return str(said) if isinstance(said, Text) else said


def created(wanted: str, event: Event) -> Text:
    return Text([Word(w, event.dot) for w in split(wanted)], {event.dot})


def edited(before: Text, wanted: str, event: Event) -> Text:
    new = split(wanted)
    kept = landmarks(match([w.text for w in before.words], new), len(before.words), len(new))
    out: list[Word] = []
    for (i, j, n), (i2, j2, n2) in pairwise([(0, 0, 0), *kept, (len(before.words), len(new), 0)]):
        gone = before.words[i + n : i2] if before.words else nothing(before)
        out += [Word(w, event.dot, gone) for w in new[j + n : j2]] + before.words[i2 : i2 + n2]
    return Text(out, before.known)


def nothing(text: Text) -> list[Word]:
    """What stands for a whole text, empty as it may be: something of every write that it knows."""
    return [Word("", dot) for dot in text.known]


def landmarks(blocks: list[tuple[int, int, int]], old: int, new: int) -> list[tuple[int, int, int]]:
    """Again and again: a block that is shorter than the changes before it and after it goes."""
    bounded = [(0, 0, 0), *blocks, (old, new, 0)]
    for at in range(1, len(bounded) - 1):
        (i, j, n), (i2, j2, n2), (i3, j3, _) = bounded[at - 1 : at + 2]
        if max(i2 - i - n, j2 - j - n) > n2 < max(i3 - i2 - n2, j3 - j2 - n2):
            return landmarks(blocks[: at - 1] + blocks[at:], old, new)
    return blocks


def merged(mine: Text, theirs: Text) -> Text:
    """Between two words that both have, stretch by stretch."""
    known = mine.known | theirs.known
    if not any(knows(mine.known, dot) for dot in theirs.known) and not any(knows(theirs.known, d) for d in mine.known):
        if str(mine) == str(theirs):
            return Text(mine.words, known)
        return Text([Word(w.text, w.by, w.instead + nothing(mine), w.it) for w in theirs.words], known)
    pairs = ((mine, theirs), (theirs, mine))
    taken_out = {w.it for t, o in pairs for w in t.words if knows(o.known, w.by) and w not in o.words}
    both = match([w.it for w in mine.words], [w.it for w in theirs.words])
    out: list[Word] = []
    ends = (len(mine.words), len(theirs.words), 0)
    for (i, j, n), (i2, j2, n2) in pairwise([(0, 0, 0), *both, ends]):
        passage = stretch(mine.words[i + n : i2], theirs.words[j + n : j2], mine, theirs, taken_out)
        out += [w for w in passage + mine.words[i2 : i2 + n2] if w not in out]
    return Text(out, known)


def stretch(a: list[Word], b: list[Word], mine: Text, theirs: Text, out: set[object]) -> list[Word]:
    new_a, new_b = [w for w in a if w.it not in out], [w for w in b if w.it not in out]
    if not new_a or not new_b:
        return new_a + new_b
    free_a, free_b = free(a, theirs, out), free(b, mine, out)
    if not free_a and not free_b:
        if texts(a) == texts(b):
            return a
        return a if len(b) - len(new_b) > len(a) - len(new_a) else b
    for long, short in ((new_a, new_b), (new_b, new_a)):
        if any(texts(long[i : i + len(short)]) == texts(short) for i in range(len(long))):
            return long
    for around, within, is_free in ((a, new_b, free_a), (b, new_a, free_b)):
        gone = [i for i, w in enumerate(around) if w.it in out]
        if is_free and gone:
            return around[: gone[0]] + within + around[gone[-1] + 1 :]
    return new_a + new_b


def free(words: list[Word], other: Text, out: set[object]) -> bool:
    """Whether nothing was put in the place of, or inside, what the other text had or has."""
    new = [w for w in words if w.it not in out]
    at = [i for i, w in enumerate(words) if w.it in out]
    inside = bool(at) and at[-1] - at[0] + 1 != len(at)
    return not inside and not any(w.replaces(other.known) for w in new)


def texts(words: list[Word]) -> list[str]:
    return [w.text for w in words]
