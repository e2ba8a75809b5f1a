"""Requests made from the OpenAPI by schemathesis: what it allows, what it does not, and methods nobody asked for.

It runs in a process of its own against a real server. `make laws` has it draw more, and follow the links.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import jsonschema_rs

from crdtkv.http.names import JSON
from tests.server.asgi import Client
from tests.server.conftest import ROOT, Start

TOKEN = "correct-horse-battery-staple"
SHORT = ("--phases", "examples,coverage", "-n", "1")
LONG = ("--phases", "examples,coverage,fuzzing,stateful", "-n", "25", "--max-time", "300")
LAST = ("leave", "rename_namespace")
"""What may end the world for the others: each is asked for when they are done. (A lone colo may not leave.)"""


def test_the_openapi_is_kept(start: Start, tmp_path: Path) -> None:
    """No 5xx, no status and no body that it does not describe; what is invalid is refused; who has no token, too."""
    options = LONG if os.environ.get("CRDTKV_LAWS") == "long" else SHORT
    server = start(CRDTKV_ADMIN_TOKEN=TOKEN)
    asked = [
        sys.executable, "-m", "schemathesis.cli", "--config-file", ROOT / "tests/server/schemathesis.toml", "run",
        f"{server.url}/openapi.json", "-H", f"Authorization: Bearer {TOKEN}", "--generation-deterministic",
        "--no-color", "--request-timeout", "60", *options,
    ]  # fmt: skip
    known = {**os.environ, "SCHEMATHESIS_HOOKS": "tests.server.hooks", "PYTHONPATH": str(ROOT)}
    others = [word for operation in LAST for word in ("--exclude-operation-id", operation)]
    for which in (others, *(["--include-operation-id", operation] for operation in LAST)):
        done = subprocess.run([*asked, *which], cwd=tmp_path, env=known, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-20_000:]
        assert "Missing test data" not in done.stdout or which is others, "it is asked where it is there"


def test_each_body_and_reply_has_an_example_of_its_schema(client: Client) -> None:
    """Of all that is JSON: what a request sends, and what is answered where it is done."""
    openapi = client.get("/openapi.json").json()
    for path, operations in openapi["paths"].items():
        for method, told in operations.items():
            done = [reply for status, reply in told["responses"].items() if status.startswith("2")]
            for part in (told.get("requestBody", {}), *done):
                found = part.get("content", {}).get(JSON)
                if found is not None:
                    assert "example" in found, f"{method} {path}"
                    jsonschema_rs.validate({**found["schema"], "components": openapi["components"]}, found["example"])
