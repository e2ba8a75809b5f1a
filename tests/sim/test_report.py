"""The report: every figure is drawn, in light and in dark; the other forms say the same."""

import csv
import json
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from crdtkv.sim import report, run
from crdtkv.sim.compare import COLUMNS, figures, metadata, table
from crdtkv.sim.outcome import Outcome
from crdtkv.sim.report.atlas import told
from crdtkv.sim.report.files import as_csv, as_json, as_shiviz
from crdtkv.sim.report.page import page
from crdtkv.sim.report.spacetime import arrows
from crdtkv.sim.report.svg import Scale
from crdtkv.sim.report.timeline import timeline
from tests.sim.browser import CHROMIUM, measured, picture
from tests.sim.outcomes import made
from tests.sim.small import made as small

FIGURES = ["spread", "reads", "timeline", "staleness", "links", "memory", "kinds", "map", "spacetime"]
MOST_BYTES = 5_000_000


def names_of(text: str) -> list[str]:
    return re.findall(r'data-figure="(\w+)"', text)


@pytest.mark.parametrize("preset", ["world-12", "edge-330"])
def test_the_page_has_every_figure_and_needs_nothing_else(preset: str) -> None:
    """At most 5 MB; no script, and nothing that would be fetched."""
    text = page([made(preset)])
    assert names_of(text) == FIGURES
    assert len(text.encode()) <= MOST_BYTES
    assert not re.search(r"https?:|<script|<link|<img|@import|url\(|\ssrc=", text)


def test_a_real_run_fills_every_figure() -> None:
    """A scenario's own outcome, with a partition and a key that is watched: no figure is left bare."""
    fault = '[[fault]]\nkind = "partition"\nat = "3s"\nfor = "4s"\ngroups = [["LHR"], ["SIN", "GRU"]]'
    outcome = run(small(fault), 1, watch=["todo/1"])
    text = page([outcome])
    assert names_of(text) == FIGURES
    assert told(outcome) is not None and len(arrows(outcome.trace)) > 10
    for class_ in ("curve series-0", "bar series-0", "span", "mark", "message", "event", "origin", "way"):
        assert f'class="{class_}' in text.partition("</style>")[2], class_
    events = [clock for _, clock, _ in parsed(as_shiviz([outcome]))]
    assert len(events) > 20 and max(map(len, events)) == 3


def test_several_strategies_stand_in_one_table() -> None:
    """And each has its own figures."""
    text = page([made(strategy="lww", lost=7), made(strategy="list")])
    assert names_of(text) == FIGURES[:2] + FIGURES[2:] * 2
    assert "7 (0.58 %)" in text
    assert text.count("<h2 class=\"of\">") == 2


def test_what_is_lost_and_told_of_is_said_to_be() -> None:
    """A tick behind nothing-lost beside "7 lost" looked like a mistake."""
    outcome, words = made(lost=7), "Of the 7 that are lost a conflict inbox tells"
    for verdict, said in (("valid", True), ("invalid", False)):
        outcome.checks["nothing-lost"] = verdict
        assert (words in page([outcome])) == said


def test_what_a_scenario_is_called_is_no_markup() -> None:
    outcome = made()
    outcome.scenario = "<b>&'\""
    outcome.trace = [event._replace(words="<script>x</script>") for event in outcome.trace]
    assert "<b>" not in page([outcome])
    assert "<script>" not in page([outcome])


def test_a_run_without_anything_is_drawn_too() -> None:
    """No writes, no reads, no messages, a colo that is on no map."""
    text = page([Outcome("empty", 1, ["A", "B"], {}, 1.0)])
    assert names_of(text) == FIGURES[:-1]
    assert "on no map" in text
    assert "nan" not in text


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here; apt-get install chromium")
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("preset", ["world-12", "edge-330"])
def test_every_figure_is_drawn_in_a_browser(preset: str, dark: bool, tmp_path: Path) -> None:
    """Each has ink of several colours on its card, and no word of it is cut off at its border."""
    path = tmp_path / "report.html"
    report.write([made(preset)], "html", path)
    width, height, scale = 1280, 4200, 0.5
    drawn = measured(path, width, height)
    assert [figure["name"] for figure in drawn] == FIGURES
    shot = picture(path, width, height, dark, tmp_path / "report.png", scale)
    for figure in drawn:
        left, top, right, bottom = figure["box"]
        assert right - left > 300 and bottom - top > 60 and bottom < height, figure["name"]
        colours = shot.colours((left * scale, top * scale, right * scale, bottom * scale))
        ground, most = max(colours.items(), key=lambda row: row[1])
        assert (sum(ground) < 3 * 70) is dark, (figure["name"], ground)
        assert sum(colours.values()) - most > 0.005 * sum(colours.values()), figure["name"]
        assert len(colours) > 8, figure["name"]
        for said, (begin, high, end, low) in figure["words"]:
            assert left - 1 <= begin and end <= right + 1 and top - 1 <= high and low <= bottom + 1, said


def test_json_and_csv_say_what_the_table_says() -> None:
    outcomes = [made(strategy="lww", lost=7), made(strategy="list")]
    told = json.loads(as_json(outcomes))
    assert [run["lost"] for run in told] == [7, 0]
    assert {"from", "to", "writes", "mean_s", "max_s"} == set(told[0]["staleness"][0])
    rows = list(csv.DictReader(as_csv(outcomes).splitlines()))
    assert [row["strategy"] for row in rows] == ["lww", "list"]
    assert rows[0]["max"] == ""  # one never was at all colos
    assert float(rows[0]["p50"]) == pytest.approx(figures(outcomes[0])["p50"])
    assert set(COLUMNS) <= set(rows[0])
    assert [set(row) for row in table(outcomes)] == [set(COLUMNS)] * 2


def test_metadata_is_what_lies_beside_the_values() -> None:
    outcome = made()
    last = [w for w in outcome.memory if w.at == 60.0]
    assert metadata(outcome) == sum(w.bytes - w.values for w in last) / sum(w.siblings for w in last)
    outcome.memory = []
    assert metadata(outcome) is None


def parsed(log: str) -> list[tuple[str, dict[str, int], str]]:
    """As ShiViz reads it."""
    found = re.finditer(r"(?P<host>\S*) (?P<clock>{.*})\n(?P<event>.*)", log)
    return [(m["host"], json.loads(m["clock"]), m["event"]) for m in found]


def before(a: dict[str, int], b: dict[str, int]) -> bool:
    return a != b and all(n <= b.get(host, 0) for host, n in a.items())


def test_the_log_for_shiviz_keeps_what_was_before_what() -> None:
    """A host's own count goes up by one an event; who heard comes after who wrote."""
    events = parsed(as_shiviz([made()]))
    counts: dict[str, int] = {}
    for host, clock, _ in events:
        assert clock[host] == counts.get(host, 0) + 1
        counts[host] = clock[host]

    def find(words: Sequence[str]) -> list[dict[str, int]]:
        return [clock for _, clock, event in events if all(word in event for word in words)]

    dots = sorted({event.split()[4] for _, _, event in events if " write " in event})
    assert len(dots) == 6
    for dot in dots:
        [written], heard = find([" write ", dot]), find([dot, " from "])
        assert len(heard) == 11
        assert all(before(written, clock) for clock in heard)


def test_ticks_are_round_and_within() -> None:
    for low, high, log in ((0, 1e-3, False), (0, 7.2e6, False), (0.013, 41, True), (1e3, 9e9, True)):
        ticks = Scale(low, high, 0, 100, log).ticks()
        assert 2 <= len(ticks) <= 11
        assert all(low * 0.999 <= tick <= high * 1.001 for tick in ticks)
        assert ticks == sorted(set(ticks))


@pytest.mark.parametrize("healed", [0.5, 12.0, 25.0, 46.0, 60.0])
def test_where_it_healed_is_said_beside_the_title_and_over_nothing(healed: float) -> None:
    """Above the curves, behind the title's end, within the picture."""
    outcome = made()
    outcome.healed_s, outcome.converged_s = healed, 0.2
    [(x, y, anchor, said)] = re.findall(
        r'<text x="([\d.]+)" y="([\d.]+)"[^>]*text-anchor="(\w+)">(healed[^<]*)', timeline(outcome)
    )
    assert said == "healed; all equal, 200 ms later" and float(y) < 30
    begin = float(x) if anchor == "start" else float(x) - 6.6 * len(said)
    assert begin >= 340 and begin + 6.6 * len(said) <= 1140
