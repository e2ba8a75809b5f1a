"""Tokens, secrets and certificates are exchanged while it serves: the file is changed, then SIGHUP sent."""

from __future__ import annotations

import shutil
import signal
import ssl
from pathlib import Path

import httpx
import pytest

from tests.server.conftest import Server, Start
from tests.transport.test_tls import certificate

OLD, NEW = "correct horse battery staple", "another long secret"


def renew(server: Server) -> str:
    """What it says when it has read the file again."""
    server.process.send_signal(signal.SIGHUP)
    assert server.process.stdout is not None
    while "settings" not in (line := server.process.stdout.readline()):
        assert line, "it has ended"
    return line.strip()


def status(server: Server, token: str) -> int:
    return server.http.get("/v1/default/keys", headers={"authorization": f"Bearer {token}"}).status_code


def test_tokens_are_exchanged_without_a_stop(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "crdtkv.toml"
    file.write_text(f'admin_token = "{OLD}"\n')
    server = start("--config", str(file))
    assert (status(server, OLD), status(server, NEW)) == (200, 401)
    file.write_text(f'admin_token = "{OLD},{NEW}"\ncluster_secret = ["{OLD}"]\n')
    assert renew(server) == "tokens, secrets and certificates are those of the settings now"
    assert (status(server, OLD), status(server, NEW)) == (200, 200)
    file.write_text(f'admin_token = "{NEW}"\n')
    renew(server)
    assert (status(server, OLD), status(server, NEW)) == (401, 200)


def test_settings_that_are_none_change_nothing(start: Start, tmp_path: Path) -> None:
    file = tmp_path / "crdtkv.toml"
    file.write_text(f'admin_token = "{OLD}"\n')
    server = start("--config", str(file))
    for wrong in ("admin_token = [", 'admin_token = "short"\n', 'colour = "red"\n'):
        file.write_text(wrong)
        assert renew(server).startswith("the settings are as they were: ")
        assert status(server, OLD) == 200
    file.unlink()
    assert "there is no settings file" in renew(server)
    assert status(server, OLD) == 200


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl to make certificates")
def test_a_certificate_is_exchanged_without_a_stop(start: Start, tmp_path: Path) -> None:
    (old, key), (new, new_key) = certificate(tmp_path, "old"), certificate(tmp_path, "new")
    cert = (tmp_path / "cert.pem", tmp_path / "cert.key")
    for source, target in zip((old, key), cert, strict=True):
        shutil.copy(source, target)
    server = start(CRDTKV_TLS_CERT=str(cert[0]), CRDTKV_TLS_KEY=str(cert[1]))

    def trusted(authority: Path) -> bool:
        try:
            with httpx.Client(verify=ssl.create_default_context(cafile=authority)) as http:
                return http.get(f"{server.url}/healthz").status_code == 200
        except httpx.ConnectError:
            return False

    assert (trusted(old), trusted(new)) == (True, False)
    for source, target in zip((new, new_key), cert, strict=True):
        shutil.copy(source, target)
    renew(server)
    assert (trusted(old), trusted(new)) == (False, True)
