"""What it costs to write a Command, and what a device takes to answer one, over all use cases.

Requests are our own samples of every body; keys are made from the names of their holders. The value is the median over use cases;
beside it stands the dearest.
"""

import hashlib
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from itertools import product
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from emulator.conformance.cases import DEVICE_DIGITS, Case
from emulator.conformance.homes import Surroundings, VirtualHome
from emulator.conformance.keys import FolderKeys
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, TRANSITIONAL_COS, Eui64, format_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.dsp.commands import body_parameters
from emulator.gbcs import times
from emulator.gbcs.commands import build_command, finish_command
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import sign
from emulator.gbcs.usecases import UseCase, all_routes, use_case_for
from tests.bench.measure import Run, Sample, measurement
from tests.schema.sample_requests import REQUESTS

PARTIES = {
    RemotePartyRole.SUPPLIER: Eui64(0x90B3D51F30010000),
    RemotePartyRole.NETWORK_OPERATOR: Eui64(0x90B3D51F30020000),
    RemotePartyRole.LOAD_CONTROLLER: Eui64(0x90B3D51F30010008),
    RemotePartyRole.ACCESS_CONTROL_BROKER: ACCESS_CONTROL_BROKER,
    RemotePartyRole.TRANSITIONAL_COS: TRANSITIONAL_COS,
}
NOW = "2026-02-01T06:00:00Z"
REPEATS = 20
DEVICES = {kind: Eui64(0x00DB123456789000 | digit) for digit, kind in reversed(DEVICE_DIGITS.items())}

KNOWN_AT_HOME = {
    "other_device_type": "GSME",
    "han_id": "0011223344556677",
    "devices": [{"device": format_eui(DEVICES[DeviceType.ESME]), "device_type": 1, "link_key_hash": "aa" * 16}],
}
"""What a Command says and its request does not."""


@dataclass(frozen=True, slots=True)
class Use:
    """A use case with a request for it."""

    row: UseCase
    device_type: DeviceType
    parameters: dict[str, object]
    version: str

    @property
    def user(self) -> Eui64:
        """Who sends it: one of the parties that the device knows in the first role that the row names."""
        return PARTIES[min(self.row.known_parties, default=RemotePartyRole.SUPPLIER)]

    def build(self) -> GbcsMessage:
        """The Command without protection."""
        return build_command(
            self.row, user=self.user, user_counter=1000, device=DEVICES[self.device_type], acb_counter=1300,
            parameters=self.parameters, now_ms=times.read_duis(NOW),
        )  # fmt: skip


@cache
def uses() -> tuple[Use, ...]:
    """One of each use case to which a sample leads: the first that does."""
    found: dict[str, Use] = {}
    routes = {(route.variant, route.device_type) for route in all_routes()}
    for (_, _, variant), body in REQUESTS:
        kinds = sorted(kind for asked, kind in routes if asked == variant)
        for device_type, version, letter in product(kinds, ("4.2", "3.2"), "ABC"):
            parameters = {**body_parameters(body), **KNOWN_AT_HOME, "esme_variant": letter}
            row = use_case_for(variant, device_type, parameters, gbcs_version=version)
            if row is None or row.name in found:
                continue
            use = Use(row, device_type, parameters, version)
            try:
                use.build()
            except Malformed:
                continue  # a body for the other kind of meter, or a sample of octets that is no certificate
            found[row.name] = use
    return tuple(found.values())


def over_use_cases(taken: dict[str, float], octets: list[bytes]) -> Sample:
    """The median, with the dearest beside it."""
    dearest = max(taken, key=lambda name: taken[name])
    digest = hashlib.sha256(b"".join(octets)).hexdigest()[:16]
    return Sample(
        statistics.median(taken.values()), {"use_cases": len(taken), "digest": digest}, {dearest: round(taken[dearest], 1)}
    )


def microseconds(operation: Callable[[], object], repeats: int) -> float:
    """The median time of an operation."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        operation()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds) * 1e6


@measurement("gbcs.encode_us", "us", 5)
def encode() -> Iterator[Run]:
    """From the body of a request to the octets of a Command, without signature and MAC."""

    def run() -> Sample:
        taken = {use.row.name: microseconds(lambda use=use: use.build().encode(), REPEATS) for use in uses()}
        return over_use_cases(taken, [use.build().encode() for use in uses()])

    yield run


def keys_in(folder: Path) -> FolderKeys:
    """Keys of every party and device, each made from its name."""
    names = [f"{eui:016x}-{usage}" for eui in (*PARTIES.values(), *DEVICES.values()) for usage in ("ds", "ka")]
    scalars = {name: hashlib.sha256(name.encode()).hexdigest() for name in names}
    folder.joinpath("private_keys.json").write_text(json.dumps({"keys": scalars}))
    return FolderKeys(folder)


def case_of(use: Use) -> Case:
    """What the home of a use case is like."""
    return Case(
        case=use.row.name, request="", originator=format_eui(use.build().originator), device=format_eui(DEVICES[use.device_type]),
        device_type=use.device_type.value, gbcs_version=use.version, esme_variant=str(use.parameters["esme_variant"]),
        user=format_eui(use.user), user_counter=1000, acb_counter=1300, device_counter=2000, current_utc=NOW,
    )  # fmt: skip


def finished(use: Use, keys: FolderKeys) -> bytes:
    """The Command as it arrives."""
    message = use.build()
    broker, device = keys.private_key(ACCESS_CONTROL_BROKER, "KA"), keys.public_key(message.recipient, "KA")
    signer = keys.private_key(message.originator, "DS")
    assert isinstance(broker, ec.EllipticCurvePrivateKey)
    assert device is not None
    if use.row.critical:
        assert signer is not None
        message = sign(message, signer)
    return finish_command(message, broker, device)


@measurement("gbcs.answer_us", "us", 3)
def answer() -> Iterator[Run]:
    """From a Command that arrives to the protected Response, with what it sets off at once in the home."""
    with tempfile.TemporaryDirectory() as folder:
        keys = keys_in(Path(folder))
        asked = [(use, case_of(use), finished(use, keys)) for use in uses() if use.row.carried_out]
        around = Surroundings(DEVICES, PARTIES)

        def run() -> Sample:
            taken, octets = {}, []
            for use, case, command in asked:
                home = VirtualHome(case, keys, around)
                home.prepare(command)
                started = time.perf_counter()
                home.deliver(command)
                taken[use.row.name] = (time.perf_counter() - started) * 1e6
                answers = home.wait()
                if not answers.messages:
                    raise RuntimeError(f"{use.row.name} is not answered: {answers.notes[-2:]}")
                octets.extend(answers.messages)
            return over_use_cases(taken, octets)

        yield run
