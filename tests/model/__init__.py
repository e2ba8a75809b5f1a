"""The replication rules as one small program, and an oracle that knows the whole history.

Law of this room: it imports nothing of crdtkv. docs/replication.md says the rules in words, `replica.py` and what it
imports say them a second time as plain code, and `oracle.py` says a third time, from the full history of writes and
without ever purging, what each replica must show. After every step what a replica shows is compared with the oracle,
and whole states (cells and key contexts) wherever two replicas have equal (vector, S).

Four worlds: `data`, a fixed set of replicas that write, exchange and forget; `members`, colos that come, go, are
evicted, fail and return; `power`, the same with power cuts; `purge`, any cells at all, and floors. What the model
says of values is held against real stores by tests/test_model_and_core.py.

Read in this order: `cells`, `reading`, `forgetting`, `draft` with `counting` and `documents`, `messages`, `replica`,
`history`, `oracle`, `workload`, `data_world`, `purge_world`; then who belongs: `members`, `conflicts`, `taken`,
`pending`, `colo`, `upsets`, `members_world`, and `by_hand` for what seeds hardly meet. `guards` names each rule whose
breaking is noticed.
"""

from tests.model.guards import BROKEN, GUARDS
from tests.model.running import run
from tests.model.stats import Stats

__all__ = ["BROKEN", "GUARDS", "Stats", "run"]
