"""Texts merged by words: which words stand, and whose passage where two wrote at one place."""

from __future__ import annotations

from crdtkv.core import words
from crdtkv.strategies import document_parts
from crdtkv.strategies.words import Words
from tests.colos import Colos, arrive, cells, cut, record, shows
from tests.guards.mutation import Line, guards


def both_put(base: str, a: str, b: str, strategy: str = "words") -> tuple[str, list[str]]:
    """What stands after a put of `a` and a later one of `b`, each by who had read `base`; and the conflicts."""
    colos = Colos("a", "b")
    colos["a"].put("k", base, strategy=strategy)
    colos.meet()
    colos["a"].put("k", a)
    colos["b"].put("k", b)
    colos.meet()
    return colos.read("k"), [c.value for kv in colos.values() for c in kv.conflicts()]


@guards(
    "what is kept keeps its id",
    Line(
        words.edited,
        "out += text.words[block_i : block_i + length]",
        "out += created(joined(['', *words]), (dot[0], -dot[1])).words[block_j : block_j + length]",
    ),
)
def edits_of_different_words_all_stand() -> None:
    assert both_put("lint . --cache", "lint . --cache --fix", "eslint . --cache")[0] == "eslint . --cache --fix"


@guards(
    "what is new gets one and says instead of which writes' words it was put in",
    Line(words.edited, "_origins(text.words[i:block_i]) if text.words else _ranges((), text.known)", "()"),
)
def a_word_in_the_place_of_a_word_stands_alone() -> None:
    assert both_put("version 1 here", "version 2 here", "version 3 here")[0] == "version 3 here"


@guards(
    "The write replaces all siblings by what it and the text that stands here are together",
    Line(Words._put, "merged(unaware(shown.text, dot), mine)", "(mine, set[Id]())"),
)
def a_put_on_an_old_base_keeps_what_others_wrote_since() -> None:
    kv = Colos("a")["a"]
    base = kv.put("k", "one two three", strategy="words").version
    kv.put("k", "one two three four")
    assert kv.put("k", "zero one two three", base=base).value == "zero one two three four"


@guards(
    "What is put knows what the text at the base knew.",
    Line(
        words.edited,
        "return Text(tuple(out), text.known)",
        "return Text(tuple(out), {r: (first, first) for r, (first, last) in text.known.items()})",
    ),
)
def a_word_that_was_taken_out_stays_out() -> None:
    """b takes out what a wrote second, a changes another word: else it would look as if b had never seen it."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", "one two three four", strategy="words")
    a.put("k", "one two three four five")
    colos.meet()
    b.put("k", "one two three four")
    a.put("k", "1 two three four five")
    colos.meet()
    assert colos.read("k") == "1 two three four"


@guards(
    "a word that A has and B lacks was taken out by B if B knows its write",
    Line(words.merged, "_Side(theirs.known, frozenset(there))", "_Side({}, frozenset(there))"),
)
def what_the_later_took_out_is_out() -> None:
    assert both_put("one two three four", "zero one two three four", "one two four")[0] == "zero one two four"


@guards(
    "None free: the whole passage of the one that took out more of what the other kept",
    Line(words._settled, "my_width > their_width", "my_width < their_width"),
)
def a_sentence_written_anew_stands_against_a_later_edit_inside() -> None:
    stands, lost = both_put("see the old page for more", "read chapter nine", "see the new page for more")
    assert stands == "read chapter nine" and lost == ["see the new page for more"]


@guards(
    "Two texts that know no write in common: B, instead of all that A knew.",
    Line(words.merged, "if not any(_overlap(r, *ns, theirs.known) for r, ns in mine.known.items()):", "if False:"),
)
def texts_without_a_common_past_are_not_mixed() -> None:
    colos = Colos("a", "b")
    colos["a"].put("k", "made at a", strategy="words")
    colos["b"].put("k", "and this at b", strategy="words")
    colos.meet()
    assert colos.read("k") == "and this at b"


@guards(
    "A put to what reads as absent begins a text of its own, whatever its base.",
    Line(Words._put, "_encode(value, dot), all=True)]\n", "_encode(value, dot))]\n"),
)
def a_put_where_a_text_was_deleted_leaves_nothing_of_the_delete() -> None:
    """By who had not read the delete, where its tombstone still is and where it was purged: equal cells."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("doc", "json", paths={"/m": "words"})
    base = a.put("doc", {"m": "one two", "stays": 0}).version
    a.json("doc").at("/m").delete()
    colos.purge_only("b")
    assert arrive(b, record(a, lambda kv: kv.json("doc").at("/m").put("one three", base=base))) == "absorbed"
    arrive(a, cut(b, a))
    assert a.floor == b.floor and colos.read("doc") == {"m": "one three", "stays": 0}
    colos.check()


@guards(
    "Under `wins=delete` a text is absent while a tombstone stands beside it.",
    Line(Words.gone, '"wins" in self.chosen and not all(live)', "False"),
)
def a_text_stays_deleted_where_deletes_win() -> None:
    colos = Colos("a", "b")
    colos["a"].put("k", "one two", strategy="words?wins=delete")
    colos.meet()
    colos["a"].delete("k")
    colos["b"].put("k", "one two three")
    colos.meet()
    assert colos.read("k") is None and [c.value for c in colos["b"].conflicts()] == ["one two three"]


@guards(
    "every leaf outside arrays, but not the root, is a `words` cell of its own",
    Line(document_parts.leaf_component, 'at[-1:] in ((), ("*",))', "False"),
)
def an_element_of_an_array_is_not_merged_by_words() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"l": ["one two"]}, strategy="json?strings=words")
    colos.meet()
    a.json("doc").list("/l")[0] = "one two three"
    b.json("doc").list("/l")[0] = "zero one two"
    colos.meet()
    assert colos.read("doc") == {"l": ["zero one two"]}


@guards(
    "(one that is no text: last write wins), so that a change of type stays one cell",
    Line(document_parts.leaf_component, "isinstance(value, dict | list | tuple)", "not isinstance(value, str)"),
)
def a_text_that_another_makes_a_number_stays_one_leaf() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"m": "1"}, strategy="json?strings=words")
    colos.meet()
    a.put("doc", {"m": 1})
    b.put("doc", {"m": "1 and a half"})
    colos.meet()
    assert colos.read("doc") == {"m": "1 and a half"} and shows(a, "doc") == shows(b, "doc")
    assert cells(a, "doc") == 2
