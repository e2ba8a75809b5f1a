"""Settings: which source wins, what is refused in which words, and who is never let in by accident."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from crdtkv.errors import BadRequest
from crdtkv.node.settings import Settings, load, open_to_others

SECRET = "correct horse battery staple"


def given(**flags: object) -> Settings:
    return load(environment={}, **{"colo": "lhr", "data": "lhr", **flags})


def test_flags_win_over_the_environment_and_that_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "crdtkv.toml"
    file.write_text('colo = "lhr"\ndata = "of the file"\nlisten = "127.0.0.1:1"\njoin = ["http://127.0.0.1:9"]\n')
    monkeypatch.setenv("CRDTKV_DATA", "of the environment")
    monkeypatch.setenv("CRDTKV_LISTEN", "127.0.0.1:2")
    found = load(file, listen="127.0.0.1:3", durability=None)
    assert (found.colo, str(found.data), found.address[1], found.join, found.durability) == (
        "lhr", "of the environment", 3, ("http://127.0.0.1:9",), "full",
    )  # fmt: skip


def test_lists_are_written_with_commas() -> None:
    found = given(join="http://127.0.0.1:1, https://sin.example:2,", cluster_secret=f"{SECRET},{SECRET}2")
    assert found.join == ("http://127.0.0.1:1", "https://sin.example:2")
    assert found.secrets == (SECRET.encode(), SECRET.encode() + b"2")


def test_no_secret_is_printed() -> None:
    assert SECRET not in repr(given(admin_token=SECRET, cluster_secret=SECRET))
    for flags in ({"cluster_secret": "horse"}, {"admin_token": 7, "cluster_secret": ["horse"]}):
        with pytest.raises(BadRequest) as caught:
            given(**flags)
        assert "horse" not in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ({"colo": "London"}, "setting colo is 'London': 1 to 32 of a-z"),
        ({"colo": None}, "setting colo is missing; give --colo, CRDTKV_COLO, or colo in the file"),
        ({"listen": "8801"}, "setting listen is '8801': an address and a port are wanted"),
        ({"listen": "127.0.0.1:99999"}, "an address and a port are wanted"),
        ({"join": "sin"}, "setting join is 'sin': the URL of a colo is wanted"),
        ({"advertise": "http://"}, "the URL of a colo is wanted"),
        ({"cluster_secret": "short"}, "setting cluster_secret: a secret of at least 16 characters"),
        ({"tls_cert": "a.pem"}, "tls_cert and tls_key are wanted together"),
        ({"colour": "red"}, "there is no setting 'colour'; there are admin_token, "),
        ({"quota_mb": -1}, "setting quota_mb is -1"),
    ],
)
def test_what_is_refused(flags: dict[str, object], words: str) -> None:
    with pytest.raises(BadRequest, match=words):
        given(**flags)


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadRequest, match="there is no settings file"):
        load(tmp_path / "none.toml", environment={})
    (tmp_path / "bad.toml").write_text("colo = [")
    with pytest.raises(BadRequest, match="cannot be read"):
        load(tmp_path / "bad.toml", environment={})


@pytest.mark.parametrize("listen", ["0.0.0.0:8801", "[::]:8801", "192.0.2.7:8801", "lhr.example:8801"])
def test_nobody_else_is_let_in_without_token_and_secret(listen: str) -> None:
    assert open_to_others(given(listen=listen, admin_token=SECRET, cluster_secret=SECRET), True)
    with pytest.raises(BadRequest, match=r"CRDTKV_ADMIN_TOKEN.*CRDTKV_CLUSTER_SECRET.*or listen on 127.0.0.1"):
        open_to_others(given(listen=listen), False)
    with pytest.raises(BadRequest, match="colos need no secret"):
        open_to_others(given(listen=listen), True)
    with pytest.raises(BadRequest, match="clients need no token"):
        open_to_others(given(listen=listen, cluster_secret=SECRET), False)


@pytest.mark.parametrize("listen", ["127.0.0.1:8801", "[::1]:0", "localhost:8801", "127.8.0.1:8801"])
def test_this_machine_alone_needs_neither(listen: str) -> None:
    assert not open_to_others(given(listen=listen), False)


@pytest.mark.parametrize("door", ["workers", "redis"])
def test_no_door_lets_others_in_without_a_token(door: str) -> None:
    with pytest.raises(BadRequest, match=r"listening on '0.0.0.0:1' lets others in, and clients need no token"):
        open_to_others(given(**{door: "0.0.0.0:1"}), False)
    assert open_to_others(given(**{door: "0.0.0.0:1"}), True), "it is nothing to colos"
    assert not open_to_others(given(**{door: "127.0.0.1:1"}), False)
    with pytest.raises(BadRequest, match=f"setting {door} is 'here': an address and a port are wanted"):
        given(**{door: "here"})


def test_bindings_and_their_namespaces() -> None:
    assert given(workers_bindings="KV=shop, PAGES=a=b").workers_namespaces == {"KV": "shop", "PAGES": "a=b"}
    for wrong in ("KV", "=shop", "KV=", "K V=shop"):
        with pytest.raises(BadRequest, match="bindings and their namespaces are wanted, as KV=shop"):
            given(workers_bindings=wrong)


def test_only_who_serves_pays_for_them() -> None:
    code = "import sys, crdtkv.node.node, crdtkv.node.tokens\nprint('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
