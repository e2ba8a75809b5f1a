"""The report: one HTML page that needs nothing else, for light and dark."""

import math
from collections.abc import Sequence
from html import escape
from importlib.resources import files

from crdtkv.sim.compare import COLUMNS, named, table
from crdtkv.sim.outcome import Outcome, Verdict
from crdtkv.sim.report.atlas import atlas, regions, told
from crdtkv.sim.report.charts import Series, by_kind, cdf, heat_map, memory
from crdtkv.sim.report.spacetime import busiest, space_time
from crdtkv.sim.report.svg import tag
from crdtkv.sim.report.timeline import timeline
from crdtkv.sim.words import amount, kilo, took

__all__ = ["MOST_LABELS", "page", "replay_line"]

MOST_LABELS = 40
"""Colos that have a row each on a heat map; of more, the parts of the world have one."""
_MOST_FINDINGS = 50
_SIGNS: dict[Verdict, str] = {"valid": "✓", "invalid": "✗", "unknown": "?"}


def replay_line(outcome: Outcome) -> str:
    """The command that makes the same run again."""
    return f"crdtkv simulate replay {outcome.seed} {outcome.scenario}"


def page(outcomes: Sequence[Outcome], again: str = "") -> str:
    """The whole page: what all runs have together, then each in full. `again`: the command that makes them again."""
    first = outcomes[0]
    worst = next((v for v in ("invalid", "unknown") if any(o.verdict == v for o in outcomes)), "valid")
    style = (files("crdtkv.sim.report") / "style.css").read_text("utf-8")
    body = [_head(first, worst, again), _strategies(outcomes), _spread(outcomes)]
    for outcome in outcomes:
        title = tag("h2", escape(named(outcome)), class_="of") if len(outcomes) > 1 else ""
        body.append(f"<section>{title}{_run(outcome)}</section>")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(first.scenario)}: {worst}</title><style>{style}</style></head>\n"
        f'<body><main>{"".join(body)}</main></body></html>\n'
    )


def _head(first: Outcome, worst: str, again: str) -> str:
    count = len(first.faults)
    faults = "no faults" if not count else "1 fault" if count == 1 else f"{amount(count)} faults"
    run = f"{amount(len(first.colos))} colos, {took(first.duration_s)} of virtual time, {faults}, seed {first.seed}"
    return (
        f"<header><h1>{escape(first.scenario)}</h1><p class='verdict {worst}'>{_SIGNS[worst]} {worst}</p>"  # type: ignore[index]
        f"<p>{run}</p><p>Again: <code>{escape(again or replay_line(first))}</code></p></header>"
    )


def _strategies(outcomes: Sequence[Outcome]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in COLUMNS)
    rows = "".join(
        "<tr>" + "".join(f"<td{_marked(name, row)}>{escape(row[name])}</td>" for name in COLUMNS) + "</tr>"
        for row in table(outcomes)
    )
    return _figure(
        "What each strategy kept and cost", f"<div class='scroll'><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>",
        "p50, p99, max: from the acknowledgement of a write until it was at all colos. Stale: by how much a read was "
        "behind what had been acknowledged anywhere. Bytes/write: all that was sent, for each acknowledged write. "
        "Metadata/value: what a colo kept beside the values, for each of them.", "wide",
    )  # fmt: skip


def _marked(name: str, row: dict[str, str]) -> str:
    wrong = (name in ("lost", "resurrected") and row[name] != "0") or (name == "verdict" and row[name] != "valid")
    return " class='wrong'" if wrong else ""


def _spread(outcomes: Sequence[Outcome]) -> str:
    series = [
        Series(named(o), [math.inf if w.all_s is None else w.all_s for w in o.writes]) for o in outcomes if o.writes
    ]
    reads = [Series(named(o), o.read_staleness) for o in outcomes if o.read_staleness]
    everywhere = cdf("spread", "how long writes took to be at all colos", "after the acknowledgement", series)
    behind = cdf("reads", "by how much reads were behind", "behind what had been acknowledged", reads)
    return _figure(
        "How long until a write is everywhere", everywhere, "Of all acknowledged writes, the share that was at all "
        "colos after so long.",
    ) + _figure(
        "How far behind reads are", behind, "Of all reads, the share that lacked nothing which had been acknowledged "
        "anywhere longer ago than that.",
    )  # fmt: skip


def _run(outcome: Outcome) -> str:
    key, write = busiest(outcome.trace), told(outcome)
    parts = [
        _figure(
            "From the first write to the last", timeline(outcome),
            "Shaded: while a fault lasted. Below, lanes for each kind of fault.", "wide",
        ),
        *_pairs(outcome),
        _figure("What a colo keeps", memory(outcome), "Bytes of keys, values and what the merge needs; faults behind."),
        _figure("Bytes sent, by kind of message", by_kind(outcome), _sent(outcome)),
        _checks(outcome),
        _figure("The spread of one write", atlas(outcome, write), "", "wide"),
    ]  # fmt: skip
    if key:
        parts.append(_figure("One key in space and time", space_time(outcome, key), "", "wide"))
    return "".join(parts)


def _sent(outcome: Outcome) -> str:
    messages = sum(link.messages for link in outcome.links.values())
    lost = sum(link.lost for link in outcome.links.values())
    return (
        f"{amount(messages)} messages, {amount(lost)} of them lost; {kilo(outcome.write_bytes)} for each acknowledged "
        f"write; a record came {outcome.copies:.2f} times to a colo; {outcome.needs_bytes:.0f} bytes of it "
        "say what it builds on."
    )


def _pairs(outcome: Outcome) -> list[str]:
    """The two heat maps: how far behind, and how much was sent."""
    few = len(outcome.colos) <= MOST_LABELS
    part = {colo: colo for colo in outcome.colos} if few else regions(outcome.colos)
    labels = list(dict.fromkeys(part[colo] for colo in outcome.colos))
    lag, late, sent = _folded(outcome, part)
    where = "" if few else " Colos of one part of the world are taken together."
    return [
        _figure(
            "How long from colo to colo",
            heat_map("staleness", "mean time from a write at the row to the column", labels, lag, took,
                     {p: f"{p[0]} to {p[1]}: mean {took(v)}, at most {took(late[p])}" for p, v in lag.items()}),
            "The time a write at the row's colo took to the column's." + where,
        ),
        _figure(
            "Bytes on each link",
            heat_map("links", "bytes from the row to the column, on a scale of powers of ten", labels, sent, kilo,
                     {p: f"{p[0]} to {p[1]}: {kilo(v)}" for p, v in sent.items()}, log=True),
            "All that the row's colo sent to the column's." + where,
        ),
    ]  # fmt: skip


_Pairs = dict[tuple[str, str], float]


def _folded(outcome: Outcome, part: dict[str, str]) -> tuple[_Pairs, _Pairs, _Pairs]:
    """Mean and longest lag, and bytes, for each two of the parts."""
    count: _Pairs = {}
    total: _Pairs = {}
    late: _Pairs = {}
    sent: _Pairs = {}
    for (a, b), lag in outcome.staleness.items():
        pair = part[a], part[b]
        count[pair] = count.get(pair, 0) + lag.writes
        total[pair] = total.get(pair, 0.0) + lag.writes * lag.mean_s
        late[pair] = max(late.get(pair, 0.0), lag.max_s)
    for (a, b), link in outcome.links.items():
        pair = part[a], part[b]
        sent[pair] = sent.get(pair, 0) + link.bytes
    return {pair: total[pair] / n for pair, n in count.items() if n}, late, sent


def _checks(outcome: Outcome) -> str:
    """Each checker with its verdict, and what was found."""
    rows = "".join(
        f"<li class='{verdict}'>{_SIGNS[verdict]} {escape(name)}</li>" for name, verdict in outcome.checks.items()
    )
    found = "".join(
        f"<li>{escape(f'{f.checker}: {f.words}')}</li>" for f in outcome.findings[:_MOST_FINDINGS]
    )  # fmt: skip
    more = len(outcome.findings) - _MOST_FINDINGS
    also = f"<p>and {amount(more)} more</p>" if more > 0 else ""
    equal = outcome.converged_s
    said = "The colos never agreed." if equal is None else f"All colos were equal {took(equal)} after the faults ended."
    if outcome.lost and outcome.checks.get("nothing-lost") == "valid":
        said += f" Of the {amount(outcome.lost)} that are lost a conflict inbox tells, or the scenario expects it."
    findings = f"<h3>Found</h3><ol class='findings'>{found}</ol>{also}" if found else ""
    return _figure("What was checked", f"<ul class='checks'>{rows}</ul>{findings}", said, "wide")


def _figure(title: str, inside: str, said: str, class_: str = "half") -> str:
    caption = f"<figcaption>{escape(said)}</figcaption>" if said else ""
    return f"<figure class='{class_}'><h2>{escape(title)}</h2>{inside}{caption}</figure>"
