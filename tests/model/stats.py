"""What a run did."""

from dataclasses import dataclass

__all__ = ["Stats"]


@dataclass
class Stats:
    seeds: int = 0
    comparisons: int = 0
    checks: int = 0
    purges: int = 0
    writes: int = 0
    versions: int = 0
    refused: int = 0

    def __add__(self, o):
        return Stats(*(getattr(self, f) + getattr(o, f) for f in self.__dataclass_fields__))

    def __str__(self):
        return (
            f"{self.seeds} seeds, {self.writes} writes, {self.checks} oracle checks, {self.comparisons} whole-state "
            f"comparisons, {self.purges} purges, {self.versions} versions rebuilt ({self.refused} refused)"
        )
