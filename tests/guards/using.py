"""One store in one process: transactions, receipts, threads, forks, the mapping."""

from __future__ import annotations

import os
import threading
from typing import Any

import crdtkv
from crdtkv.core import paths
from crdtkv.errors import (
    BadRequest,
    BaseRequired,
    Refused,
    StoreLocked,
    StrategyMismatch,
    ValueInvalid,
    WrongOperation,
    WrongType,
)
from crdtkv.replica.core import Replica
from crdtkv.store import idempotency, membership, operations, reading, syncing
from crdtkv.store.lock import ProcessLock
from crdtkv.store.mapping import PlainMapping
from crdtkv.store.receipt import Receipt
from crdtkv.store.store import Store
from crdtkv.store.transaction import Transaction
from crdtkv.store.writer import Open, Writer
from tests.colos import Colos, refuses
from tests.guards.mutation import Line, guards


@guards(
    "and its receipts are void",
    Line(Receipt._check, "if self._fate.undone:", "if False:"),
    Line(Open._give_up, "self._draft.fate.undone = True", "pass"),
)
def an_undone_write_has_no_version() -> None:
    """The next transaction has the same number: the receipt would name another's write."""
    kv = Colos("a")["a"]
    try:
        with kv.transaction() as t:
            void = t.put("k", 1)
            raise InterruptedError
    except InterruptedError:
        kv.put("k", 2)
    assert refuses(BadRequest, lambda: kv.put("k", 3, base=void.version))


@guards(
    "in this one only the transaction itself reads and writes",
    Line(Writer.check_idle, "if self.draft is not None:", "if False:"),
    Line(Store._reading, "self._read_idle", "self._read_inside"),
)
def what_is_not_committed_is_not_read() -> None:
    kv = Colos("a")["a"]
    kv.put("k", 1)
    with kv.transaction() as t:
        t.put("k", 2)
        assert t["k"] == 2
        assert refuses(BadRequest, lambda: kv["k"]) and refuses(BadRequest, kv.digest)
    assert kv["k"] == 2


@guards(
    "valid inside its `with` block, in its thread",
    Line(Transaction._check, "if threading.get_ident() != self._thread:", "if False:"),
    Line(Transaction._check, "if self._writer.draft is not self._open:", "if False:"),
)
def a_transaction_is_of_one_thread_and_ends() -> None:
    kv = Colos("a")["a"]
    said: list[bool] = []
    with kv.transaction() as t:
        other = threading.Thread(target=lambda: said.append(refuses(BadRequest, lambda: t.counter("k").add(1))))
        other.start()
        other.join()
    with kv.transaction() as later:
        later.put("x", 1)
        said.append(refuses(BadRequest, lambda: t.put("k", 2)))
    assert said == [True, True] and "k" not in kv


@guards(
    "taking it raises StoreLocked in any process but the one that made it",
    Line(ProcessLock.__enter__, "if self._forks != _forks:", "if False:"),
    Line(ProcessLock.ours, "self._forks == _forks", "True"),
)
def a_forked_child_has_no_part_in_the_store() -> None:
    """Two processes would mint one dot for two writes. To close it there is to do nothing."""
    kv = Colos("a")["a"]
    before = kv.vector
    child = os.fork()
    if not child:
        try:
            refused = refuses(StoreLocked, lambda: kv.put("k", 1)) and refuses(StoreLocked, lambda: kv["k"])
            kv.close()
            os._exit(0 if refused else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert kv.vector == before and kv.put("k", 2).value == 2


@guards(
    "What is committed is: its writer must not be told that it failed.",
    Line(Writer.tell, "except Exception:", "except KeyError:"),
)
def a_listener_cannot_fail_a_write() -> None:
    kv = Colos("a")["a"]
    told: list[Any] = []

    def raises(record: Any, data: bytes) -> None:
        raise ValueInvalid("a listener's own")

    kv.on_commit += [raises, lambda record, data: told.append(record)]
    assert kv.put("k", 1).value == 1 and len(told) == 1


@guards(
    "The same for the same wish under the same conditions, so that one key is not used for two.",
    Line(idempotency.find, "if done.key != key or done.fingerprint != asked:", "if False:"),
    Line(idempotency.fingerprint, "list(conditions)", "[]"),
)
def an_idempotency_key_is_of_one_wish() -> None:
    kv = Colos("a")["a"]
    base = kv.put("k", [1], idempotency_key="once").version
    assert refuses(ValueInvalid, lambda: kv.put("k", [2], idempotency_key="once"))
    assert refuses(ValueInvalid, lambda: kv.put("k", [1], ttl=9, idempotency_key="once"))
    assert refuses(ValueInvalid, lambda: kv.put("k", [1], base=base, idempotency_key="once"))


@guards(
    "What was done under an idempotency key within a day.",
    Line(idempotency.find, "or _old(replica, row)", ""),
    Line(idempotency._old, "> IDEMPOTENCY_MS", "> 0"),
)
def it_is_remembered_for_a_day() -> None:
    colos = Colos("a")
    kv = colos["a"]
    first = kv.put("k", 1, idempotency_key="once")
    colos.clock.wait(23 * 3600)
    kv.put("k", 2)
    again = kv.put("k", 1, idempotency_key="once")
    assert (again.version, again.value, kv["k"]) == (first.version, 1, 2)
    colos.clock.wait(2 * 3600)
    assert kv.put("k", 3, idempotency_key="once").value == 3


@guards(
    "what takes a value and changes it (pop, popitem, setdefault, update, clear) is one transaction",
    Line(PlainMapping.clear, 'draft.operate(key, Operation("delete"))', "pass"),
    Line(PlainMapping._take, 'draft.operate(key, Operation("delete"))', "pass"),
)
def what_is_taken_is_gone() -> None:
    kv: crdtkv.Store = Colos("a")["a"]
    kv.update(a=1, b=2, c=3)
    assert kv.pop("a") == 1 and sorted(kv) == ["b", "c"]
    kv.clear()
    assert len(kv) == 0


@guards(
    "nobody would be left that can write, or let it in again",
    Line(membership._leave, "if members.members(replica) == {replica.state.id}:", "if False:"),
)
def the_last_member_stays() -> None:
    kv = Colos("a")["a"]
    assert refuses(Refused, kv.leave)
    assert kv.put("k", 1).value == 1


@guards(
    "Raises WrongOperation where the key's strategy goes no way back",
    Line(Transaction.revert, "if not values.equal(receipt.value, entry.value):", "if False:"),
)
def what_cannot_go_back_says_so() -> None:
    kv = Colos("a")["a"]
    version = kv.put("k", 1, strategy="max").version
    kv.put("k", 2)
    assert refuses(WrongOperation, lambda: kv.revert("k", version))


@guards(
    "Whether it says what all of a key is to be: a put, also one at the root of a document.",
    Line(operations._puts_whole, 'return not path and name == "put"', "return False"),
    Line(operations.Operations.patch, "self._check_base_given(key, put, base)", "pass"),
)
def a_required_base_is_required_by_every_door() -> None:
    kv = Colos("a")["a"]
    kv.rules.set("k", "json", require_base=True)
    kv.put("k", {"a": 1})
    assert refuses(BaseRequired, lambda: kv.json("k").at("").put({"a": 2}))
    assert refuses(BaseRequired, lambda: kv.patch("k", {"a": 2}))
    assert kv["k"] == {"a": 1}


@guards(
    "Raises StrategyMismatch, or WrongType at a path, where that is of another strategy.",
    Line(reading._check_family, "if shown[0].name != family:", "if False:"),
    Line(reading._fits, 'return family in (own[0].name, "json")', "return True"),
)
def a_handle_shows_its_own_kind_only() -> None:
    kv = Colos("a")["a"]
    kv.set("s").add(1)
    kv.json("doc").set("/tags").add(1)
    assert refuses(StrategyMismatch, lambda: kv.list("s").value)
    assert refuses(WrongType, lambda: kv.json("doc").list("/tags").value)


@guards(
    "Which of `count` elements a token of a JSON pointer names; None if it names none.",
    Line(paths.element_index, 'or (token[0] == "0" and token != "0")', ""),
    Line(paths.element_index, "if int(token) < count else None", "% count"),
)
def a_pointer_names_one_element_or_none() -> None:
    kv = Colos("a")["a"]
    kv.put("doc", [1, 2])
    assert kv.json("doc").get("/1") == 2
    assert kv.json("doc").get("/01") is None and kv.json("doc").get("/2") is None


@guards(
    "Feeds wake, and listeners are told all that was minted here since they last were.",
    Line(Replica.minted, "self.untold.append(made)", "pass"),
    Line(syncing._sync, "store._writer.tell()", "pass"),
)
def what_an_exchange_mints_is_told_too() -> None:
    """A sponsor admits who joins: a transaction of its own."""
    colos = Colos("a")
    told: list[Any] = []
    a, b = colos["a"], colos.open("b")
    a.put("k", 1)
    for kv in (a, b):
        kv.on_commit.append(lambda record, data: told.append(record.dot[0]))
    a.sync(b)
    assert told == [a.id]
