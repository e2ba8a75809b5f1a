"""The peers: what they are, and where they are installed. Data only."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["GROUPS", "NPM", "PEERS", "SERVERS", "Peer"]

GROUPS = {
    "documents": ("pycrdt>=0.14", "pycrdt-store>=0.1.5", "loro>=1.17", "automerge>=1.0.0rc1"),
    "merging": ("nbdime>=4", "jsonmerge>=1.9", "dictdiffer>=0.10", "merge3>=1.0"),
    "storing": ("diskcache>=5.6", "lmdb>=1.4", "redis>=5", "hiredis>=2", "grpcio>=1.60"),
}
"""What goes into a virtual environment of its own, by its name under `.bench`."""

NPM = ("yjs", "@automerge/automerge", "loro-crdt", "pouchdb", "gun")
"""What goes into `.bench/npm`."""

SERVERS = {"redis-server": "redis-server", "etcd": "etcd-server", "node": "nodejs", "npm": "npm", "git": "git"}
"""Program -> the Debian package that brings it."""


class Peer(NamedTuple):
    """`group`: of GROUPS, "npm", or "": the Python that runs the benchmark. `package`: of which the version is told.
    `program`: that must be on the path, and of which the version is told where there is no package."""

    name: str
    group: str
    package: str = ""
    program: str = ""


PEERS = {
    peer.name: peer
    for peer in (
        Peer("crdtkv", "", "crdtkv"),
        Peer("pycrdt", "documents", "pycrdt"),
        Peer("loro", "documents", "loro"),
        Peer("automerge", "documents", "automerge"),
        Peer("yjs", "npm", "yjs"),
        Peer("loro-js", "npm", "loro-crdt"),
        Peer("automerge-js", "npm", "@automerge/automerge"),
        Peer("pouchdb", "npm", "pouchdb"),
        Peer("gun", "npm", "gun"),
        Peer("redis", "storing", "redis", "redis-server"),
        Peer("redis-always", "storing", "redis", "redis-server"),
        Peer("etcd", "storing", "grpcio", "etcd"),
        Peer("sqlite3", ""),
        Peer("diskcache", "storing", "diskcache"),
        Peer("lmdb", "storing", "lmdb"),
        Peer("nbdime", "merging", "nbdime"),
        Peer("jsonmerge", "merging", "jsonmerge"),
        Peer("dictdiffer", "merging", "dictdiffer"),
        Peer("merge3", "merging", "merge3"),
        Peer("git-merge-file", "", "", "git"),
        Peer("uvicorn", "", "uvicorn"),
    )
}
