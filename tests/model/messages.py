"""What replicas tell each other: a record is one transaction, a catch-up what stands beyond a vector."""

from dataclasses import dataclass

__all__ = ["Record", "CatchUp"]


@dataclass
class Record:
    """One transaction as its origin minted it."""

    dot: tuple
    stamp: int
    deps: dict
    S: int
    writes: list  # (key, path, payload, parents)
    lives: list  # (key, entries of the key context that it replaced, whether a new life began)


@dataclass
class CatchUp:
    """What stands here beyond `start`, whole, under the sender's vector."""

    start: dict
    vector: dict
    heard: dict
    cells: dict  # key -> {path: siblings}
    groups: dict  # key -> paths whose cells below were all sent
    contexts: dict
    announced: dict
    S: int
    F: dict
    full: bool
    view: tuple = None  # whom the sender counts, and who it is
