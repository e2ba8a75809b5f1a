"""One node, in this process: what it answers, and by which code it refuses."""

import io
import json
from itertools import count
from random import Random
from typing import Any

import pytest

from crdtkv.errors import ClockAhead, Corrupt, CrdtkvError, StorageFailed, all_errors
from crdtkv.maelstrom import running
from crdtkv.maelstrom.node import Node
from crdtkv.maelstrom.protocol import DEFINITE, Fault, fault_of


def line(type: str, dest: str = "n1", src: str = "c1", id: int | None = 1, **body: Any) -> str:
    numbered = {"msg_id": id} if id is not None else {}
    return json.dumps({"src": src, "dest": dest, "body": {"type": type, **numbered, **body}})


def node(workload: str | None = None, id: str = "n1", nodes: tuple[str, ...] = ("n1",)) -> Node:
    made = Node(workload, lambda: 1.8e9, Random(1))
    made.on_line(line("init", id, node_id=id, node_ids=list(nodes)))
    return made


def asked(node: Node, type: str, **body: Any) -> dict[str, Any]:
    """The body of the reply to one request."""
    replies = [json.loads(each) for each in node.on_line(line(type, **body))]
    return next(reply["body"] for reply in replies if reply["dest"] == "c1")


def test_each_workload_reads_what_it_wrote() -> None:
    for workload, write, answer in (
        ("broadcast", {"type": "broadcast", "message": 7}, {"messages": [7]}),
        ("g-set", {"type": "add", "element": 7}, {"value": [7]}),
        ("g-counter", {"type": "add", "delta": 7}, {"value": 7}),
        ("pn-counter", {"type": "add", "delta": -7}, {"value": -7}),
    ):
        for named in (workload, None):  # named, or told by what was written
            n1 = node(named)
            assert asked(n1, **write) == {"type": f"{write['type']}_ok", "in_reply_to": 1}
            assert asked(n1, "read") == {"type": "read_ok", "in_reply_to": 1, **answer}


def test_a_named_workload_reads_nothing_as_nothing() -> None:
    assert asked(node("g-set"), "read")["value"] == []
    assert asked(node("broadcast"), "read")["messages"] == []
    assert asked(node("pn-counter"), "read")["value"] == 0


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"type": "cas", "key": 1, "from": 1, "to": 2}, 10),
        ({"type": "add"}, 12),
        ({"type": "add", "delta": "5"}, 12),
        ({"type": "add", "element": "\ud800"}, 12),
        ({"type": "add", "delta": 2**70}, 22),
        ({"type": "read"}, 11),
        ({"type": "echo", "dest": "n2"}, 1),
        ({"type": "init", "node_id": "n1", "node_ids": ["n1"]}, 12),
    ],
)
def test_what_is_refused_did_not_happen(body: dict[str, Any], code: int) -> None:
    n1 = node()
    answer = asked(n1, **body)
    assert (answer["type"], answer["code"]) == ("error", code)
    assert code in DEFINITE
    assert asked(n1, "read")["code"] == 11, "nothing was written"


def test_a_g_counter_only_grows() -> None:
    assert asked(node("g-counter"), "add", delta=-1)["code"] == 12
    assert asked(node("g-counter"), "read")["value"] == 0


def test_before_init_a_node_is_unavailable() -> None:
    assert asked(Node(None, lambda: 1.8e9, Random(1)), "read")["code"] == 11


@pytest.mark.parametrize(
    "given", [{"node_ids": ["n2"]}, {"node_ids": "n1"}, {"node_id": "N 1", "node_ids": ["N 1"]}, {}]
)
def test_an_init_that_names_no_node_is_refused_and_can_be_mended(given: dict[str, Any]) -> None:
    n1 = Node(None, lambda: 1.8e9, Random(1))
    assert asked(n1, "init", **{"node_id": "n1", **given})["code"] == 12
    assert asked(n1, "init", node_id="n1", node_ids=["n1"])["type"] == "init_ok"


NO_MESSAGE = (
    "", "{", "[]", "1", '{"src": "c1"}', '{"src": 1, "dest": "n1", "body": {"type": "read"}}', "[" * 100_000,
    '{"src": "c1", "dest": "n1", "body": {"type": "read", "msg_id": "x"}}', '{"src": "c1", "dest": "n1", "body": {}}',
)  # fmt: skip


@pytest.mark.parametrize("text", NO_MESSAGE)
def test_a_line_that_is_no_message_is_nobodys(text: str) -> None:
    with pytest.raises(Fault):
        node().on_line(text)


def test_who_wants_no_reply_gets_none() -> None:
    n1 = node()
    assert n1.on_line(line("add", id=None, delta=5)) == []
    assert asked(n1, "read")["value"] == 5


def test_foreign_bytes_among_gossip_change_nothing() -> None:
    n1 = node(nodes=("n1", "n2"))
    asked(n1, "add", element=1)
    for data in ("", "AAAA", "no base64", 5, None):
        try:
            n1.on_line(line("gossip", src="n2", id=None, data=data))
        except Fault as fault:
            assert fault.code == 12
    assert asked(n1, "read")["value"] == [1]


@pytest.mark.parametrize("kind", all_errors(), ids=lambda kind: kind.__name__)
def test_a_definite_code_only_where_it_surely_did_not_happen(kind: type[CrdtkvError]) -> None:
    error = kind("words")
    assert (fault_of(error).code in DEFINITE) is (error.happened == "no" and not issubclass(kind, Corrupt))
    assert fault_of(StorageFailed("words", happened="unknown")).code not in DEFINITE
    assert fault_of(ClockAhead("words")).code == 22


def test_two_nodes_in_one_process_come_to_agree() -> None:
    """What each was told before it heard of the other is at both; ticks are all the time there is."""
    nodes = {id: node("g-set", id, ("n1", "n2")) for id in ("n1", "n2")}
    for i, (id, each) in enumerate(nodes.items()):
        each.on_line(line("add", id, element=i))
    ticks = count(1)
    for each in nodes.values():
        each._clock = lambda: 1.8e9 + next(ticks) * 0.02
    for _ in range(400):
        waiting = [text for each in nodes.values() for text in each.on_tick()]
        while waiting:
            text = waiting.pop(0)
            waiting += nodes[json.loads(text)["dest"]].on_line(text)
    read = {id: json.loads(each.on_line(line("read", id))[-1])["body"]["value"] for id, each in nodes.items()}
    assert read == {"n1": [0, 1], "n2": [0, 1]}


def test_lines_in_lines_out_until_the_input_ends(capsys: pytest.CaptureFixture[str]) -> None:
    out = io.StringIO()
    init = line("init", node_id="n1", node_ids=["n1"])
    lines = [init, "", "nonsense", line("add", id=2, delta=3), line("read", id=3)]
    running.run("pn-counter", io.StringIO("\n".join(lines)), out)
    assert [json.loads(each)["body"] for each in out.getvalue().splitlines()] == [
        {"type": "init_ok", "in_reply_to": 1},
        {"type": "add_ok", "in_reply_to": 2},
        {"type": "read_ok", "in_reply_to": 3, "value": 3},
    ]
    assert "nonsense" in capsys.readouterr().err
