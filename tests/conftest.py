"""How Hypothesis runs: the same examples every time in `make test`, new ones in `make laws`.

No profile has a deadline: a duration is never a verdict.
"""

import logging
import os
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

# The proofs of guards are functions of plain modules, which `tests/cases` imports too.
pytest.register_assert_rewrite("tests.guards")

settings.register_profile(
    "fixed",
    derandomize=True,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "long",
    max_examples=5_000,
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
settings.load_profile("long" if os.environ.get("CRDTKV_LAWS") == "long" else "fixed")


@pytest.fixture(autouse=True)
def _what_is_logged_is_heard() -> Iterator[None]:
    """A server that ran in this process has said how much it logs, and where to: for itself alone."""
    log = logging.getLogger("crdtkv")
    level, handlers = log.level, list(log.handlers)
    yield
    log.setLevel(level)
    log.handlers[:] = handlers


@pytest.fixture(autouse=True, scope="session")
def _tables_do_not_follow() -> Iterator[None]:
    """What is in a file and when hangs on no thread, but where a test is about that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crdtkv.store.following.FRESH_S", None)
        yield
