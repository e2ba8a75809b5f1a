"""The clients that people have: redis-cli and redis-benchmark, ioredis, node-redis, keyv, Django, dogpile.cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.doors.conftest import Js
from tests.doors.redis.conftest import Colo


def tool(name: str, colo: Colo, *words: str, stdin: str = "") -> str:
    """What redis-cli or redis-benchmark says; where it is absent the test is skipped, and in CI it fails."""
    if shutil.which(name) is None:
        why = f"no {name} here: apt install redis-tools"
        pytest.fail(why, pytrace=False) if os.environ.get("CI") else pytest.skip(why)
    command = [name, "-p", str(colo.port), *words]
    done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_redis_cli(colo: Colo) -> None:
    assert tool("redis-cli", colo, "set", "a", "1").strip() == "OK"
    assert tool("redis-cli", colo, "-3", "incr", "a").strip() == "2"
    assert tool("redis-cli", colo, "-n", "2", "get", "a").strip() == ""
    said = tool("redis-cli", colo, stdin="multi\nset b 1\nget b\nexec\nkeys *\n")
    assert said.split() == ["OK", "QUEUED", "QUEUED", "OK", "1", "a", "b"]
    assert sorted(tool("redis-cli", colo, "--scan").split()) == ["a", "b"]
    assert "Sampled 2 keys" in tool("redis-cli", colo, "--bigkeys")
    assert "PONG" in tool("redis-cli", colo, "-r", "2", "ping")


def test_redis_cli_pipe(colo: Colo) -> None:
    lines = "".join(f"SET k{i} {i}\r\n" for i in range(1000))
    assert "errors: 0, replies: 1000" in tool("redis-cli", colo, "--pipe", stdin=lines)
    assert len(colo.store) == 1000
    whole = "".join(f"*3\r\n$3\r\nSET\r\n$2\r\nx{i}\r\n$1\r\n{i}\r\n" for i in range(10))
    assert "errors: 0, replies: 10" in tool("redis-cli", colo, "--pipe", stdin=whole)


@pytest.mark.parametrize("pipeline", ["1", "16"])
def test_redis_benchmark(colo: Colo, pipeline: str) -> None:
    said = tool("redis-benchmark", colo, "-t", "ping,set,get,incr,mset", "-n", "2000", "-P", pipeline, "-q", "-r", "50")
    assert len(re.findall(r"requests per second", said)) == 6 and "ERR" not in said
    assert 1 <= len(colo.store) <= 102


def test_ioredis_and_node_redis(js: Js, colo: Colo) -> None:
    assert js("redis-clients.mjs", REDIS=f"redis://127.0.0.1:{colo.port}").strip() == "both"


def test_keyv_s_own_suite(js: Js, npm: Path, colo: Colo) -> None:
    said = js("vitest", "run", "--root", str(npm), "redis-keyv.test.mjs", REDIS=f"redis://127.0.0.1:{colo.port}")
    assert re.search(r"Tests\s+\d+ passed", said) and "failed" not in said


def test_django_s_cache_and_sessions(py: Js, colo: Colo) -> None:
    assert py("redis_django.py", REDIS=f"redis://127.0.0.1:{colo.port}").startswith("django")


def test_dogpile_cache_s_own_suites(py: Js, colo: Colo) -> None:
    said = py("redis_dogpile.py", HOST="127.0.0.1", PORT=str(colo.port))
    assert re.search(r"\d\d+ passed", said) and "failed" not in said
