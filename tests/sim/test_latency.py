"""Round trips between colos: the four models, and the one of cables against what was measured."""

import json
import statistics
from pathlib import Path

import pytest

from crdtkv.errors import BadRequest
from crdtkv.sim import latency, places

BESIDE = [folder / "shared" / "data" / "aws_rtt_p50.json" for folder in Path(__file__).parents[3:5]]
MEASURED = next((path for path in BESIDE if path.exists()), BESIDE[0])
"""Round trips between the regions of a cloud, by others, beside the project and no part of it."""


def errors(model: str, measured: dict[str, dict[str, float]]) -> list[float]:
    """By how much the model is wrong, as a share of what was measured, for each two regions."""
    off = []
    for a, row in measured.items():
        for b, ms in row.items():
            if a != b:
                off.append(abs(latency.rtt_ms(places.AWS[a], places.AWS[b], model) - ms) / ms)
    return off


@pytest.mark.skipif(not MEASURED.exists(), reason="the measured round trips lie beside the project, not in it")
def test_cables_are_as_long_as_was_measured(capsys: pytest.CaptureFixture[str]) -> None:
    """33 regions, every two: the median error is at most 12 %, and less than half that of the great circle."""
    measured = json.loads(MEASURED.read_text())["data"]
    assert set(measured) == set(places.AWS)
    cables, circle = (sorted(errors(model, measured)) for model in ("cables", "great-circle"))
    with capsys.disabled():
        for name, off in (("cables", cables), ("great-circle", circle)):
            print(f"\n{name}: median error {statistics.median(off):.1%}, p90 {off[len(off) * 9 // 10]:.1%}", end="")
        print(f", of {len(cables)} pairs")
    assert statistics.median(cables) <= 0.12
    assert statistics.median(cables) < statistics.median(circle) / 2


def test_every_colo_of_a_preset_is_on_the_map() -> None:
    """Each has a place, none occurs twice, and each is as many as its name says."""
    for name, codes in places.PRESETS.items():
        assert len(set(codes)) == len(codes) == int(name.rpartition("-")[2]), name
        for code in codes:
            assert -60 < places.place(code).lat < 75, code


@pytest.mark.parametrize("model", ["cables", "great-circle", "constant:50ms"])
def test_a_round_trip_is_the_same_both_ways(model: str) -> None:
    between = latency.named(model).rtt_ms
    for a in places.preset("world-12"):
        for b in places.preset("world-12"):
            assert between(a, b) == pytest.approx(between(b, a))
            assert 0 < between(a, b) < 500


def test_what_is_farther_takes_longer() -> None:
    """Frankfurt is nearer to London than Sydney is; a second colo at a place is next door."""
    for model in ("cables", "great-circle"):
        between = latency.named(model).rtt_ms
        assert between("LHR", "LHR-2") == between("lhr", "LHR") < between("LHR", "FRA") < between("LHR", "SYD")


def test_cables_go_around_continents() -> None:
    """No cable goes straight from Chile to New Zealand, nor from Mombasa over the Sahara."""
    for a, b in (("SCL", "AKL"), ("NBO", "CMN")):
        assert latency.rtt_ms(a, b) > 1.5 * latency.rtt_ms(a, b, "great-circle")


def test_a_matrix_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"LHR": {"SIN": 160, "FRA": 12.5}, "SIN": {"LHR": 170}}')
    (tmp_path / "m.csv").write_text("from,to,rtt_ms\nLHR,SIN,160\nSIN,LHR,170\nLHR,FRA,12.5\n")
    for name in ("m.json", "m.csv"):
        between = latency.named(f"matrix:{name}", tmp_path).rtt_ms
        assert (between("LHR", "SIN"), between("SIN", "LHR"), between("fra", "LHR")) == (160, 170, 12.5)
        assert between("FRA", "FRA") == latency.NEAR_MS
        with pytest.raises(BadRequest, match="no round trip between 'FRA' and 'SIN'"):
            between("FRA", "SIN")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"LHR": 1}', '{"LHR": {"SIN": "x"}}', '{"LHR": {"SIN": -1}}', "{"])
def test_a_file_that_is_no_matrix_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(BadRequest, match=r"m\.json' is no matrix"):
        latency.named("matrix:m.json", tmp_path)


@pytest.mark.parametrize("spec", ["cable", "", "constant", "constant:", "constant:soon", "constant:-1ms", "matrix:"])
def test_a_model_that_is_none_is_refused(spec: str) -> None:
    """With the value, and what there is."""
    with pytest.raises(BadRequest, match=r"no latency model|is no latency"):
        latency.named(spec)


def test_a_colo_that_is_nowhere_is_refused() -> None:
    for model in ("cables", "great-circle"):
        with pytest.raises(BadRequest, match="no airport 'QQQ'"):
            latency.rtt_ms("LHR", "QQQ", model)
    with pytest.raises(BadRequest, match="no airport 'QQQ'"):
        latency.model("cables", ["LHR", "SIN", "QQQ"])
    with pytest.raises(BadRequest, match="no airport 'London'"):
        places.place("London")
    with pytest.raises(BadRequest, match="no preset 'world-13'; there are aws-33"):
        places.preset("world-13")
