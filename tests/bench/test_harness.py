"""The harness of the benchmarks, by made-up workloads: who runs when, what comes of it, what is said of the absent."""

from __future__ import annotations

import json
import os
import select
import sys
from pathlib import Path

from bench.harness import processes
from bench.harness.plan import OURS_ONCE, SAID, Progress, limit, planned, shortened
from bench.harness.shapes import Case, Figure, Outcome, Row, Spread, Workload
from bench.harness.statistics import ratio, row, spread, tabled
from bench.harness.table import Measured, markdown, plain
from bench.harness.targets import at_least, at_most, both, faster, grows, right
from bench.peers import from_lines, to_lines
from bench.workloads.thread import judge

US = Figure("us", "an append", "us")
RATE = Figure("rate", "puts", "/s", more=True)


def case(name: str = "small", peers: tuple[str, ...] = ("crdtkv", "loro", "yjs"), **more: object) -> Case:
    return Case(name, f"{name} ones", {"do": name}, (US, RATE), peers, **more)  # type: ignore[arg-type]


def table(**rows: Row) -> dict[str, dict[str, Row]]:
    return {"small": rows}


def of(us: float, verdict: str = "", rate: float = 1.0) -> Row:
    return Row({"us": Spread(us, us, us, 1), "rate": Spread(rate, rate, rate, 1)}, verdict)


# the plan


def test_repetitions_take_turns() -> None:
    runs = [(run.peer, run.repetition) for run in planned((case(repetitions=2),))]
    assert runs == [("crdtkv", 0), ("loro", 0), ("yjs", 0), ("crdtkv", 1), ("loro", 1), ("yjs", 1)]


def test_only_the_peers_that_were_named_run() -> None:
    assert [run.peer for run in planned((case(repetitions=1),), {"yjs", "crdtkv"})] == ["crdtkv", "yjs"]


def test_we_are_given_longer() -> None:
    ours, theirs = [limit(run) for run in planned((case(repetitions=1, seconds=10),), {"crdtkv", "loro"})]
    assert (ours, theirs) == (90, 10)


def test_quick_and_repetitions() -> None:
    workload = Workload("w", "", (case("large"),), (case("small"),))
    assert [c.name for c in shortened(workload, True, None)] == ["small"]
    assert [c.repetitions for c in shortened(workload, False, 7)] == [7]


def test_who_is_not_installed_is_said_to_be() -> None:
    run = next(planned((case(),)))
    said = Progress({}).left_out(run, {"crdtkv": "a package"})
    assert said is not None and said.failure == "not installed: a package"


def test_who_failed_once_is_not_tried_again_and_who_was_slow_not_at_a_larger_size() -> None:
    small, large, huge = case("small"), case("large", after="small"), case("huge", after="large")
    plan = Progress({})
    runs = {(run.case.name, run.peer): run for run in planned((small, large, huge))}
    plan.add(runs["small", "loro"], Outcome(failure="over 20 s", slow=True))
    plan.add(runs["small", "yjs"], Outcome(failure="exit 1: it crashed"))
    plan.add(runs["small", "crdtkv"], Outcome(seconds=OURS_ONCE - 1))
    assert plan.left_out(runs["small", "loro"], {}) is SAID
    larger = plan.left_out(runs["large", "loro"], {})
    assert larger is not None and larger.failure == "not tried: over 20 s at small"
    plan.add(runs["large", "loro"], larger)
    assert plan.left_out(runs["huge", "loro"], {}) == larger
    assert plan.left_out(runs["large", "yjs"], {}) is None
    assert plan.left_out(runs["small", "crdtkv"], {}) is None
    plan.add(runs["small", "crdtkv"], Outcome(seconds=OURS_ONCE + 1))
    assert plan.left_out(runs["small", "crdtkv"], {}) is SAID


# statistics


def test_the_median_and_how_far_apart() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(2.0, 1.0, 3.0, 3)


def test_a_row_tells_every_verdict_and_any_failure() -> None:
    found = row([Outcome({"us": 1.0}, "right"), Outcome({"us": 3.0}, "loses 2"), Outcome(failure="over 20 s")])
    assert found.figures["us"].median == 2.0
    assert (found.verdict, found.failure) == ("right; loses 2", "over 20 s")


def test_ratios_are_of_ours() -> None:
    rows = {"crdtkv": of(4.0), "loro": of(1.0), "yjs": Row(failure="over 20 s")}
    assert ratio(rows, "loro", "us") == 0.25
    assert ratio(rows, "yjs", "us") is None
    assert ratio({"loro": of(1.0)}, "loro", "us") is None


# targets


def test_targets_are_met_or_not_or_not_told() -> None:
    small = table(crdtkv=of(4.0, "right", 100.0), loro=of(2.0, "", 50.0), yjs=Row(failure="over 20 s"))
    assert at_most("", "small", US, 4).judge(small).met is True
    assert at_most("", "small", US, 3.9).judge(small).met is False
    assert at_least("", "small", RATE, 101).judge(small).met is False
    assert at_least("", "other", RATE, 1).judge(small).met is None
    assert right("", "small").judge(small).met is True
    assert right("", "small").judge(table(crdtkv=of(1.0, "loses 2"))).met is False
    assert right("", "small").judge(table(crdtkv=Row(failure="exit 1"))).met is False
    assert at_most("", "small", US, 9).judge(table(crdtkv=Row(failure="exit 1"))).met is False


def test_faster_than_the_best_of_those_that_were_measured() -> None:
    small = table(crdtkv=of(4.0, "", 100.0), loro=of(2.0, "", 50.0), yjs=of(9.0, "", 10.0))
    told = faster("", "small", US, ("loro", "yjs")).judge(small)
    assert told.met is False and told.found.startswith("0.50 times loro")
    assert faster("", "small", US, ("yjs",), 2.0).judge(small).met is True
    assert faster("", "small", RATE, ("loro", "yjs"), 2.0).judge(small).met is True
    told = faster("", "small", RATE, ("loro", "etcd")).judge(small)
    assert told.met is True and told.found.endswith("without etcd")
    assert faster("", "small", RATE, ("etcd",)).judge(small).met is None


def test_growth_and_several_at_once() -> None:
    sizes = {"small": {"crdtkv": of(4.0)}, "large": {"crdtkv": of(5.0)}}
    assert grows("", "small", "large", US, 1.25).judge(sizes).met is True
    assert grows("", "small", "large", US, 1.2).judge(sizes).met is False
    fine, bad, unknown = at_most("", "small", US, 9), at_most("", "small", US, 1), at_most("", "none", US, 1)
    assert both("", fine, fine).judge(sizes).met is True
    assert both("", fine, unknown).judge(sizes).met is None
    assert both("", unknown, bad).judge(sizes).met is False


# the table


def measured() -> Measured:
    workload = Workload("lists", "appends", (case(),), (case(),), (at_most("an append <= 8 us", "small", US, 8),))
    outcomes = {
        ("small", "crdtkv"): [Outcome({"us": n, "rate": 100.0, "peak_mb": 30.0}, "right") for n in (3.0, 4.0, 5.0)],
        ("small", "loro"): [Outcome({"us": 1.0, "rate": 50.0}, "loses 2 | all", note="by hand")],
        ("small", "yjs"): [Outcome(failure="not installed: yjs")],
    }
    return Measured(workload, workload.cases, tabled(workload.cases, outcomes), 1.0)


def test_the_page() -> None:
    page = markdown(
        {"machine": "a toaster"}, {"loro": "1.0", "yjs": "not installed"}, [measured()], "python -m bench lists"
    )
    assert "- machine: a toaster" in page and "yjs not installed" in page
    assert "| lists | met | an append <= 8 us | 4 µs |" in page
    assert "Of 1: 1 met." in page
    assert "| **crdtkv** | right | 1.0 | 1.0 | 1.0 | 4 µs (3 µs to 5 µs) | 100/s | 30 MB |" in page
    assert "| loro | loses 2 \\| all | 0.25 | 0.5 | - | 1 µs | 50/s | - |" in page
    assert "| yjs | not installed: yjs |" in page and "loro: by hand." in page


def test_every_row_of_a_table_has_as_many_cells() -> None:
    page = markdown({}, {}, [measured()], "")
    rows = [line for line in page.split("###")[1].splitlines() if line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in rows} == {9}


def test_what_is_told_of_us_alone_is_one_table_and_says_how_it_grows() -> None:
    cases = tuple(case(f"{n} keys", ("crdtkv",), size=n) for n in (100, 10_000))
    outcomes = {(c.name, "crdtkv"): [Outcome({"us": c.size / 10, "rate": 50.0}, "right")] for c in cases}
    page = markdown({}, {}, [Measured(Workload("growth", "", cases, ()), cases, tabled(cases, outcomes), 1.0)], "")
    assert "| 100 keys ones | right | 10 µs | 50/s |" in page
    assert "| grows as size to the power of | | 1.00 | 0.00 |" in page


def test_large_cases_are_run_where_they_are_asked_for() -> None:
    workload = Workload("w", "", (case("small"),), (), large=(case("huge"),))
    assert [c.name for c in shortened(workload, False, None, large=True)] == ["small", "huge"]
    assert [c.name for c in shortened(workload, False, None)] == ["small"]


def test_json_beside_it() -> None:
    told = json.loads(json.dumps(plain({}, {}, [measured()], "")))
    rows = told["workloads"]["lists"]["cases"]["small"]
    assert rows["crdtkv"]["figures"]["us"] == {"median": 4.0, "low": 3.0, "high": 5.0, "count": 3}
    assert told["workloads"]["lists"]["targets"] == [{"wanted": "an append <= 8 us", "met": True, "found": "4 µs"}]


# processes


def worker(tmp_path: Path, source: str, seconds: float = 20) -> Outcome:
    path = tmp_path / "worker.py"
    path.write_text(f"import json, sys, os\norder = json.load(sys.stdin)\n{source}\n")
    return processes.run([sys.executable, str(path)], {"peer": "it"}, seconds, {})


def test_a_worker_is_told_its_order_and_a_folder(tmp_path: Path) -> None:
    result = "{'figures': {'us': 1.5}, 'verdict': order['peer'], 'found': os.listdir(order['folder'])}"
    says = f"print('noise'); print(json.dumps({result}))"
    found = worker(tmp_path, says)
    assert (dict(found.figures), found.verdict, found.found, found.failure) == ({"us": 1.5}, "it", [], "")


def test_a_crash_is_a_result(tmp_path: Path) -> None:
    assert worker(tmp_path, "raise ValueError('no such thing')").failure == "exit 1: ValueError: no such thing"
    assert worker(tmp_path, "os.kill(os.getpid(), 9)").failure.startswith("ended by signal 9")


def test_what_cannot_be_done_is_a_result(tmp_path: Path) -> None:
    assert worker(tmp_path, "print(json.dumps({'cannot': 'cannot: no counter'}))").failure == "cannot: no counter"


def test_who_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    note = tmp_path / "child"
    source = (
        "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(note)!r}, 'w').write(str(child.pid))\nchild.wait()"
    )
    found = worker(tmp_path, source, 4)
    assert found.slow and found.failure == "over 4 s"
    assert ended(int(note.read_text()))


def ended(pid: int) -> bool:
    """Whether a process that was killed goes, as soon as it gets to that."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([process], [], [], 30)[0])
    finally:
        os.close(process)


# what is judged


def test_a_list_is_judged() -> None:
    assert judge(["a"], ["a"]) == "right"
    assert judge(["a", "b"], ["a"], ["b"]) == "brings b back"
    assert judge("a conflict", ["a"]) == "a conflict"


def test_lines_and_back() -> None:
    assert from_lines("".join(to_lines({"a": [1, 2]}))) == {"a": [1, 2]}
    assert from_lines("{") == "no JSON"
