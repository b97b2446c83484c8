"""Requests that are signed before the load begins, so that the server is measured and not the signing.

A pool is a file of records: a line with web service, Service Reference Variant, RequestID and length, then the document. It is
shared between workers by the position of a record.
"""

import argparse
import itertools
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from emulator.client.requests import read_device_log, read_firmware_version, read_import_registers, read_inventory
from emulator.client.signing import sign_request
from emulator.domain.identifiers import RequestId
from emulator.domain.tables import WEB_SERVICE
from emulator.duis.messages import Request
from emulator.estate.declaration import default_estate_toml, load_estate
from emulator.pki.keystore import KeyStore
from emulator.world import key_store
from loadtests.homes import SUPPLIER, Home, home

MAKERS: dict[str, Callable[[Home], Request]] = {
    "11.2": lambda at: read_firmware_version(SUPPLIER, at.esme),
    "11.2 gas": lambda at: read_firmware_version(SUPPLIER, at.gsme),
    "8.2": lambda at: read_inventory(SUPPLIER, at.esme),
    "8.9": lambda at: read_device_log(SUPPLIER, at.hub),
    "4.1.1": lambda at: read_import_registers(SUPPLIER, at.esme),
}
"""What a pool can hold, by the name that plans use."""


@dataclass(frozen=True, slots=True)
class Signed:
    """A document that is ready to be posted."""

    service: str
    """``S`` or ``D``."""
    variant: str
    request_id: str
    document: bytes


def world_keys() -> KeyStore:
    """The keys of a world of the default estate; copies of homes change none of the parties' keys."""
    return key_store(load_estate(default_estate_toml()))


def sign(request: Request, counter: int, keys: KeyStore) -> Signed:
    """The request with a counter, signed."""
    identity = RequestId(request.request_id.originator, request.request_id.target, counter)
    document = sign_request(replace(request, request_id=identity), keys)
    return Signed(WEB_SERVICE[request.command_variant].value, request.service_reference_variant, str(identity), document)


def signed_requests(mix: dict[str, int], homes: int, first_counter: int) -> Iterator[Signed]:
    """Requests without end: kinds by their weights, homes one after the other, counters ascending."""
    keys = world_keys()
    kinds = [kind for kind, weight in mix.items() for _ in range(weight)]
    for number in itertools.count():
        kind = kinds[number % len(kinds)]
        yield sign(MAKERS[kind](home(number // len(kinds) % homes)), first_counter + number, keys)


def write_pool(path: Path, mix: dict[str, int], homes: int, count: int) -> None:
    """Sign ``count`` requests into a file."""
    with path.open("wb") as file:
        for each in itertools.islice(signed_requests(mix, homes, time.time_ns() // 1_000_000), count):
            file.write(f"{each.service} {each.request_id} {len(each.document)} {each.variant}\n".encode())
            file.write(each.document)


def read_pool(path: Path, share: int = 0, shares: int = 1) -> Iterator[Signed]:
    """The records of one worker, in order."""
    with path.open("rb") as file:
        for number in itertools.count():
            line = file.readline()
            if not line:
                return
            service, request_id, size, variant = line.decode().rstrip("\n").split(" ", 3)
            document = file.read(int(size))
            if number % shares == share:
                yield Signed(service, variant, request_id, document)


def main() -> int:
    """``python -m loadtests.pool FILE COUNT HOMES KIND=WEIGHT…``."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.pool", description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("count", type=int)
    parser.add_argument("homes", type=int)
    parser.add_argument("mix", nargs="+", metavar="KIND=WEIGHT")
    given = parser.parse_args()
    write_pool(
        given.file, {kind: int(weight) for kind, weight in (each.split("=") for each in given.mix)}, given.homes, given.count
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
