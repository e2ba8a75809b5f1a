"""Scenario files: what is wrong is told with its line and its value."""

from __future__ import annotations

import pytest

from crdtkv.errors import BadRequest
from crdtkv.sim import parse
from tests.sim.small import SMALL, made


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("loss = 0.01", "loss = 1.5", 10, "loss is 1.5; a share from 0 to 1 is allowed in [network]"),
        ('"normal(0, 20)"', '"gauss(1)"', 7, "skew_ms is 'gauss(1)'"),
        ('"10s"', '"ten"', 3, "duration is 'ten'; a time as"),
        ('"list-append"', '"lists"', 15, "no workload 'lists'"),
        ("rate = 10", "speed = 10", 17, "'speed' is not known"),
        ('"list"', '"or-set"', 13, "no strategy 'or-set'"),
        ('"GRU"', '"LHR"', 6, "each colo once"),
        ("{uniform(5)}", "{zipf(5)}", 16, "{zipf(5)} draws no key"),
        ("[network]", '[network]\nmodel = "tubes"', 9, "no latency model 'tubes'"),
        ('strategy = "list"', "", 11, "strategy is missing"),
    ],
)
def test_a_wrong_value_is_told_with_its_line(old: str, new: str, line: int, words: str) -> None:
    assert old in SMALL
    with pytest.raises(BadRequest) as told:
        parse(SMALL.replace(old, new).lstrip("\n"), "small.toml")
    assert f"small.toml, line {line}: " in str(told.value) and words in str(told.value), str(told.value)


def test_the_second_table_of_a_name_is_told_from_the_first() -> None:
    with pytest.raises(BadRequest, match=r"line 25: at is 'soon'"):
        made('[[fault]]\nkind = "ring"\nat = "1s"\n[[fault]]\nat = "soon"\nkind = "ring"')
    with pytest.raises(BadRequest, match="groups has 'JFK'; LHR, SIN, GRU are allowed"):
        made('[[fault]]\nkind = "partition"\nat = "1s"\ngroups = [["JFK"]]')


def test_what_is_no_toml_is_told_with_its_line() -> None:
    with pytest.raises(BadRequest, match=r"small.toml: .*line 2"):
        parse("[scenario]\nname = ]", "small.toml")


def test_all_keys_under_another_strategy() -> None:
    assert [rule.strategy for rule in made().under("lww").keys] == ["lww"]
