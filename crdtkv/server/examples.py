"""What replies look like, by the name of their schema: in the OpenAPI, where no route shows one of its own.

A test holds each to its schema.
"""

from __future__ import annotations

from typing import Any

__all__ = ["REPLIES"]

_VERSION = "5af9_lhr~k3f9.41"
_STAMP = 1795759486026
_RULE = {
    "pattern": "cart/*", "strategy": "json", "ttl": "max", "paths": {"/tags": "set"}, "keep_cells": 64,
    "keep_hours": 24.0, "require_base": False,
}  # fmt: skip
_TOKEN = {
    "id": "7f3a", "label": "ann", "scopes": [{"namespace": "*", "prefix": "", "actions": ["admin"]}],
    "created": _STAMP, "expires": None,
}  # fmt: skip
_DIFFER = [{"key": "cart/7", "old": "lww", "new": "json"}]
_STATUS = {
    "name": "default", "id": "~default", "replica": "lhr~k3f9", "members": ["lhr~k3f9", "sin~a0c2"], "forks": [],
    "vector": {"lhr~k3f9": 41, "sin~a0c2": 7}, "digest": "5fb1dc19b45ba203aa2f30a8cb3ebf13",
    "floor": 117692145336320000, "floor_ms_ago": 6292, "held_back_by": "sin~a0c2", "bytes": 77824, "lost_writes": 0,
    "pending": 0, "quarantined": {}, "restored_copy": False, "left": False,
    "heard_ms_ago": {"lhr~k3f9": 145, "sin~a0c2": 1292},
}  # fmt: skip
REPLIES: dict[str, Any] = {
    "Receipt": {"key": "todo", "version": _VERSION, "strategy": "json"},
    "Revisions": {"revisions": [
        {"version": _VERSION, "stamp": _STAMP, "replica": "lhr~k3f9", "value": [1, 2, 3], "known": True},
    ]},
    "Patch": {"patch": [{"op": "remove", "path": "/4"}]},
    "Blames": {"blame": [{"path": "/0", "value": 1, "replica": "lhr~k3f9", "stamp": _STAMP}]},
    "Rules": {"rules": [_RULE]},
    "RulesSet": {"set": ["cart/*"], "removed": [], "differ": _DIFFER},
    "RuleSet": {"rule": _RULE, "differ": _DIFFER},
    "Migrations": {"migrations": [
        {"key": "queue", "old": "list", "new": "set", "before": ["job-2"], "after": ["job-2"], "problem": None},
    ]},
    "Imported": {
        "written": 2, "same": 0, "expired": 0, "kept": 0, "bad": 1,
        "problems": [{"line": 2, "message": "there is no 'value' in it; it has 'key'"}],
    },
    "Token": {**_TOKEN, "token": "crdtkv_7f3a_..."},
    "Tokens": {"tokens": [_TOKEN]},
    "Out": {"out": ["sin~a0c2"]},
    "Status": {"colo": "lhr", "release": "0.1.0", "leaving": False, "left": False, "namespaces": [_STATUS]},
    "Health": {"status": "ok"},
}  # fmt: skip
