"""Opening a store: what may be given, and who this colo is from now on."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable
from random import Random, SystemRandom
from typing import Any

from crdtkv.core.show import show
from crdtkv.core.views import colo_of
from crdtkv.errors import BadRequest, CrdtkvError, ValueInvalid
from crdtkv.replica import life
from crdtkv.replica.core import Replica
from crdtkv.storage.base import Storage
from crdtkv.storage.memory import MemoryStorage
from crdtkv.store.clock import wall_ms as system_ms
from crdtkv.store.store import Store

__all__ = ["MAX_CACHE_MB", "MAX_QUOTA_MB", "is_colo", "open_store"]

_log = logging.getLogger("crdtkv")
_COLO = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,30}[a-z0-9])?")
_TOKEN = "abcdefghijklmnopqrstuvwxyz234567"
MAX_CACHE_MB = 1 << 20
MAX_QUOTA_MB = 10**9
_STEADY: int | None = getattr(time, "CLOCK_BOOTTIME", None)
_MAX_SECONDS = 2**48 / 1000


def open_store(
    path: str | os.PathLike[str] = ":memory:", *, colo: str | None = None, namespace: str = "default",
    history: bool = True, clock: Callable[[], float] | None = None, random: Random | None = None,
    purge_step_ms: int = 10_000, durability: str = "full", quota_mb: float | None = None,
    cache_mb: int = 256,
) -> Store:  # fmt: skip
    """The store in the file at `path`, made if it is not there; `:memory:` keeps it in this process only. O(journal).

    `colo`: 1 to 32 of a-z, 0-9 and '-'; a file that holds a store knows its own. `namespace`: a
    name; stores of different ones do not sync. `history=False` keeps no superseded values.
    `purge_step_ms`: in what steps deleted cells are dropped, in milliseconds. `durability`: "full":
    what was acknowledged survives a power cut; "normal": one may take back the last writes, and
    the store then takes a new id. `quota_mb`: how large the file may grow by what is written here,
    in 10^6 bytes. `cache_mb`: how much of what was read of the file is kept in memory, in 2^20 bytes.
    `clock` gives seconds since 1970 and `random` the names of
    incarnations: for tests and simulations. Raises StoreLocked, FormatTooNew, NotAStore,
    ChecksumFailed, StorageFailed, BadRequest.

    >>> kv = open_store(":memory:", colo="lhr")
    >>> kv.put("greeting", "hello").value
    'hello'
    """
    _check_options(path, colo, namespace, history, clock, random, purge_step_ms, durability)
    _check_quota(path, quota_mb)
    _check_cache(cache_mb)
    storage: Storage = MemoryStorage() if str(path) == ":memory:" else _sqlite(path, durability, cache_mb)
    try:
        if colo is None and storage.meta("state") is None:
            raise BadRequest("it holds no store yet, so it needs a colo", next_step="name its colo, as in 'lhr'")
        was, noted = storage.meta("state"), storage.noted()
        steady_ms = _steady_ms if clock is None else None
        replica = life.begin(
            storage, colo or "", _wall(clock or time.time), _tokens(random), steady_ms=steady_ms
        )
        _tell_of_copy(str(path), was, noted, replica)
        if colo is not None and colo_of(replica.state.id) != colo:
            raise BadRequest(f"it belongs to colo {colo_of(replica.state.id)!r}, not {colo!r}; open it as that")
        store = Store(replica, namespace, history, purge_step_ms, quota_mb)
        _show(storage, store)
        return store
    except BaseException as error:
        storage.close()  # a store that could not be opened locks nothing
        if isinstance(error, CrdtkvError):
            error.args = (f"{str(path)!r}: {error}",)
        raise


def _tell_of_copy(path: str, was: Any, noted: str | None, replica: Replica) -> None:
    """Whoever runs this learns that the file is not what was written last: an old copy, or one that lost something."""
    state = replica.state
    if was is None or (state.copied, state.namespace) == (was.get("copied", False), was["namespace"]):
        return
    id, _, n = (noted or "").partition(" ")
    why = f"{path}-witness beside it says {n}" if id == was["id"] else "it lies elsewhere than it was written"
    what = (
        "it can be read, and writes once it has synced with a member" if state.copied
        else "it goes on as a namespace of its own, with a new id"
    )  # fmt: skip
    _log.warning(
        "%r is a copy, or was put back: it holds %d writes of %s, and %s; %s",
        path, state.vector.get(was["id"], 0), was["id"], why, what,
    )  # fmt: skip


def _sqlite(path: str | os.PathLike[str], durability: str, cache_mb: int) -> Storage:
    from crdtkv.storage.sqlite import SqliteStorage

    return SqliteStorage(path, durability, cache_mb)


def _show(storage: Storage, store: Store) -> None:
    """The views of a file tell what the store shows."""
    if not isinstance(storage, MemoryStorage):
        from crdtkv.store.following import follow
        from crdtkv.store.showing import showing

        storage.attend(showing(store._replica))  # type: ignore[attr-defined]
        follow(storage, store._lock)


def _wall(seconds: Callable[[], float]) -> Callable[[], int]:
    """Milliseconds since 1970 by that clock. The system's own is believed."""
    if seconds is time.time:
        return system_ms

    def wall_ms() -> int:
        said: Any = seconds()
        if isinstance(said, bool) or not isinstance(said, int | float) or not 0 <= said < _MAX_SECONDS:
            raise ValueInvalid(
                f"the clock says {show(said)}; seconds since 1970 are wanted", next_step="mend the clock"
            )
        return int(said * 1000)

    return wall_ms


def _steady_ms() -> int:
    """Milliseconds of a clock that nobody sets, and that goes on while the machine sleeps, where there is one."""
    return time.clock_gettime_ns(_STEADY) // 1_000_000 if _STEADY is not None else time.monotonic_ns() // 1_000_000


def _tokens(random: Random | None) -> Callable[[], str]:
    """Four letters that tell one incarnation from another."""
    source = SystemRandom() if random is None else random  # (`secrets` is that, and loads OpenSSL)
    return lambda: "".join(source.choices(_TOKEN, k=4))


def is_colo(name: str) -> bool:
    """Whether a colo may be called so: 1 to 32 of a-z, 0-9 and '-'. O(1).

    >>> is_colo("lhr"), is_colo("London")
    (True, False)
    """
    return _COLO.fullmatch(name) is not None


def _is_name(path: str | os.PathLike[str]) -> bool:
    try:
        return b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # a lone surrogate, of none of the bytes that a name may hold
        return False


def _check_options(
    path: Any, colo: Any, namespace: Any, history: Any, clock: Any, random: Any, purge_step_ms: Any, durability: Any
) -> None:
    if not isinstance(path, str | os.PathLike) or not str(path) or not _is_name(path):
        raise BadRequest(f"path is {show(path)}; the name of a file, or ':memory:', is wanted")
    known = colo is None and os.path.exists(path)
    if not known and (not isinstance(colo, str) or not is_colo(colo)):
        raise BadRequest(f"colo is {show(colo)}; 1 to 32 of a-z, 0-9 and '-' are allowed, as in 'lhr'")
    if not isinstance(namespace, str) or not namespace:
        raise BadRequest(f"namespace is {show(namespace)}; a name is wanted")
    if not isinstance(history, bool):
        raise BadRequest(f"history is {show(history)}; True or False are allowed")
    if clock is not None and not callable(clock):
        raise BadRequest(f"clock is {show(clock)}; a function that gives seconds since 1970 is wanted")
    if random is not None and not isinstance(random, Random):
        raise BadRequest(f"random is {show(random)}; a random.Random is wanted")
    if isinstance(purge_step_ms, bool) or not isinstance(purge_step_ms, int) or purge_step_ms < 1:
        raise BadRequest(f"purge_step_ms is {show(purge_step_ms)}; a whole number of at least 1 is allowed")
    if durability not in ("full", "normal"):
        raise BadRequest(f"durability is {show(durability)}; 'full' or 'normal' are allowed")


def _check_quota(path: Any, quota_mb: Any) -> None:
    if quota_mb is None:
        return
    if isinstance(quota_mb, bool) or not isinstance(quota_mb, int | float) or not 0 < quota_mb <= MAX_QUOTA_MB:
        words = f"a number of megabytes above 0 and up to {MAX_QUOTA_MB:,}, or None, is allowed"
        raise BadRequest(f"quota_mb is {show(quota_mb)}; {words}")
    if str(path) == ":memory:":
        raise BadRequest(f"quota_mb is {quota_mb!r}, and a store in memory has no file to measure; open it with a path")


def _check_cache(cache_mb: Any) -> None:
    if isinstance(cache_mb, bool) or not isinstance(cache_mb, int) or not 1 <= cache_mb <= MAX_CACHE_MB:
        raise BadRequest(f"cache_mb is {show(cache_mb)}; a whole number from 1 to {MAX_CACHE_MB:,} is allowed")
