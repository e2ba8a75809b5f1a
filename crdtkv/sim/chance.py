"""Chance, from one seed: streams of it that do not disturb each other, and distributions told in words.

Law of this room: who draws has a stream of its own, named by what it is for, so that a fault
more or a client less leaves all others as they were. The names of replicas, and nothing else of
this process, may order anything.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from functools import lru_cache
from itertools import accumulate
from math import exp
from random import Random

from crdtkv.errors import BadRequest

__all__ = ["Draw", "distribution", "key_of", "stream"]

Draw = Callable[[Random], float]
"""One number, drawn with the randomness given."""

_CALL = re.compile(r"\s*([a-z]+)\s*\(([^()]*)\)\s*")
_HOLE = re.compile(r"\{([^{}]*)\}")


def stream(seed: int, *what: object) -> Random:
    """The randomness of one purpose. The same on any machine."""
    return Random("/".join(map(str, (seed, *what))))


def _constant(value: float) -> Draw:
    return lambda dice: value


def _normal(mean: float, deviation: float) -> Draw:
    return lambda dice: dice.gauss(mean, deviation)


def _lognormal(mean: float, deviation: float) -> Draw:
    return lambda dice: exp(dice.gauss(mean, deviation))


def _uniform(low: float, high: float) -> Draw:
    return lambda dice: dice.uniform(low, high)


def _exponential(mean: float) -> Draw:
    return lambda dice: dice.expovariate(1 / mean) if mean > 0 else 0.0


_KINDS: dict[str, tuple[Callable[..., Draw], int]] = {
    "constant": (_constant, 1), "normal": (_normal, 2), "lognormal": (_lognormal, 2), "uniform": (_uniform, 2),
    "exponential": (_exponential, 1),
}  # fmt: skip


def distribution(words: str | float) -> Draw:
    """The distribution that `words` tell of: a number, or one of constant(x), normal(mean, deviation), uniform(low,
    high), exponential(mean), lognormal(mean, deviation of the logarithm). Raises BadRequest.

    >>> distribution("constant(3)")(stream(1)), distribution(7)(stream(1))
    (3.0, 7.0)
    """
    if isinstance(words, bool) or not isinstance(words, str | int | float):
        raise BadRequest(f"{words!r} is no distribution; a number, or as 'normal(0, 20)'")
    if not isinstance(words, str):
        return _constant(float(words))
    found = _CALL.fullmatch(words)
    kind, count = _KINDS.get(found[1], (None, 0)) if found else (None, 0)
    numbers = _numbers(found[2]) if found else None
    if kind is None or numbers is None or len(numbers) != count:
        raise BadRequest(
            f"{words!r} is no distribution; a number, constant(x), normal(mean, deviation), uniform(low, high), "
            "exponential(mean) or lognormal(mean, deviation) are allowed"
        )
    return kind(*numbers)


def _numbers(words: str) -> list[float] | None:
    try:
        return [float(word) for word in words.split(",")]
    except ValueError:
        return None


# keys


@lru_cache(maxsize=64)
def _zipf(n: int, s: float) -> list[float]:
    return list(accumulate(1 / (i + 1) ** s for i in range(n)))


def _hole(words: str) -> Callable[[Random], int]:
    found = _CALL.fullmatch(words)
    numbers = _numbers(found[2]) if found else None
    match (found[1] if found else "", numbers):
        case "zipf", [n, s] if n >= 1:
            sums = _zipf(int(n), s)
            return lambda dice: bisect_left(sums, dice.random() * sums[-1])
        case "uniform", [n] if n >= 1:
            return lambda dice: dice.randrange(int(n))
    raise BadRequest(f"{{{words}}} draws no key; {{zipf(how many, exponent)}} and {{uniform(how many)}} are allowed")


def key_of(template: str) -> Callable[[Random], str]:
    """Keys drawn as `template` says, each `{...}` in it a number: {zipf(1000, 0.99)}, {uniform(10)}. Raises BadRequest.

    >>> key_of("todo/{uniform(1)}")(stream(1))
    'todo/0'
    """
    parts = _HOLE.split(template)
    holes = [_hole(words) for words in parts[1::2]]
    if not holes:
        return lambda dice: template

    def draw(dice: Random) -> str:
        made = [parts[0]]
        for hole, after in zip(holes, parts[2::2], strict=True):
            made += (str(hole(dice)), after)
        return "".join(made)

    return draw
