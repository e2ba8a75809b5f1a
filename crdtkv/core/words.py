"""A text as words that know which write put them in, and two such texts as one.

"One text has a word that the other lacks: did one put it in, or did the other take
it out?" The other took it out if it *knows* the write that the word came with; else
it never saw it. So no common ancestor is asked for, and none can be the wrong one,
however many edits each side made and whoever had absorbed what.

Between two words that both texts have lies, on each side, what it put in there and
what it kept of what the other took out. Words taken out are out; words put in stand
beside each other, the same ones once. Where both put something in the place of what
both had read, or one did inside what the other wrote anew, one passage stands: that
of who took out more of what the other kept, of equals the later. (A small edit in a
sentence that was written anew is lost, not the new sentence.)

A word is what stands between white space, with the white space before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from crdtkv.core.clocks import Dot
from crdtkv.core.diff import Block, match

__all__ = [
    "Id",
    "Known",
    "Range",
    "Text",
    "Word",
    "created",
    "edited",
    "joined",
    "knows",
    "merged",
    "split",
    "unaware",
    "union",
]

Id = tuple[str, int, int]
"""The write that put a word in (replica, n), and which of that write's words it is."""

Range = tuple[str, int, int]
"""Writes of one replica: from n, to n."""

Known = dict[str, tuple[int, int]]
"""replica -> (first, last) of its writes that a text builds on. All between them are known, too."""

_WORD = re.compile(r"\s*\S+|\s+$")


class Word(NamedTuple):
    """`instead`: the writes that came with what it was put in the place of; () if it was put between words."""

    text: str
    id: Id
    instead: tuple[Range, ...] = ()


class Text(NamedTuple):
    """Words in order, no id twice, and the writes they build on (their own included)."""

    words: tuple[Word, ...]
    known: Known

    def __str__(self) -> str:
        return joined(w.text for w in self.words)


def split(text: str) -> list[str]:
    """The words of a text; `joined` gives the text back, exactly.

    The first one is given a space before it, so that it is the same word wherever it stands.

    >>> split("eslint . --cache"), joined(split("  a\\n b "))
    ([' eslint', ' .', ' --cache'], '  a\\n b ')
    """
    return _WORD.findall(" " + text) if text else []


def joined(words: Iterable[str]) -> str:
    """The text of words."""
    return "".join(words)[1:]


def created(text: str, dot: Dot) -> Text:
    """A text that the write `dot` makes where there was none."""
    return Text(tuple(Word(word, (*dot, k)) for k, word in enumerate(split(text))), {dot[0]: (dot[1], dot[1])})


def edited(text: Text, new: str, dot: Dot) -> Text:
    """`text` as the write `dot` changes it into `new`: words that are kept keep their ids. Cost: that of `match`.

    It knows what `text` knew: not what else the writer's replica wrote, which may be more than its client had read.
    """
    words = split(new)
    blocks = _landmarks(match([w.text for w in text.words], words), len(text.words), len(words))
    first = 1 + max((k for r, n, k in (w.id for w in text.words) if (r, n) == dot), default=-1)
    out: list[Word] = []
    i = j = 0
    for block_i, block_j, length in [*blocks, (len(text.words), len(words), 0)]:
        # Who fills an empty text puts its words in the place of nothing, which all have read.
        instead = _origins(text.words[i:block_i]) if text.words else _ranges((), text.known)
        out += [Word(words[k], (*dot, first + k), instead) for k in range(j, block_j)]
        out += text.words[block_i : block_i + length]
        i, j = block_i + length, block_j + length
    return Text(tuple(out), text.known)


def unaware(text: Text, dot: Dot) -> Text:
    """`text` as it was before its replica began the write `dot`, which may have changed it already."""
    first, last = text.known.get(dot[0], (0, 0))
    if last < dot[1]:
        return text
    known = {**text.known, dot[0]: (first, dot[1] - 1)}
    return text._replace(known=known)


def knows(known: Known, dot: Dot) -> bool:
    """Whether the write `dot` is among those known."""
    first, last = known.get(dot[0], (1, 0))
    return first <= dot[1] <= last


def union(one: Known, other: Known) -> Known:
    """What is known to either."""
    out = dict(one)
    for replica, (first, last) in other.items():
        mine = out.get(replica, (first, last))
        out[replica] = (min(first, mine[0]), max(last, mine[1]))
    return out


def merged(mine: Text, theirs: Text) -> tuple[Text, set[Id]]:
    """Both texts as one, and the ids of words that gave way; `theirs` counts as the later. O(words).

    Two texts that share no past are not mixed: theirs stands, in the place of mine.
    """
    known = union(mine.known, theirs.known)
    here, there = [w.id for w in mine.words], [w.id for w in theirs.words]
    to_them, to_me = _Side(theirs.known, frozenset(there)), _Side(mine.known, frozenset(here))
    if not any(_overlap(r, *ns, theirs.known) for r, ns in mine.known.items()):
        if str(mine) == str(theirs):
            return Text(mine.words, known), set()
        return Text(tuple(w._replace(instead=_ranges(w.instead, mine.known)) for w in theirs.words), known), set(here)
    blocks = match(here, there)
    out: dict[Id, Word] = {}
    lost: set[Id] = set()
    i = j = 0
    for block_i, block_j, length in [*blocks, (len(here), len(there), 0)]:
        passage, gave_way = _settled(mine.words[i:block_i], theirs.words[j:block_j], to_them, to_me)
        lost.update(w.id for w in gave_way)
        for word in [*passage, *mine.words[block_i : block_i + length]]:
            out.setdefault(word.id, word)  # two texts may have the same words in another order
        i, j = block_i + length, block_j + length
    return Text(tuple(out.values()), known), lost - out.keys()


class _Side(NamedTuple):
    """How the words of one text look to the other, which knows `known` and has the words `ids`."""

    known: Known
    ids: frozenset[Id]

    def gone(self, word: Word) -> bool:
        """The other took it out."""
        return word.id not in self.ids and knows(self.known, word.id[:2])

    def between(self, word: Word) -> bool:
        """It stands in the place of nothing that the other had read."""
        return not any(_overlap(*writes, self.known) for writes in word.instead)


_Passage = Sequence[Word]


def _settled(mine: _Passage, theirs: _Passage, to_them: _Side, to_me: _Side) -> tuple[_Passage, _Passage]:
    """What stands of two passages that lie between the same words, and what was put in and gave way."""
    my_new = [w for w in mine if not to_them.gone(w)]
    their_new = [w for w in theirs if not to_me.gone(w)]
    if not my_new or not their_new:
        return my_new or their_new, ()
    my_ends, their_ends = _ends(mine, to_them), _ends(theirs, to_me)
    if my_ends is None and their_ends is None:
        if [w.text for w in mine] == [w.text for w in theirs]:
            return mine, ()
        # What each took out that the other kept; what both took out does not count.
        my_width, their_width = len(theirs) - len(their_new), len(mine) - len(my_new)
        return (mine, their_new) if my_width > their_width else (theirs, my_new)
    if _within(their_new, my_new):
        return my_new, ()
    if _within(my_new, their_new):
        return their_new, ()
    if my_ends is not None and len(my_new) < len(mine):
        return [*my_ends[0], *their_new, *my_ends[1]], ()
    if their_ends is not None and len(their_new) < len(theirs):
        return [*their_ends[0], *my_new, *their_ends[1]], ()
    return [*my_new, *their_new], ()


def _ends(words: _Passage, side: _Side) -> tuple[_Passage, _Passage] | None:
    """The words put in before and behind what the other took out; None if any replaced something, or stands inside."""
    flags = [side.gone(w) for w in words]
    if not all(gone or side.between(w) for gone, w in zip(flags, words, strict=True)):
        return None
    if True not in flags:
        return words, ()
    start, end = flags.index(True), len(flags) - flags[::-1].index(True)
    return (words[:start], words[end:]) if all(flags[start:end]) else None


def _within(few: Sequence[Word], many: Sequence[Word]) -> bool:
    """Whether the same words stand in `many`, side by side."""
    short, long = [w.text for w in few], [w.text for w in many]
    return any(long[i : i + len(short)] == short for i in range(len(long) - len(short) + 1))


def _origins(words: Iterable[Word]) -> tuple[Range, ...]:
    """The writes that the first of what these words stand for came with: who knows a later one knows these."""
    out: tuple[Range, ...] = ()
    for word in words:
        replica, n, _ = word.id
        out = _ranges(word.instead or ((replica, n, n),), {r: (first, last) for r, first, last in out})
    return out


def _ranges(writes: tuple[Range, ...], more: Known) -> tuple[Range, ...]:
    both = union(more, {r: (first, last) for r, first, last in writes})
    return tuple((r, *both[r]) for r in sorted(both))


def _overlap(replica: str, first: int, last: int, known: Known) -> bool:
    start, end = known.get(replica, (1, 0))
    return start <= end and first <= end and start <= last


def _landmarks(blocks: list[Block], old: int, new: int) -> list[Block]:
    """The blocks that are no chance: one that is shorter than the changes on either side of it is.

    (Semantic cleanup, as in Fraser's diff-match-patch: else a sentence written anew is taken for
    many small edits around "the", and a concurrent edit ends in the middle of it.)
    """
    kept: list[Block] = [(0, 0, 0)]
    for block in [*blocks, (old, new, 0)]:
        while len(kept) > 1 and _gap(kept[-2], kept[-1]) > kept[-1][2] < _gap(kept[-1], block):
            kept.pop()
        kept.append(block)
    return [block for block in kept if block[2]]


def _gap(block: Block, following: Block) -> int:
    return max(following[0] - block[0] - block[2], following[1] - block[1] - block[2])
