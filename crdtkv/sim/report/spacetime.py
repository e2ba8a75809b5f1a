"""One key in space and time (Lamport): a line a colo, a slope each message, a dot what happened there."""

from collections.abc import Sequence

from crdtkv.sim.outcome import Event, Outcome
from crdtkv.sim.report.svg import Scale, note, picture, tag, words
from crdtkv.sim.words import took

__all__ = ["MOST_COLOS", "MOST_EVENTS", "arrows", "busiest", "space_time"]

MOST_COLOS = 14
MOST_EVENTS = 400
_WIDTH = 1140.0
_LANE = 34.0
_HEARD = ("arrive", "absorb", "catch-up")


def busiest(trace: Sequence[Event]) -> str:
    """The watched key of which there is most to tell; "" where none was watched.

    >>> from crdtkv.sim.outcome import Event
    >>> busiest([Event(0.0, "LHR", "write", key, "lhr~a.1", "", "") for key in "abb"])
    'b'
    """
    seen: dict[str, int] = {}
    for event in trace:
        if event.key:
            seen[event.key] = seen.get(event.key, 0) + 1
    return max(seen, key=lambda key: (seen[key], key), default="")


def arrows(events: Sequence[Event]) -> list[tuple[Event, Event]]:
    """Each hearing with the sending it answers: the last one before, of that dot, between these two.

    A catch-up that names no dot answers the last message between them.
    """
    sent: dict[tuple[str, str, str], Event] = {}
    done: set[tuple[str, str, str]] = set()
    found = []
    for event in sorted(events, key=lambda e: e.at):
        if event.kind == "send":
            sent[event.colo, event.peer, event.dot] = event
        elif event.kind in _HEARD and event.peer:
            way = (event.peer, event.colo, event.dot)
            before = sent.get(way)
            if before is not None and way not in done:
                found.append((before, event))
                done.add(way)
    return found


def space_time(outcome: Outcome, key: str) -> str:
    """The diagram of a key that was watched; the colos where most happened, and the first events of them."""
    events = sorted((e for e in outcome.trace if e.key == key), key=lambda e: e.at)
    lanes = _lanes(outcome, events)
    events = _window(outcome, [e for e in events if e.colo in lanes])
    first, last = (events[0].at, events[-1].at) if events else (0.0, 1.0)
    margin = (last - first) * 0.03 or 0.05
    x = Scale(first - margin, last + margin, 84, _WIDTH - 24)
    y = {colo: 52 + turn * _LANE for turn, colo in enumerate(lanes)}
    writes = list(dict.fromkeys(e.dot for e in events if e.kind == "write"))
    hue = {dot: f"series-{turn % 6}" for turn, dot in enumerate(writes)}
    bottom = 52 + _LANE * len(lanes)
    parts = [*_lines(y, x), *_ticks(x, bottom)]
    parts += [_arrow(a, b, x, y, hue) for a, b in arrows(events) if a.colo in y and b.colo in y]
    shown = sorted((e for e in events if e.kind != "send"), key=lambda e: e.kind != "read")  # what is small lies below
    parts += [_dot(event, x, y, hue) for event in shown]
    parts += _names(events, x, y)
    left_out = len({e.colo for e in outcome.trace if e.key == key}) - len(lanes)
    said = f"{key}: a square is a write, a dot an absorb, a ring a read, a line a message" + (
        f"; {left_out} colos where less happened are left out" if left_out > 0 else ""
    )
    return picture("spacetime", _WIDTH, bottom + 50, f"{key} in space and time", words(84, 18, said, "tick"), *parts)


def _window(outcome: Outcome, events: list[Event]) -> list[Event]:
    """From a little before the first fault on, where there is enough to see; else from the beginning."""
    begin = min((span.begin for span in outcome.faults), default=0.0) - 1.0
    late = [event for event in events if event.at >= begin]
    return (late if len(late) >= MOST_EVENTS else events)[:MOST_EVENTS]


def _lanes(outcome: Outcome, events: Sequence[Event]) -> list[str]:
    """The colos that are drawn, in the order of the scenario: all that wrote, then where most happened."""
    rank: dict[str, int] = {}
    for event in events:
        rank[event.colo] = rank.get(event.colo, 0) + (1000 if event.kind == "write" else 1)
    chosen = sorted(rank, key=lambda colo: (-rank[colo], colo))[:MOST_COLOS]
    known = [colo for colo in outcome.colos if colo in chosen]
    return known + [colo for colo in chosen if colo not in known]


def _lines(y: dict[str, float], x: Scale) -> list[str]:
    return [
        part for colo, at in y.items()
        for part in (tag("line", x1=x.begin, x2=x.end, y1=at, y2=at, class_="lane"),
                     words(x.begin - 10, at + 4, colo, "strong", "end"))
    ]  # fmt: skip


def _ticks(x: Scale, bottom: float) -> list[str]:
    found = [words((x.begin + x.end) / 2, bottom + 38, "virtual time", "title", "middle")]
    for value in x.ticks(10):
        found.append(tag("line", x1=x(value), x2=x(value), y1=bottom, y2=bottom + 5, class_="axis"))
        found.append(words(x(value), bottom + 19, f"{value:.6g} s", "tick", "middle"))
    return [*found, tag("line", x1=x.begin, x2=x.end, y1=bottom, y2=bottom, class_="axis")]


def _arrow(sent: Event, heard: Event, x: Scale, y: dict[str, float], hue: dict[str, str]) -> str:
    title = note(f"{sent.dot or heard.kind}: {sent.colo} to {heard.colo} in {took(heard.at - sent.at)}")
    class_ = f"message {'late' if heard.kind == 'catch-up' else ''} {hue.get(heard.dot, '')}"
    return tag("line", title, x1=x(sent.at), y1=y[sent.colo], x2=x(heard.at), y2=y[heard.colo], class_=class_)


def _dot(event: Event, x: Scale, y: dict[str, float], hue: dict[str, str]) -> str:
    said = f"{event.at:.3f} s, {event.colo}: {event.kind} {event.dot}" + (f" from {event.peer}" if event.peer else "")
    title = note(f"{said}; {event.words}" if event.words else said)
    at, height, class_ = x(event.at), y[event.colo], f"event {hue.get(event.dot, '')}"
    if event.kind == "read":
        return tag("circle", title, cx=at, cy=height, r=3.5, class_="event read")
    if event.kind == "write":
        return tag("rect", title, x=at - 6, y=height - 6, width=12, height=12, rx=2, class_=class_)
    small = event.kind == "arrive"
    return tag("circle", title, cx=at, cy=height, r=2.5 if small else 4.5, class_=class_)


def _names(events: Sequence[Event], x: Scale, y: dict[str, float]) -> list[str]:
    """What was written, beside the square, where there is room for it."""
    found = []
    free: dict[str, float] = {}
    for event in events:
        said = event.words[:40] or event.dot
        at = x(event.at)
        if event.kind == "write" and said and at > free.get(event.colo, 0.0):
            wide = 6.0 * len(said)
            at = min(at - 6, x.end - wide)
            found.append(words(at, y[event.colo] - 10, said, "small halo"))
            free[event.colo] = at + wide + 12
    return found
