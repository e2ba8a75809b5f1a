"""What is tried again, what goes with a request, and what a failure says: without a colo, an answer at a time."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

import crdtkv
from crdtkv.client.caring import Caring
from crdtkv.client.carrying import request_of
from crdtkv.client.steps import Ask, Lost, Pause, Reply
from crdtkv.client.talk import MAX_PAUSE, TRIES, Talk
from crdtkv.errors import (
    BaseRequired,
    CrdtkvError,
    Overloaded,
    PreconditionFailed,
    TooLarge,
    Unavailable,
    ValueInvalid,
)
from crdtkv.http import bodies
from crdtkv.http.names import SESSION
from crdtkv.store.results import Entry


class Colo:
    """Answers as it was told to, in order; keeps what it was asked. An answer: (status, body, headers), or a Lost."""

    def __init__(self, *answers: Any, **options: Any) -> None:
        self.answers, self.asked, self.pauses = list(answers), [], []
        keys = (f"once-{n}" for n in range(100))
        given = {"namespace": "default", "token": None, "remember": 10, "tries": TRIES} | options
        self.talk = Talk("http://lhr", chance=lambda: 1.0, once=lambda: next(keys), **given)
        self.calls = Caring(self.talk, self.run)

    def run(self, steps: Any) -> Any:
        steps = self.talk.understood(steps)
        try:
            wish = next(steps)
            while True:
                if isinstance(wish, Pause):
                    self.pauses.append(wish.seconds)
                    wish = steps.send(None)
                    continue
                assert isinstance(wish, Ask)
                self.asked.append(wish)
                answer = self.answers.pop(0)
                if isinstance(answer, Lost):
                    wish = steps.throw(answer)
                else:
                    status, body, headers = (*answer, {})[:3]
                    wish = steps.send(Reply(status, headers, body if isinstance(body, bytes) else bodies.dump(body)))
        except StopIteration as end:
            return end.value


def receipt(key: str = "a", version: str = "v2", **more: Any) -> dict[str, Any]:
    return {"key": key, "version": version, "strategy": "json", **more}


def entry(value: Any = 1, version: str = "v1") -> dict[str, Any]:
    return bodies.plain_entry(Entry("a", value, version, "json"))


def busy(seconds: str = "", happened: str = "no") -> tuple[int, dict[str, Any], dict[str, str]]:
    body = {"code": "overloaded", "message": "busy", "happened": happened, "next_step": "wait"}
    return 503, body, {"retry-after": seconds} if seconds else {}


# what is tried again


def test_what_did_not_happen_is_tried_again_and_waits_longer_each_time() -> None:
    colo = Colo(Lost("refused", "no"), busy(), Lost("refused", "no"), (200, receipt()))
    assert colo.run(colo.calls.put("a", 1)).version == "v2"
    assert colo.pauses == [0.05, 0.1, 0.2] and len({ask.headers.get("crdtkv-retry") for ask in colo.asked}) == 1


def test_the_colo_says_how_long_to_wait_and_is_believed_up_to_a_bound() -> None:
    colo = Colo(busy("2"), busy("3600"), busy("Fri, 27 Nov 2026 06:00:00 GMT"), (200, receipt()))
    colo.run(colo.calls.put("a", 1))
    assert colo.pauses == [2.0, MAX_PAUSE, 1.0]


def test_it_ends_after_so_many_tries_and_says_whether_it_happened() -> None:
    colo = Colo(*[Lost("connection refused", "no")] * TRIES)
    with pytest.raises(Unavailable, match="http://lhr cannot be reached: connection refused") as caught:
        colo.run(colo.calls.put("a", 1))
    assert caught.value.happened == "no" and "crdtkv serve" in caught.value.next_step
    assert len(colo.asked) == TRIES and len(colo.pauses) == TRIES - 1
    colo = Colo(*[Lost("reset", "unknown")] * TRIES)
    with pytest.raises(Unavailable, match="was lost before it answered: reset") as caught:
        colo.run(colo.calls.operate("n", "counter", "add", 1))
    assert caught.value.happened == "unknown" and "read the key" in caught.value.next_step


def test_a_read_that_got_no_answer_did_nothing() -> None:
    colo = Colo(*[Lost("reset", "unknown")] * TRIES)
    with pytest.raises(Unavailable) as caught:
        colo.run(colo.calls.get("a"))
    assert caught.value.happened == "no"


@pytest.mark.parametrize(
    ("call", "keyed"),
    [
        (lambda c: c.put("a", 1), False), (lambda c: c.put("a", 1, base="v1"), True),
        (lambda c: c.put("a", 1, if_version=None), True), (lambda c: c.delete("a"), False),
        (lambda c: c.delete("a", if_version="v1"), True), (lambda c: c.patch("a", {"x": 1}), True),
        (lambda c: c.expire("a", 5), False), (lambda c: c.revert("a", "v1"), False),
        (lambda c: c.operate("a", "counter", "add", 1), True), (lambda c: c.operate("a", "list", "append", 1), True),
        (lambda c: c.operate("a", "set", "add", 1), False), (lambda c: c.operate("a", "set", "remove", 1), False),
        (lambda c: c.operate("a", "flag", "enable"), False), (lambda c: c.operate("a", "log", "append", 1), True),
        (lambda c: c.operate("a", "list", "remove", 0), True),
    ],
)  # fmt: skip
def test_what_may_count_twice_carries_a_key_of_its_own(call: Any, keyed: bool) -> None:
    """The same at each try, another at each call; what says the same however often it is said needs none."""
    lost = Lost("reset", "unknown")
    colo = Colo(lost, (200, receipt()), lost, (200, receipt()))
    colo.run(call(colo.calls))
    colo.talk.seen.forget("a")
    colo.run(call(colo.calls))
    found = [ask.headers.get("crdtkv-retry") for ask in colo.asked]
    assert found == (["once-0", "once-0", "once-1", "once-1"] if keyed else [None] * 4)


def test_a_key_that_the_caller_gave_is_sent() -> None:
    colo = Colo((200, receipt()))
    colo.run(colo.calls.put("a", 1, idempotency_key="order-7"))
    assert colo.asked[0].headers["idempotency-key"] == "order-7"


def test_what_the_colo_refuses_is_not_tried_again() -> None:
    body = {"code": "precondition-failed", "message": "no", "happened": "no", "next_step": "read", "version": "v9"}
    colo = Colo((412, body))
    with pytest.raises(PreconditionFailed) as caught:
        colo.run(colo.calls.put("a", 1, if_version="v1"))
    assert caught.value.version == "v9" and len(colo.asked) == 1


def test_words_of_a_proxy_are_an_error_of_the_tree_too() -> None:
    colo = Colo(*[(502, b"<html>Bad Gateway")] * TRIES)
    with pytest.raises(Unavailable, match="the server answered 502") as caught:
        colo.run(colo.calls.operate("a", "counter", "add", 1))
    assert caught.value.happened == "unknown"
    colo = Colo((404, b"<html>"))
    with pytest.raises(CrdtkvError) as of_read:
        colo.run(colo.calls.get("a"))
    assert of_read.value.happened == "no"


@pytest.mark.parametrize("said", [b"<html>Sign in", b"[]", b"", b"null"])
def test_what_somebody_else_answers_says_nothing_of_a_write(said: bytes) -> None:
    """Nor is it taken for wrong input, which has not happened."""
    for call in (lambda c: c.put("a", 1), lambda c: c.operate("a", "set", "add", 1), lambda c: c.get("a")):
        colo = Colo((200, said))
        with pytest.raises(Unavailable, match="no answer of a colo's") as caught:
            colo.run(call(colo.calls))
        assert caught.value.happened == "unknown"


_SHAPED = (
    lambda c: c.put("a", 1), lambda c: c.operate("a", "set", "add", 1), lambda c: c.get("a"),
    lambda c: c.get_many(["a"]), lambda c: c.scan(), lambda c: c.count(), lambda c: c.history("a"),
    lambda c: c.conflicts(), lambda c: c.tokens(),
)  # fmt: skip


@pytest.mark.parametrize("said", [{}, {"key": 1}, {"entries": 3, "count": "x", "conflicts": [1], "revisions": 0}])
def test_nor_does_an_answer_of_another_shape(said: Any) -> None:
    for call in _SHAPED:
        colo = Colo((200, said))
        with pytest.raises(Unavailable, match="no answer of a colo's") as caught:
            colo.run(call(colo.calls))
        assert caught.value.happened == "unknown"


def test_an_overload_that_may_have_happened_is_tried_again_under_its_key() -> None:
    colo = Colo(busy(happened="unknown"), (200, receipt()))
    colo.run(colo.calls.operate("n", "counter", "add", 1))
    assert len(colo.asked) == 2
    colo = Colo(*[busy()] * TRIES)
    with pytest.raises(Overloaded):
        colo.run(colo.calls.get("a"))


# what goes with a request


def test_token_and_session_go_with_every_request() -> None:
    colo = Colo((200, entry(), {SESSION: "s1"}), (200, entry(), {SESSION: "s2"}), (200, receipt()), token="t0ken")
    colo.run(colo.calls.get("a"))
    colo.run(colo.calls.get("a"))
    colo.run(colo.calls.put("a", 2))
    assert [ask.headers.get(SESSION) for ask in colo.asked] == [None, "s1", "s2"]
    assert {ask.headers["authorization"] for ask in colo.asked} == {"Bearer t0ken"}


def test_what_no_path_can_say_is_an_error_of_the_tree() -> None:
    """A lone surrogate, wherever it stands; and more than a URL holds."""
    colo = Colo(namespace="\ud800")
    with pytest.raises(ValueInvalid, match=r"'\\ud800' has a lone surrogate"):
        colo.run(colo.calls.get("a"))
    for steps in (lambda calls: calls.delete_namespace("\ud800"), lambda calls: calls.revoke_token("a\ud800")):
        other = Colo()
        with pytest.raises(ValueInvalid, match="lone surrogate"):
            other.run(steps(other.calls))
    with httpx.Client(base_url="http://a") as http, pytest.raises(TooLarge, match="of 100,001 characters"):
        request_of(http, Ask("GET", "/" + "x" * 100_000, {}, b"", 0.0), 1.0)


def test_any_key_is_one_segment_of_the_path() -> None:
    colo = Colo((200, entry()), (200, {"revisions": []}), namespace="my shop")
    colo.run(colo.calls.get("cart/7?x=1#é"))
    colo.run(colo.calls.history("a/history"))
    assert colo.asked[0].path == "/v1/my%20shop/keys/cart%2F7%3Fx%3D1%23%C3%A9"
    assert colo.asked[1].path == "/v1/my%20shop/keys/a%2Fhistory/history"


def test_the_base_of_the_last_read_is_sent_with_what_is_made_of_it() -> None:
    colo = Colo((200, entry()), (200, receipt(version="v2", merged=False)), (200, receipt(version="v3")))
    colo.run(colo.calls.get("a"))
    colo.run(colo.calls.put("a", 2))
    colo.run(colo.calls.patch("a", {"x": 1}))
    assert colo.asked[1].path.endswith("?base=v1") and bodies.load(colo.asked[2].body)["base"] == "v2"


def test_a_condition_or_a_base_of_the_callers_own_takes_its_place() -> None:
    colo = Colo((200, entry()), (200, receipt()), (200, entry()), (200, receipt()))
    colo.run(colo.calls.get("a"))
    colo.run(colo.calls.put("a", 2, base="v0"))
    colo.run(colo.calls.get("a"))
    colo.run(colo.calls.put("a", 2, if_version="v1"))
    assert colo.asked[1].path.endswith("?base=v0") and "base" not in colo.asked[3].path
    assert colo.asked[3].headers["if-match"] == '"v1"'


def test_after_a_merge_the_next_put_must_have_read_it() -> None:
    """Else it would take out what others had put in, or put in twice what the caller had."""
    read, put = (200, entry()), (200, receipt(version="v3", merged=True))
    colo = Colo(read, put, (200, entry([1, 2], "v3")), (200, receipt(version="v4")))
    colo.run(colo.calls.get("a"))
    first = colo.run(colo.calls.put("a", [1]))
    with pytest.raises(BaseRequired, match="merged into your last write of 'a'") as caught:
        colo.run(colo.calls.put("a", [1, 3]))
    assert caught.value.happened == "no" and len(colo.asked) == 2
    assert first.value == [1, 2]  # looked at: that is reading it
    colo.run(colo.calls.put("a", [1, 2, 3]))
    assert colo.asked[-1].path.endswith("?base=v3")


def test_an_operation_ends_what_was_read() -> None:
    colo = Colo((200, entry()), (200, receipt()), (200, receipt()))
    colo.run(colo.calls.get("a"))
    colo.run(colo.calls.operate("a", "list", "append", 3))
    colo.run(colo.calls.put("a", [1]))
    assert "base" not in colo.asked[1].body.decode() and "base" not in colo.asked[2].path


def test_indices_are_those_of_what_was_read() -> None:
    colo = Colo((200, entry([1, 2])), (200, receipt(merged=False)), (200, receipt(version="v3", merged=False)))
    colo.run(colo.calls.get("a"))
    colo.run(colo.calls.operate("a", "list", "remove", 0))
    colo.run(colo.calls.operate("a", "list", "insert", 0, "x"))
    assert [bodies.load(ask.body)["base"] for ask in colo.asked[1:]] == ["v1", "v2"]


def test_it_remembers_no_more_keys_than_it_was_told_to() -> None:
    colo = Colo(*[(200, entry())] * 3, *[(200, receipt())] * 2, remember=2)
    for key in "abc":
        colo.run(colo.calls.get(key))
    colo.run(colo.calls.put("a", 1))
    colo.run(colo.calls.put("c", 1))
    assert "base" not in colo.asked[3].path and "base" in colo.asked[4].path


def test_a_value_is_asked_for_when_it_is_wanted_or_comes_with_the_receipt_where_none_can_wait() -> None:
    colo = Colo((200, receipt()), (200, entry(7, "v2")))
    made = colo.run(colo.calls.put("a", 7))
    assert len(colo.asked) == 1 and made.value == 7 and made.value == 7
    assert colo.asked[1].path.endswith("/a?at=v2") and len(colo.asked) == 2
    colo = Colo((200, receipt(value=7)))
    colo.calls = Caring(colo.talk, None)
    assert colo.run(colo.calls.put("a", 7)).value == 7
    assert colo.asked[0].headers["prefer"] == "return=representation"


def test_blobs_go_both_ways() -> None:
    gif = crdtkv.Blob(b"GIF", "image/gif")
    colo = Colo((200, receipt()), (200, entry({"logo": gif})))
    colo.run(colo.calls.put("a", {"logo": gif, "raw": b"x"} | {"raw": crdtkv.Blob(b"x")}))
    assert bodies.load(colo.asked[0].body)["value"]["logo"] == gif
    assert colo.run(colo.calls.get("a")).value["logo"] == gif
