"""Settings of a server: one TOML file, then ``DCC_<SECTION>__<KEY>`` in the environment, then flags, in rising precedence.

An unknown key is an error wherever it stands, and every value remembers where it came from.
"""

import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from emulator.domain.errors import Malformed
from emulator.domain.limits import MAX_BODY_BYTES, STOCK_CLIENT_PUSH_BYTES

ENV_PREFIX = "DCC_"

Port = int
Milliseconds = int


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Listener(_Section):
    """Where an interface listens."""

    host: str = "127.0.0.1"
    port: Port = Field(ge=0, le=65535)
    """0 takes a free one; the ready file tells which."""


class Duis(Listener):
    """The DUIS web services (port: wire_contract.md section 1)."""

    port: Port = Field(8079, ge=0, le=65535)
    body_limit_bytes: int = Field(MAX_BODY_BYTES, ge=1024, le=MAX_BODY_BYTES)
    """Larger bodies get 413. A full 11.1 needs about 15 MB (wire_contract.md 3.3)."""
    body_timeout_ms: Milliseconds = Field(30_000, ge=10)
    """How long a client may take to send one body."""
    idle_timeout_ms: Milliseconds = Field(75_000, ge=5_001)
    """How long an unused connection stays open; stock clients keep theirs for 5 s and never repeat a POST
    (wire_contract.md section 1)."""
    offload_bytes: int = Field(64 * 1024, ge=0)
    """Bodies larger than this are read in a thread, for they would hold up all others (perf.md section 2)."""
    user_rate: float = Field(0, ge=0, le=1_000_000)
    """Requests a second that one user may send to a world, in the long run; more get 429 with ``Retry-After``. 0 is no limit."""
    user_burst: int = Field(0, ge=0)
    """Requests that one user may send at once where there is a rate; 0 is as many as in a second."""
    user_concurrency: int = Field(1_024, ge=0)
    """Requests of one user that a world works on at a time; more get 429. 0 is no limit."""
    held_bytes: int = Field(256 * 1024 * 1024, ge=0)
    """Octets of large bodies (above ``offload_bytes``, or of unknown length) under way at a time in one process; more get 503."""
    processes: int = Field(1, ge=1, le=64)
    """Processes behind the port. The first has the worlds and their logs; any others read, check and answer HTTP for it."""
    unsigned_acknowledgements: bool = False
    """Send refusals unsigned, as DCC Boxed was seen to do (wire_contract.md section 0 item 9)."""


class Smki(Listener):
    """The SMKI repository (port: wire_contract.md section 5)."""

    port: Port = Field(8083, ge=0, le=65535)


class Control(Listener):
    """Health, readiness, metrics and the control API."""

    port: Port = Field(8080, ge=0, le=65535)
    token: SecretStr | None = Field(None, min_length=1)
    """When set, every control call needs ``Authorization: Bearer <token>``. Beyond loopback it has to be, or ``open``."""
    open: bool = False
    """Listen beyond loopback without a token all the same: whoever gets there controls everything."""
    allowed_hosts: tuple[str, ...] = ()
    """Names by which the service may be called without a token, beside addresses, ``localhost`` and ``host``: a page of another
    site that makes its own name resolve to this machine is not among them."""
    body_limit_bytes: int = Field(32 * 1024 * 1024, ge=1024)
    """Largest body of a control call."""


class Tls(_Section):
    """TLS of the listeners: 1.2 or newer, off without a certificate; ``dcc-emulator pki dccki`` makes some."""

    certificate: Path | None = None
    """The server's certificate in PEM, followed by those between it and its authority."""
    key: Path | None = None
    """Its private key in PEM; unset means in the same file."""
    client_ca: Path | None = None
    """Authorities in PEM; with them a client has to show a certificate of theirs (mutual TLS)."""
    listeners: tuple[Literal["duis", "smki", "control"], ...] = ("duis", "smki", "control")
    """Which listeners speak TLS; the others speak plain HTTP."""


LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Addresses of a listener that nobody reaches from elsewhere."""


class Storage(_Section):
    """The durable log and what is kept of it."""

    folder: Path | None = None
    """The data folder; without one everything is in memory and ends with the process."""
    blob_bytes: int = Field(64 * 1024, ge=1024)
    """Bodies larger than this lie in a file of their own, once for equal content."""
    backlog_bytes: int = Field(256 * 1024 * 1024, ge=1024 * 1024)
    """Unwritten bytes beyond which simulated time waits and requests get 503."""
    mark_interval_ms: Milliseconds = Field(1_000, ge=10)
    """How often the passing of simulated time without events is noted."""
    snapshot_every_inputs: int = Field(20_000, ge=100)
    """Inputs between two snapshots; a graceful stop writes one as well."""
    keep_snapshots: int = Field(3, ge=2)
    keep_inputs: int = Field(50_000, ge=0)
    """Inputs kept beyond those that a kept snapshot needs."""
    keep_journal: int = Field(200_000, ge=100)
    """Journal entries kept."""
    keep_deliveries: int = Field(50_000, ge=0)
    """Delivered and dead-lettered messages kept; undelivered ones are never dropped."""
    keep_audit: int | None = Field(None, ge=1_000)
    """Records of the audit trail kept; unset keeps every one, so that the chain can be walked from its beginning (without a data
    folder the last 200,000)."""
    retry_ms: Milliseconds = Field(1_000, ge=10)
    """How often a failed write (disk full, read-only) is tried again."""


class Signatures(_Section):
    """Which properties of a signing certificate are checked. Unset means: yes, unless keys were imported
    (wire_contract.md 4.1)."""

    check_role: bool | None = None
    check_dates: bool | None = None
    check_chain: bool | None = None


class Keys(_Section):
    """The keys of the world."""

    import_from: Path | None = None
    """A ``keystore.json``, ``org-crypto.zip`` or folder of PEM files to use instead of generated organisation keys."""


class Schemas(_Section):
    """The schemas that decide."""

    folder: Path | None = None
    """Another schema folder, e.g. the official files; unset means the project's own."""


class Worlds(_Section):
    """The worlds that exist from the start."""

    names: tuple[str, ...] = Field(("default",), min_length=1)
    estate: Path | None = None
    """A TOML estate; unset means the embedded one."""
    seed: int | None = Field(None, ge=0, lt=2**63)
    """Seed of keys and chance; unset means the estate's."""
    faults: Path | None = None
    """A TOML file of faults that a new world of this estate begins with."""
    limit: int = Field(16, ge=1)
    """How many worlds may exist at a time."""
    strict_counter: bool = False
    """Refuse a RequestID whose counter is not higher than the last one of its originator and target."""


class ClockSettings(_Section):
    """How simulated time moves from the first start on; afterwards the stored mode holds."""

    mode: Literal["real_time", "paused", "autojump"] = "real_time"
    rate: str = "1"
    """Simulated over wall time in real time, such as ``60`` or ``1/2``."""
    start: Literal["wall", "estate"] = "wall"
    """Begin at the wall time of the first start, or at the instant that the estate names."""


class Outbox(_Section):
    """Pushes to user endpoints. All times are wall time."""

    push_floor_ms: Milliseconds = Field(1_000, ge=0)
    """Between an acknowledgement and the push of its result; earlier pushes lose their correlation in stock clients
    (wire_contract.md section 0 item 11)."""
    timeout_ms: Milliseconds = Field(10_000, ge=10)
    """For one push, connection and answer."""
    retry_initial_ms: Milliseconds = Field(1_000, ge=1)
    retry_cap_ms: Milliseconds = Field(60_000, ge=1)
    """Back-off doubles from initial to cap."""
    transient_attempts: int = Field(10_000, ge=1)
    """Attempts against 5xx, time-outs and refused connections before a message is dead-lettered: about a week at the cap."""
    rejected_attempts: int = Field(3, ge=1)
    """Attempts against any other refusal, such as 400, 404 and 413."""
    recipient_concurrency: int = Field(8, ge=1)
    """Pushes under way to one recipient."""
    total_concurrency: int = Field(64, ge=1)
    """Pushes under way to all recipients."""
    recipient_limit: int = Field(1_000_000, ge=1)
    """Undelivered messages of one recipient; further ones are dead-lettered at once."""
    push_size_bytes: int = Field(STOCK_CLIENT_PUSH_BYTES, ge=1024)
    """What the official client takes (wire_contract.md section 0 item 10); larger messages are counted and still tried."""
    body_cache_bytes: int = Field(64 * 1024 * 1024, ge=0)
    """Bodies of waiting messages held in memory; others are read from the log when they go."""
    allowed_hosts: tuple[str, ...] = ()
    """Host names, addresses or networks that endpoints may name beside loopback; ``*`` allows any."""
    verify_tls: bool = True
    """Whether certificates of ``https`` endpoints must be trusted."""
    ca: Path | None = None
    """Authorities of ``https`` endpoints in PEM; unset means those that the system trusts."""
    certificate: Path | None = None
    """Certificate in PEM that is shown to ``https`` endpoints that ask for one."""
    key: Path | None = None
    """Its private key; unset means in the same file."""


class Logging(_Section):
    """What the process says about itself, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "console", "json"] = "auto"
    """``auto`` is JSON unless stderr is a terminal."""


class Settings(_Section):
    """Everything that can be set."""

    duis: Duis = Duis()
    smki: Smki = Smki()
    control: Control = Control()
    tls: Tls = Tls()
    storage: Storage = Storage()
    signatures: Signatures = Signatures()
    keys: Keys = Keys()
    schemas: Schemas = Schemas()
    worlds: Worlds = Worlds()
    clock: ClockSettings = ClockSettings()
    outbox: Outbox = Outbox()
    log: Logging = Logging()
    ready_file: Path | None = None
    """Written when everything listens: the chosen ports as JSON."""
    stop_timeout_ms: Milliseconds = Field(5_000, ge=100)
    """How long a stop waits for requests and pushes that are under way."""


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with the place each value came from, by dotted key; values that are not named here are defaults."""

    settings: Settings
    origins: Mapping[str, str]

    def origin(self, key: str) -> str:
        """Where the value of ``key`` (``duis.port``) came from."""
        return self.origins.get(key, "default")

    def explained(self) -> dict[str, dict[str, object]]:
        """Every value with its origin, by dotted key; secrets are masked."""
        return {
            key: {"value": value, "origin": self.origin(key)}
            for key, value in sorted(_flatten(self.settings.model_dump(mode="json")).items())
        }


def load_settings(
    file: Path | None = None,
    *,
    env: Mapping[str, str] | None = None,
    flags: Mapping[str, object] | None = None,
) -> LoadedSettings:
    """Layer the sources; raise :class:`Malformed` naming the source and key of the first thing wrong.

    ``flags`` has dotted keys (``{"duis.port": 0}``); values may be text. Relative paths of the file are relative to it.
    """
    merged: dict[str, object] = {}
    origins: dict[str, str] = {}
    for values, origin in (
        (_from_file(file), f"file {file}"),
        (_from_env(os.environ if env is None else env), "environment"),
        (dict(flags or {}), "flag"),
    ):
        for key, value in values.items():
            _check_known(key, origin)
            merged[key] = value
            origins[key] = f"environment {_env_name(key)}" if origin == "environment" else origin
    try:
        settings = Settings(**_nest(merged))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
        given = "" if key == "control.token" else f" (got {str(first.get('input'))[:80]!r})"
        raise Malformed(f"{first['msg']}{given}", where=f"{origins.get(key, 'settings')}: {key}") from None
    return LoadedSettings(settings, origins)


def parse_assignments(assignments: Sequence[str]) -> dict[str, object]:
    """Read ``section.key=value`` flags; raise :class:`Malformed` when one has no ``=``. Lists are comma-separated."""
    values: dict[str, object] = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals:
            raise Malformed(f"{text!r} is not an assignment", where="flag", expected="section.key=value")
        values[key.strip()] = value.split(",") if key.strip() in _LISTS else value
    return values


_LISTS = frozenset({"worlds.names", "outbox.allowed_hosts", "control.allowed_hosts", "tls.listeners"})
_PATHS = frozenset(
    {
        "storage.folder",
        "keys.import_from",
        "schemas.folder",
        "worlds.estate",
        "worlds.faults",
        "ready_file",
        "tls.certificate",
        "tls.key",
        "tls.client_ca",
        "outbox.ca",
        "outbox.certificate",
        "outbox.key",
    }
)
_FOREIGN = frozenset(
    {"DCC_CA", "DCC_CERTIFICATE", "DCC_KEY", "DCC_INTEROP", "DCC_REFERENCE", "DCC_REQUIRE", "DCC_SERVER", "DCC_WORLD"}
)
"""Environment names with our prefix that belong to the tests and the command line."""


def _known_keys() -> frozenset[str]:
    keys: set[str] = set()
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            keys.update(f"{name}.{key}" for key in section.model_fields)
        else:
            keys.add(name)
    return frozenset(keys)


KNOWN_KEYS = _known_keys()
"""Every dotted key that can be set."""


def _check_known(key: str, origin: str) -> None:
    if key not in KNOWN_KEYS:
        section = key.partition(".")[0]
        near = sorted(known for known in KNOWN_KEYS if known.partition(".")[0] == section)
        choices = near or sorted({known.partition(".")[0] for known in KNOWN_KEYS})
        raise Malformed(f"unknown setting {key!r}", where=origin, expected=f"one of {', '.join(choices)}")


def _from_file(file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        values = _flatten(tomllib.loads(file.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise Malformed(f"cannot be read: {error}", where=f"file {file}", expected="a TOML file") from None
    for key in _PATHS & values.keys():
        if isinstance(values[key], str):
            values[key] = file.parent / str(values[key])
    return values


def _from_env(env: Mapping[str, str]) -> dict[str, object]:
    names = {_env_name(key): key for key in KNOWN_KEYS}
    values: dict[str, object] = {}
    for name, value in env.items():
        if not name.startswith(ENV_PREFIX) or name in _FOREIGN:
            continue
        if name not in names:
            raise Malformed(f"unknown setting {name}", where="environment", expected="DCC_<SECTION>__<KEY>, e.g. DCC_DUIS__PORT")
        key = names[name]
        values[key] = value.split(",") if key in _LISTS else value
    return values


def _env_name(key: str) -> str:
    return ENV_PREFIX + key.replace(".", "__").upper()


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flatten(value, f"{prefix}{name}."))
        else:
            flat[prefix + name] = value
    return flat


def _nest(flat: Mapping[str, object]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        *sections, name = key.split(".")
        here = nested
        for section in sections:
            here = here.setdefault(section, {})
        here[name] = value
    return nested
