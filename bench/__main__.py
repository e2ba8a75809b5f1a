"""`python -m bench [NAME ...]`: each benchmark prints its figures beside our limits; exit 1 if one is over."""

import importlib
import sys

ALL = ("startup", "edits", "reads", "writes", "storage", "cluster", "server", "feeds")


def main(names: list[str]) -> int:
    unknown = [n for n in names if n not in ALL]
    if unknown:
        print(f"error: no benchmark {unknown[0]!r}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    kept = [importlib.import_module(f"bench.{name}").report() for name in names or ALL]
    return 0 if all(kept) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
