"""The settings of a node that serves: flags, then `CRDTKV_*` of the environment, then a TOML file.

Law of this room: what would make the node open to strangers is refused here, with the words
to mend it. Imported by who serves only: pydantic takes its time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)  # fmt: skip

from crdtkv.core.show import show
from crdtkv.errors import BadRequest
from crdtkv.node.clock import MAX_SECONDS, SetClock
from crdtkv.store.opening import is_colo

__all__ = ["MIN_CLUSTER_SECRET", "Settings", "address", "is_loopback", "load", "open_to_others"]

MIN_CLUSTER_SECRET = 16

_DOORS = ("listen", "workers", "redis")
"""Settings that are an address at which clients are let in."""

_Words = Annotated[tuple[str, ...], NoDecode]
_BINDING = re.compile(r"[A-Za-z_$][\w$]*=\S+", re.ASCII)
_Secrets = Annotated[tuple[SecretStr, ...], NoDecode]


class Settings(BaseSettings):
    """What `crdtkv serve` goes by. Lists may be written with commas.

    >>> load(colo="lhr", data="lhr", listen="127.0.0.1:8801", environment={}).address
    ('127.0.0.1', 8801)
    """

    model_config = SettingsConfigDict(env_prefix="CRDTKV_", extra="forbid", frozen=True, str_strip_whitespace=True)

    colo: str
    """The colo's name: 1 to 32 of a-z, 0-9 and '-'."""
    data: Path
    """The folder of its files."""
    listen: str = "127.0.0.1:8801"
    """Address and port; port 0 takes a free one."""
    advertise: str = ""
    """The URL at which other colos reach this one; "": as it listens."""
    join: _Words = ()
    """URLs of other colos: any one that answers is enough."""
    admin_token: _Secrets = ()
    """Tokens that may all, at this colo: several while one is replaced by another."""
    cluster_secret: _Secrets = ()
    """What colos know each other by. The first is sent, all are taken: add the new one behind at every colo,
    then put it first at every colo, then take the old one out."""
    workers: str = ""
    """Address and port for what the KV binding of a Worker sends; "": none."""
    workers_bindings: _Words = ()
    """Which namespace miniflare's bindings are, as KV=shop; one that is not named is the namespace of its name."""
    workers_clock: Annotated[float, Field(ge=0, lt=MAX_SECONDS)] | None = None
    """For test suites: this colo's clock stands at so many seconds since 1970 until it is set."""
    workers_value_limit: Annotated[int, Field(ge=0, le=25 << 20)] | None = None
    """For test suites: bytes of the largest value that a Worker may put."""
    tls_cert: Path | None = None
    """The certificate shown to clients and colos, with its chain (PEM)."""
    tls_key: Path | None = None
    tls_ca: Path | None = None
    """Which authority's certificates other colos must show; none: those the system trusts."""
    log: Literal["debug", "info", "warning", "error"] = "info"
    """What is said on stderr."""
    durability: Literal["full", "normal"] = "full"
    quota_mb: Annotated[float, Field(gt=0)] | None = None
    """How large the file of each namespace may grow by what is written here, in 10^6 bytes."""
    cache_mb: Annotated[int, Field(ge=1)] = 256
    """How much of each namespace's file is kept in memory, in 2^20 bytes."""
    redis: str = ""
    """Address and port for clients of Redis; "": there is no such door."""
    redis_unsound: Literal["allow", "refuse"] = "allow"
    """Commands of Redis that hold at one colo only: they are allowed, or refused with the reason."""
    session_wait_s: Annotated[float, Field(ge=0, le=60)] = 2.0
    """How long a request waits for what its session token names."""

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource, dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:  # fmt: skip
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    @field_validator("join", "admin_token", "cluster_secret", "workers_bindings", mode="before")
    @classmethod
    def _split(cls, given: Any) -> Any:
        return tuple(part.strip() for part in given.split(",") if part.strip()) if isinstance(given, str) else given

    @field_validator("colo")
    @classmethod
    def _is_colo(cls, colo: str) -> str:
        if not is_colo(colo):
            raise ValueError("1 to 32 of a-z, 0-9 and '-' are allowed, as in 'lhr'")
        return colo

    @field_validator(*_DOORS)
    @classmethod
    def _is_address(cls, listen: str, info: ValidationInfo) -> str:
        if listen or info.field_name == "listen":
            address(listen)
        return listen

    @field_validator("workers_bindings")
    @classmethod
    def _are_bindings(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        if any(_BINDING.fullmatch(each) is None for each in given):
            raise ValueError("bindings and their namespaces are wanted, as KV=shop")
        return given

    @field_validator("data")
    @classmethod
    def _is_folder(cls, given: Path) -> Path:
        if given.exists() and not given.is_dir():
            raise ValueError("a folder is wanted, and this is a file; one that is not there is made")
        return given

    @field_validator("join", "advertise")
    @classmethod
    def _are_urls(cls, given: Any) -> Any:
        for url in (given,) if isinstance(given, str) else given:
            parts = urlsplit(url)
            if url and (parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment):
                raise ValueError("the URL of a colo is wanted, as http://127.0.0.1:8802")
        return given

    @field_validator("cluster_secret")
    @classmethod
    def _are_long(cls, given: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        if any(len(secret.get_secret_value()) < MIN_CLUSTER_SECRET for secret in given):
            raise ValueError(f"a secret of at least {MIN_CLUSTER_SECRET} characters is wanted")
        return given

    @model_validator(mode="after")
    def _has_both(self) -> Settings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key are wanted together, or neither")
        return self

    @model_validator(mode="after")
    def _tests_alone(self) -> Settings:
        """A clock that clients set, and a limit that is not ours, are for who tests on this machine."""
        for name in ("workers_clock", "workers_value_limit"):
            if getattr(self, name) is not None and (
                not self.workers or not all(is_loopback(address(each)[0]) for each in self.doors.values())
            ):
                raise ValueError(f"{name} is for test suites: it needs workers, and every address on loopback")
        return self

    @property
    def address(self) -> tuple[str, int]:
        """Host and port of `listen`."""
        return address(self.listen)

    @property
    def doors(self) -> dict[str, str]:
        """Setting -> address and port, of all at which clients are let in."""
        return {name: listen for name in _DOORS if (listen := getattr(self, name))}

    @property
    def workers_namespaces(self) -> dict[str, str]:
        """Binding -> namespace, of those that are named otherwise."""
        return dict(each.split("=", 1) for each in self.workers_bindings)

    @property
    def tokens(self) -> tuple[str, ...]:
        """The admin tokens in clear."""
        return tuple(token.get_secret_value() for token in self.admin_token)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The cluster secrets in clear, the one that is sent first."""
        return tuple(secret.get_secret_value().encode() for secret in self.cluster_secret)

    @property
    def store_options(self) -> dict[str, Any]:
        """What `Node` opens its stores with."""
        options = {"durability": self.durability, "quota_mb": self.quota_mb, "cache_mb": self.cache_mb}
        return options if self.workers_clock is None else {**options, "clock": SetClock(self.workers_clock)}


def load(file: Path | str | None = None, environment: Mapping[str, str] | None = None, **flags: Any) -> Settings:
    """The settings in `flags` (None: not given), then the environment, then the TOML file. Raises BadRequest.

    `environment`: in the place of this process's own, for tests.

    >>> load(colo="London", data="lhr", environment={})
    Traceback (most recent call last):
    crdtkv.errors.BadRequest: setting colo is 'London': 1 to 32 of a-z, 0-9 and '-' are allowed, as in 'lhr'
    """
    if file is not None and not Path(file).is_file():
        raise BadRequest(f"there is no settings file {str(file)!r}")
    given = {name: value for name, value in flags.items() if value is not None}
    if environment is not None:
        known = {f"CRDTKV_{name.upper()}": name for name in Settings.model_fields}
        told = {known[name.upper()]: value for name, value in environment.items() if name.upper() in known}
        given = {**told, **given}
    bound = type("Settings", (Settings,), {"model_config": SettingsConfigDict(toml_file=file)})
    if environment is not None:
        bound.settings_customise_sources = classmethod(  # type: ignore[attr-defined]
            lambda cls, kind, init_settings, **_: (init_settings, TomlConfigSettingsSource(kind))
        )
    try:
        return bound(**given)  # type: ignore[no-any-return]
    except ValidationError as error:
        raise BadRequest("; ".join(_words(e) for e in error.errors()[:5]), next_step="correct the settings") from None
    except ValueError as error:  # the file is no TOML
        raise BadRequest(f"the settings file {str(file)!r} cannot be read: {error}") from None


def _words(error: Any) -> str:
    name = ".".join(map(str, error["loc"][:1])) or "s"  # of the whole
    why = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        flag, variable = f"--{name.replace('_', '-')}", f"CRDTKV_{name.upper()}"
        return f"setting {name} is missing; give {flag}, {variable}, or {name} in the file"
    if error["type"] == "extra_forbidden":
        return f"there is no setting {name!r}; there are {', '.join(sorted(Settings.model_fields))}"
    if name == "s":
        return f"settings: {why}"
    hidden = "secret" in name or "token" in name
    found = error["input"]
    given = found if isinstance(found, tuple) else (str(found) if isinstance(found, Path) else found,)
    return f"setting {name}: {why}" if hidden else f"setting {name} is {', '.join(map(show, given))}: {why}"


def address(listen: str) -> tuple[str, int]:
    """Host and port of "host:port" or "[v6]:port". Raises ValueError.

    >>> address("[::1]:8801"), address("127.0.0.1:0")
    (('::1', 8801), ('127.0.0.1', 0))
    """
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not colon or not host or not port.isascii() or not port.isdecimal() or int(port) > 65_535:
        raise ValueError("an address and a port are wanted, as 127.0.0.1:8801")
    return host, int(port)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches it.

    >>> is_loopback("127.0.0.1"), is_loopback("localhost"), is_loopback("0.0.0.0")
    (True, True, False)
    """
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def open_to_others(settings: Settings, guarded: bool) -> bool:
    """Whether others than this machine reach it; then it must ask who they are: raises BadRequest if it does not.

    `guarded`: whether there is a token, of the settings or in the system namespace.
    """
    opened = {name: listen for name, listen in settings.doors.items() if not is_loopback(address(listen)[0])}
    missing = []
    if opened and not guarded:
        missing.append("clients need no token: set CRDTKV_ADMIN_TOKEN (or admin_token) to one of 16 characters or more")
    if "listen" in opened and not settings.cluster_secret:
        missing.append("colos need no secret: set CRDTKV_CLUSTER_SECRET (or cluster_secret) to the same at every colo")
    if missing:
        where = " and ".join(map(repr, opened.values()))
        raise BadRequest(
            f"listening on {where} lets others in, and {'; and '.join(missing)}; or listen on 127.0.0.1",
            next_step="set them, or listen on 127.0.0.1",
        )
    return bool(opened)
