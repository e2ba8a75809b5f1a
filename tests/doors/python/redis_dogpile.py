"""dogpile.cache's own suites of a backend, its serializers and its locks, at $HOST:$PORT. Run by pytest."""

import os
import sys

import pytest
from dogpile.testing.fixtures import (
    _GenericBackendTestSuite,
    _GenericMutexTestSuite,
    _GenericSerializerTestSuite,
)

PLACE = {"host": os.environ["HOST"], "port": int(os.environ["PORT"]), "db": 0}


class _Here:
    @classmethod
    def _check_backend_available(cls, backend):
        backend.set_serialized("x", b"y")
        assert backend.get_serialized("x") == b"y"
        backend.delete("x")


class TestBackend(_Here, _GenericBackendTestSuite):
    backend = "dogpile.cache.redis"
    config_args = {"arguments": PLACE}


class TestSerializer(_GenericSerializerTestSuite, TestBackend):
    pass


class TestExpiring(_Here, _GenericBackendTestSuite):
    backend = "dogpile.cache.redis"
    config_args = {"arguments": {**PLACE, "redis_expiration_time": 100}}


class TestMutex(_Here, _GenericMutexTestSuite):
    backend = "dogpile.cache.redis"
    config_args = {"arguments": {**PLACE, "distributed_lock": True}}


class TestPrefixedMutex(_Here, _GenericMutexTestSuite):
    backend = "dogpile.cache.redis"
    config_args = {"arguments": {**PLACE, "distributed_lock": True, "lock_prefix": "_lok."}}


if __name__ == "__main__":
    words = ["-q", "--noconftest", "-c", os.devnull, "-p", "no:cacheprovider"]
    sys.exit(pytest.main([*words, __file__]))
