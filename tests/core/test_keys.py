"""Keys and patterns: what matches is what the documentation says, and no pattern takes long."""

import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crdtkv.core import keys
from crdtkv.core.keys import check_key, exact, glob, prefix, regex
from crdtkv.errors import KeyInvalid, PatternInvalid

words = st.text("abc-]*\\", max_size=7)


def spec(pattern: str, key: str) -> bool:
    """A second, obvious definition of globs: by recursion, with every way tried."""
    if not pattern:
        return not key
    if pattern[0] == "*":
        return any(spec(pattern[1:], key[i:]) for i in range(len(key) + 1))
    if not key:
        return False
    if pattern[0] == "?":
        return spec(pattern[1:], key[1:])
    if pattern[0] == "[":
        end = pattern.index("]", 3 if pattern[1] in "!^" else 2)
        inside = pattern[1:end].lstrip("!^")
        if len(inside) == 3 and inside[1] == "-":
            inside = "".join(map(chr, range(ord(inside[0]), ord(inside[2]) + 1)))
        return (key[0] in inside) is (pattern[1] not in "!^") and spec(pattern[end + 1 :], key[1:])
    if pattern[0] == "\\":
        return key[0] == pattern[1] and spec(pattern[2:], key[1:])
    return key[0] == pattern[0] and spec(pattern[1:], key[1:])


pieces = ["a", "b", "c", "-", "*", "*", "?", "[ab]", "[!a]", "[a-c]", "[^b-c]", "[]]", "[!]]", "[a-]"]
pieces += ["\\*", "\\\\", "\\a"]
globs = st.lists(st.sampled_from(pieces), max_size=7).map("".join)


@given(globs, words)
@example("*a*b*c", "abcabc")
@example("a*a", "a")
@example("*ab*ab", "ab")
def test_globs_match_as_the_spec_says(pattern: str, key: str) -> None:
    """And all that matches begins with the prefix; a glob of one key or one range says so."""
    found = glob(pattern)
    assert found.matches(key) == spec(pattern, key)
    assert key.startswith(found.prefix) or not found.matches(key)
    if found.kind == "exact":
        assert found.matches(found.prefix) and not found.matches(found.prefix + "a")
    if found.kind == "prefix":
        assert found.matches(found.prefix) and found.matches(found.prefix + key)


@given(st.text("ab\n^é", max_size=5), st.text("ab\n^é", max_size=5))
def test_exact_and_prefix(text: str, key: str) -> None:
    """They take every character as it is."""
    assert prefix(text).matches(key) == key.startswith(text)
    if text:
        assert exact(text).matches(key) == (key == text)
        escaped = "".join("\\" + char for char in text)
        assert glob(escaped).matches(key) == (key == text) and glob(escaped).kind == "exact"


regexes = st.lists(st.sampled_from(["^", "a", "b", "c", "a*", "b?", "a+", "(?:b)", "[ab]", ".", "|", "$"]), max_size=6)


@given(regexes.map("".join), words)
@example("^ab*", "a")
@example("^a|b", "b")
@example("^ab{0}", "a")
def test_regexes_match_as_pythons_do(pattern: str, key: str) -> None:
    """On the syntax that both have; and all that matches begins with the prefix."""
    found = regex(pattern)
    assert found.matches(key) == bool(re.search(pattern.replace("$", r"\Z"), key))
    assert key.startswith(found.prefix) or not found.matches(key)


prefixes = {"^cart-[0-9]": "cart-", "^ab*": "a", "^ab?": "a", "^ab{0,1}": "a", "^ab+": "ab", "^a|b": "", "cart": ""}
prefixes |= {"(?i)^cart": "", "^(?i)cart": "", "^a\\.b": "a", "^a.b": "a", "^^a": "", "": "", "^user:7$": "user:7"}


@pytest.mark.parametrize(("pattern", "expected"), prefixes.items())
def test_a_regex_knows_its_prefix(pattern: str, expected: str) -> None:
    """Only what every match begins with."""
    assert regex(pattern).prefix == expected


def test_a_pattern_reads_characters_not_bytes() -> None:
    """? and . are one character, whatever its bytes; a newline is a character too."""
    for one in "é", "\U0001f600", "\n":
        assert glob(f"a?{'b'}").matches(f"a{one}b") and not glob("a??b").matches(f"a{one}b")
        assert glob("a[!x]b").matches(f"a{one}b") and glob("a*b").matches(f"a{one}b")
    assert regex("^a.b$").matches("aéb") and glob("[à-ü]").matches("é") and not glob("[a-z]").matches("é")


def test_no_pattern_takes_exponential_time() -> None:
    """The classics that take years where each way is tried; here they end."""
    key = "a" * 500 + "!"
    assert not glob("*a" * 400 + "b").matches(key)
    assert not glob("*" + "a?*" * 100 + "b").matches(key)
    assert not glob("[a]*" * 250).matches("!" + key)
    assert not regex("(a+)+$").matches(key) and not regex("(a|a)*b").matches(key) and not regex("(.*)*x$").matches(key)


bad_globs = [
    ("a[bc", "glob 'a[bc' at 1: '[' without ']'; for the character itself write '\\['"),
    ("[", "glob '[' at 0: '[' without ']'; for the character itself write '\\['"),
    ("[!", "glob '[!' at 0: '[' without ']'; for the character itself write '\\['"),
    ("x[]", "glob 'x[]' at 1: '[' without ']'; for the character itself write '\\['"),
    ("ab\\", "glob 'ab\\\\' at 2: a backslash with nothing after it; write '\\\\'"),
    ("[a\\", "glob '[a\\\\' at 2: a backslash with nothing after it; write '\\\\'"),
    ("[z-a]", "glob '[z-a]' at 2: the range z-a is empty"),
]


@pytest.mark.parametrize(("pattern", "message"), bad_globs)
def test_a_bad_glob_is_refused_with_its_place(pattern: str, message: str) -> None:
    """The pattern, the position, and what to write instead."""
    with pytest.raises(PatternInvalid) as caught:
        glob(pattern)
    assert str(caught.value) == message


bad_regexes = ["a(b", "*a", "[z-a]", "(?=a)", "(a)\\1", "((a{100}){100}){10}", "a{1001}", "\\pL{100}", "é(ü"]


@pytest.mark.parametrize("pattern", bad_regexes)
def test_a_bad_regex_is_refused(pattern: str) -> None:
    """What RE2 does not take, or takes too much memory for, is an error that shows the pattern."""
    with pytest.raises(PatternInvalid, match=re.escape(repr(pattern))):
        regex(pattern)


def test_a_bad_regex_is_shown_with_its_place() -> None:
    """Where RE2 names a part that the pattern has once."""
    with pytest.raises(PatternInvalid) as caught:
        regex("x[z-a]")
    assert str(caught.value) == "regex 'x[z-a]' at 2: invalid character class range: z-a; RE2 syntax is allowed"


@pytest.mark.parametrize("make", [exact, prefix, glob, regex])
def test_patterns_are_bounded_text(make: Any) -> None:
    """At most 1,000 characters, a string, no lone surrogates."""
    assert make("a" * keys.MAX_PATTERN).matches("a" * keys.MAX_PATTERN)
    for bad in ("a" * (keys.MAX_PATTERN + 1), "\ud800", b"a", None, 5):
        with pytest.raises(PatternInvalid):
            make(bad)


@given(st.text(max_size=300))
def test_a_key_is_1_to_512_bytes_without_nul(text: str) -> None:
    """Every text passes or is refused by exactly that rule."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        size = -1
    if 1 <= size <= 512 and "\0" not in text:
        assert check_key(text) == text
    else:
        with pytest.raises(KeyInvalid):
            check_key(text)


bad_keys: list[tuple[object, str]] = [
    ("", "key '' is empty; 1 to 512 bytes"),
    ("x" * 513, f"key '{'x' * 80}'... is 513 bytes; at most 512"),
    ("é" * 257, f"key '{'é' * 80}'... is 514 bytes; at most 512"),
    ("a\0b", "key 'a\\x00b' has a NUL at 1; any other character may be in a key"),
    ("ab\ud800", "key 'ab\\ud800' has a lone surrogate at 2; a key is UTF-8"),
    (b"ab", "key b'ab' is bytes; a key is a string"),
    (None, "key None is NoneType; a key is a string"),
]


@pytest.mark.parametrize(("key", "message"), bad_keys)
def test_a_bad_key_is_refused_in_words(key: object, message: str) -> None:
    """The value, what is wrong and what is allowed."""
    with pytest.raises(KeyInvalid) as caught:
        check_key(key)
    assert str(caught.value) == message


def test_keys_at_the_limit_pass() -> None:
    """512 bytes, in one-byte characters or two."""
    for key in ("x" * 512, "é" * 256, "\x01", " ", "\U0001f600"):
        assert check_key(key) == key


def test_patterns_are_values() -> None:
    """Equal text makes equal patterns: rules compare and store them."""
    assert glob("a*b") == glob("a*b") != glob("a*c") and len({regex("a"), regex("a"), glob("a")}) == 2
