"""Prints what comes from the code: docs/strategies.md, docs/errors.md, docs/limits.md, a table of README.md,
the commands of docs/cli.md and those of docs/redis.md.

    python -m docs.build            writes them
    python -m docs.build --check    exit 1, with the names, if one is not what would be written

What a page says of a strategy or an error stands in its class, a limit in its module,
and nowhere else. In README.md, docs/cli.md and docs/redis.md it stands between `<!-- name -->` and `<!-- /name -->`.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from crdtkv import registration
from crdtkv.bulk import items
from crdtkv.cli import app
from crdtkv.client import connecting, talk
from crdtkv.core import bundles, diff, digest, envelope, keys, paths, positions, rules, values, versions
from crdtkv.doors.redis import commands as redis_commands
from crdtkv.doors.redis.table import COMMANDS
from crdtkv.errors import CrdtkvError, all_errors
from crdtkv.gossip import Settings, announcing
from crdtkv.node import naming, session, tokens, waiting
from crdtkv.replica import core, inbox, life, memos, past, purge, recent, taken
from crdtkv.server import reading
from crdtkv.store import group, idempotency, opening, operations, patches, plain, syncing, telling
from crdtkv.strategies import cell_reading, counter, fields, latch, registry
from crdtkv.strategies import set as set_strategy
from crdtkv.strategies.base import Strategy
from crdtkv.transport import door, letters, link, wire

__all__ = [
    "commands", "errors_page", "limits_page", "main", "pages", "redis_table", "strategies_page", "strategies_table",
]  # fmt: skip

_FOLDER = Path(__file__).parent
_README = _FOLDER.parent / "README.md"
_PRINTED = "<!-- Printed by `make docs`: change the classes, not this page. -->"


def pages() -> dict[Path, str]:
    """File -> what stands in it."""
    readme = _between(_README.read_text(encoding="utf-8"), "strategies", strategies_table())
    cli, redis = _FOLDER / "cli.md", _FOLDER / "redis.md"
    return {
        redis: _between(redis.read_text(encoding="utf-8"), "commands", redis_table()),
        _FOLDER / "strategies.md": strategies_page(), _FOLDER / "errors.md": errors_page(), _README: readme,
        _FOLDER / "limits.md": limits_page(),
        cli: _between(cli.read_text(encoding="utf-8"), "commands", commands()),
    }  # fmt: skip


def strategies_table() -> str:
    """What a newcomer chooses by."""
    rows = [(f"[`{s.name}`](docs/strategies.md#{s.name})", s.wins, s.anomaly, s.cost) for s in _strategies()]
    return _table(("strategy", "of concurrent writes, what wins", "the anomaly that survives", "cost"), rows)


def redis_table() -> str:
    """Every command of the Redis door."""
    redis_commands.load()
    rows = [
        (f"`{each.name.upper()}`", each.group, "colo" if each.local else "all", each.maps, each.summary)
        for each in sorted(COMMANDS.values(), key=lambda each: (each.group, each.name))
    ]
    return _table(("command", "group", "holds at", "is", "what it does"), rows)


def limits_page() -> str:
    """Every limit a user can meet, with its number."""
    rule, given = rules.DEFAULT, Settings()
    rows = [
        ("key", f"1 to {keys.MAX_KEY} bytes of UTF-8, no NUL"),
        ("value", f"{values.MAX_PACKED >> 20} MiB packed; depth {values.MAX_DEPTH}; integers of "
                  f"{values.MAX_INT_DIGITS:,} digits; content type of a blob 255 ASCII characters"),
        ("glob, regular expression", f"{keys.MAX_PATTERN:,} characters"),
        ("colo name", "1 to 32 of a-z, 0-9, `-`"),
        ("namespace name", f"1 to {naming.MAX_NAME} of A-Z, a-z, 0-9, `.`, `_`, `-`; "
                           f"{naming.MAX_NAMESPACES:,} of a cluster"),
        ("token", f"{tokens.MAX_SCOPES} scopes, a label of {tokens.MAX_LABEL} characters; {tokens.MAX_TOKENS:,} of a "
                  f"cluster; one of the settings has at least {tokens.MIN_SECRET} characters"),
        ("session token", f"{session.MAX_SESSION:,} characters; {waiting.MAX_WAITS:,} requests wait for what theirs "
                          "names"),
        ("letter between colos", f"{letters.MAX_PAYLOAD >> 20:,} MiB; {door.MAX_OPEN} are taken at a time; one that "
                                 f"comes more than {letters.WINDOW:,} behind its sender's last is not taken"),
        ("addresses", f"{wire.MAX_URLS} of a colo"),
        ("membership", f"a chain of {life.MAX_ANCESTRY} sponsors that nobody here knows; beyond, who came by it "
                       "returns as one that was evicted"),
        ("what waits for one colo", f"{link.MAX_QUEUE:,} messages, {link.MAX_QUEUED >> 20} MiB; the oldest are "
                                    "dropped, and asked for later"),
        ("path inside a key", f"{paths.MAX_PATH:,} bytes, of which a list position {positions.MAX_POSITION:,}"),
        ("element of a set", f"{set_strategy.MAX_ELEMENT:,} bytes packed"),
        ("field of a hash, member of a zset", f"{fields.MAX_NAME:,} bytes packed"),
        ("concurrent values of one `mv` or `merge` key", f"{cell_reading.MAX_SIBLINGS}"),
        ("counter", "64 bits, exact"),
        ("idempotency key", f"of an add 1 to {counter.MAX_ONCE_KEY} bytes; of a put and an add kept "
                            f"{idempotency.IDEMPOTENCY_MS // 3_600_000} hours"),
        ("states of a latch", f"{latch.MAX_STATES}"),
        ("patch", f"{patches.MAX_OPERATIONS:,} operations"),
        ("a list that is put as a whole", f"up to {diff.MAX_EDITS} changes are told as the fewest that there are; more "
                                          "are told right, and perhaps not as the fewest"),
        ("line of an import", f"{items.MAX_LINE >> 20} MiB"),
        ("ttl", f"more than 0, at most {operations.MAX_TTL:,} seconds"),
        ("rules", f"{rules.MAX_RULES:,}; {rules.MAX_PATHS} paths each"),
        ("history, unless a rule says otherwise",
         f"{rule.keep_cells} replaced values per cell, {rule.keep_hours:g} hours; "
         f"{past.MAX_GAPS} gaps, {past.MAX_LIVES} re-creations, {past.MAX_FLOORS:,} purges of a key"),
        ("conflict inbox", f"{inbox.MAX_INBOX:,}; the oldest go first; counted by {inbox.MAX_KINDS:,} strategies "
                           "and prefixes"),
        ("deletes remembered for who comes back",
         f"{taken.MAX_TAKEN:,} of a key at one return, for {taken.KEEP_TAKEN_MS // 86_400_000} days"),
        ("told again from memory", f"{memos.TOLD:,} keys of at most {telling.MAX_TOLD // 1024} KiB"),
        ("said of a sibling once", f"the last one of {digest.LATELY:,} keys, of at most "
                                   f"{digest.LATELY_BYTES // 1024} KiB; in memory, beside the cache"),
        ("version", f"{versions.MAX_VERSION:,} characters"),
        ("cache", f"1 to {opening.MAX_CACHE_MB:,} MiB"),
        ("quota", f"more than 0, at most {opening.MAX_QUOTA_MB:,} MB"),
        ("merge function", f"name 1 to 64 characters; {registration.MAX_SAMPLES} samples; "
                           f"{registration.SECONDS} s for its check"),
        ("clock", f"a received stamp moves it at most {core.CLOCK_BOUND_MS // 1000} s past the wall; more than that "
                  "ahead of its peers it refuses to write, from the first write after it was set"),
        ("sync", f"{syncing.MAX_ROUNDS} rounds, {syncing.MAX_HELLOS} greetings; a peer that lacks more than "
                 f"{given.max_records} transactions gets a catch-up; {recent.MAX_WAITING:,} records wait for what they "
                 f"build on, together {recent.WAITING_BYTES >> 20} MiB"),
        ("writes that share a commit", f"{group.MAX_GROUP}; {group.MAX_WAITING:,} submitted ones wait, and as many "
                                       f"reads of a server for those ({reading.MAX_READS:,}); puts over HTTP of "
                                       f"values up to {plain.MAX_SHARED >> 10} KiB share a transaction, too"),
        ("client", f"remembers what it read last of {connecting.REMEMBERED:,} keys; sends a request {talk.TRIES} times "
                   f"at most, no more than {talk.MAX_PAUSE:g} s apart; waits {connecting.TIMEOUT:g} s for an answer"),
        ("records at hand for peers", f"{recent.RECENT_RECORDS:,}, together {recent.RECENT_BYTES >> 20} MiB"),
        ("gossip", f"peers: {given.max_peers:,}; a page: {given.page_bytes >> 20} MiB; staged of one catch-up: "
                   f"{given.max_staged >> 30} GiB; catch-ups under way: {given.max_pulls}; up to {given.all_peers} "
                   f"peers are each sent what is fresh, beyond {given.fan} of them; {announcing.MOST:,} records that "
                   f"were told of and have not come are looked for; suspect after {given.suspect_ms // 1000} s"),
        ("message", f"{envelope.MAX_MESSAGE >> 30} GiB; its bundles of records unfold to "
                    f"{bundles.MAX_UNFOLDED >> 20} MiB"),
        ("purge", f"tombstones go in steps of {purge.PURGE_STEP_MS // 1000} s"),
    ]  # fmt: skip
    return "\n\n".join(
        [
            "# The limits",
            _PRINTED,
            "How large things may be. Beyond a limit there is an error that names the value and the limit, and nothing "
            "is written. Those of a server's requests stand in [http.md](http.md#limits), those of Redis' clients in "
            "[redis.md](redis.md#bounds), of Workers KV's in "
            "[cloudflare.md](cloudflare.md#what-differs-from-cloudflare-and-why) and [workers.md](workers.md#errors).",
            _table(("what", "limit"), rows),
        ]
    ) + "\n"  # fmt: skip


def _between(page: str, name: str, table: str) -> str:
    head, _, rest = page.partition(f"<!-- {name} -->\n")
    _, mark, tail = rest.partition(f"<!-- /{name} -->")
    assert mark, f"the page has no <!-- {name} --> ... <!-- /{name} -->"
    return f"{head}<!-- {name} -->\n{table}\n{mark}{tail}"


def strategies_page() -> str:
    """A table of all strategies, then each with its operations and its module's words."""
    found = _strategies()
    rows = [(f"[`{s.name}`](#{s.name})", s.summary, s.wins, s.anomaly, s.cost) for s in found]
    return "\n\n".join(
        [
            "# The strategies",
            _PRINTED,
            "A strategy is named by a rule, or by the first put of a key. What it cannot do is said as plainly as what "
            "it can: the user chose it for its anomaly, too.",
            "Words: a *cell* is the least that is kept and merged by itself, *siblings* are concurrent writes that "
            "stand in one cell. A *stamp* is when a write was made, by the clock of its colo; a *replica* is one "
            "colo's copy. The *base* is the version that a client had read ([guide](guide.md#3-bases)); what loses "
            "is kept in the [conflict inbox](guide.md#8-the-conflict-inbox). Which one for what: "
            "[guide](guide.md#4-strategies).",
            _table(("strategy", "holds", "of concurrent writes, what wins", "the anomaly that survives", "cost"), rows),
            *(_strategy(s) for s in found),
        ]
    ) + "\n"  # fmt: skip


def errors_page() -> str:
    """Every error of the tree: its code, whether it happened, what to do."""
    errors = all_errors()
    rows = [
        (f"{'&emsp;' * (len(_line(e)) - 1)}`{e.__name__}`", f"`{e.code}`", str(e.status), _happened(e),
         (inspect.getdoc(e) or "").splitlines()[0], e.next_step)
        for e in errors
    ]  # fmt: skip
    return "\n\n".join(
        [
            "# The errors",
            _PRINTED,
            "All are in the public module `crdtkv.errors`, and derive from its `CrdtkvError`: catch as wide or as "
            "narrow as you need. (The ones most callers need are in `crdtkv` too.) `code` never "
            "changes. *happened* says whether the write was made: with `no` it is safe to try again, with `unknown` "
            "read first. A single error may know better than its class: ask `error.happened`, and `error.next_step`.",
            _table(("error", "code", "HTTP", "happened", "what it is", "next step"), rows),
        ]
    ) + "\n"  # fmt: skip


_SHARED = ("store", "at", "colo", "output")


def commands() -> str:
    """Every command with its arguments and options; those that all take once, at the head."""
    front = typer.main.get_command(app)
    shared = [p for p in front.params if p.name in _SHARED]
    parts = ["Before or behind each command:", _table(("option", "what"), [_parameter(p) for p in shared])]
    before = [p for p in front.params if p.name in ("durability", "cache_mb", "namespace")]
    parts += ["Before it only:", _table(("option", "what"), [_parameter(p) for p in before])]
    for words, command in _leaves(front, "crdtkv"):
        usage = " ".join([words, *filter(None, map(_place, command.params))])
        parts += [f"### {words}", f"`{usage}`", inspect.cleandoc(command.help or "")]
        own = [p for p in command.params if _parameter(p) not in [_parameter(each) for each in shared]]
        parts += [_table(("option", "what"), [_parameter(p) for p in own])] if own else []
        shown = inspect.cleandoc((command.epilog or "").split("Example:")[-1])
        parts.append(f"```sh\n{shown}\n```")
    return "\n\n".join(parts)


def _leaves(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    """Each command that does something, with how it is called."""
    for name, below in sorted(getattr(command, "commands", {}).items()):
        yield from _leaves(below, f"{words} {name}")
    if not hasattr(command, "commands"):
        yield words, command


def _place(parameter: Any) -> str:
    """An argument as it stands in a call; nothing for an option."""
    if parameter.opts[0].startswith("-"):
        return ""
    name = f"{_name(parameter)}{'...' if parameter.nargs == -1 else ''}"
    return name if parameter.required else f"[{name}]"


def _name(parameter: Any) -> str:
    return (parameter.metavar or parameter.name or "").strip("{}[].").upper()


def _parameter(parameter: Any) -> tuple[str, str]:
    names = ", ".join(f"`{name}`" for name in parameter.opts if name.startswith("-"))
    return names or f"`{_name(parameter)}`", parameter.help or ""


def main(words: list[str]) -> int:
    """Writes the pages, or with --check compares them. Gives the exit code."""
    if words not in ([], ["--check"]):
        print(f"error: {' '.join(words)!r} is not an option; there is --check", file=sys.stderr)
        return 2
    stale = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if words:
            print(f"error: {path.name} is not what the registries say; run: make docs", file=sys.stderr)
        else:
            path.write_text(pages()[path], encoding="utf-8")
            print(f"wrote {path.name}")
    return 1 if stale and words else 0


def _strategies() -> list[type[Strategy]]:
    """crdtkv's own, by name; what a user or a test registered is not ours to describe."""
    found = map(registry.find, registry.names())
    return [cls for cls in found if cls.__module__.startswith("crdtkv.")]


def _strategy(cls: type[Strategy]) -> str:
    how = [(f"`{name}`", words) for name, words in cls.operations.items()]
    parts = [f"## {cls.name}", inspect.cleandoc(sys.modules[cls.__module__].__doc__ or cls.__doc__ or "")]
    parts.append(_table(("operation", "how"), how))
    if cls.options:
        parts.append(_table(("option", "values"), [(f"`{name}`", words) for name, words in cls.options.items()]))
    return "\n\n".join(parts)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)


def _line(error: type[CrdtkvError]) -> list[type]:
    """The error and its parents within the tree, itself first."""
    return [c for c in error.__mro__ if issubclass(c, CrdtkvError)]


def _happened(error: type[CrdtkvError]) -> str:
    return f"**{error.happened}**" if error.happened == "unknown" else error.happened


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
