"""Users for Locust: reads, firmware campaigns, mixed days, alert storms and soak.

Run by ``python -m loadtests``, or by hand as docs/how-to/load.md has it. What every user needs comes as options, which a master
hands to its workers; of ``--shares 2`` each takes its own part of the pool and of the homes.
"""

import csv
import itertools
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, constant, constant_throughput, events, task
from locust.exception import StopUser
from locust.runners import MasterRunner

from emulator.client.documents import MessageReader
from emulator.client.precommand import pre_command_of
from emulator.client.requests import activate_firmware, read_firmware_version, signed_pre_command, update_firmware
from emulator.domain.identifiers import RequestId, format_eui
from emulator.duis.messages import Request, ServiceResponse
from emulator.estate.declaration import default_estate_toml, generated_manufacturer_image, load_estate
from emulator.gbcs.protect import sign as sign_command
from emulator.ota.image import build
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore
from loadtests.homes import SUPPLIER, home
from loadtests.pool import Signed, read_pool, sign, signed_requests, world_keys
from loadtests.sink import milliseconds

XML = {"Content-Type": "application/xml"}
VERSION = "00010100"
MIX = {"11.2": 6, "11.2 gas": 2, "4.1.1": 1, "8.2": 2, "8.9": 1}
"""What is sent where no pool is given."""
EXPECTED = {"S": "I99", "D": "I0", "T": "I0"}
"""Code of an answer that is as it should be, by web service."""
_CODE = re.compile(rb"<sr:ResponseCode>([^<]+)<")
_WHEN = re.compile(rb"<sr:ResponseDateTime>([^<]+)<")
_THERE = frozenset({"VERIFIED", "ACTIVATED", "CONFIRMED"})
"""States of a job whose device has its image."""


@events.init_command_line_parser.add_listener
def _options(parser: Any) -> None:
    group = parser.add_argument_group("DCC")
    group.add_argument("--pool", default="", help="file of signed requests; signed as they go where there is none")
    group.add_argument("--shares", type=int, default=1, help="workers among whom pool and homes are shared")
    group.add_argument("--homes", type=int, default=1, help="homes of the estate")
    group.add_argument(
        "--per-user", type=float, default=0.0, help="requests a second of one user; 0 for as fast as it is answered"
    )
    group.add_argument("--acknowledged", default="", help="folder for the list of acknowledged requests")
    group.add_argument("--fixed", default="", metavar="CLASS=N,…", help="classes of which there are so many users")
    group.add_argument("--control", default="", help="URL of the control API")


class Load:
    """What the users of one worker have in common."""

    def __init__(self, options: Any, share: int) -> None:
        self.share, self.shares = share, options.shares
        self.keys: KeyStore = world_keys()
        self.reader = MessageReader(self.keys)
        self.per_user: float = options.per_user
        self.homes: int = options.homes
        self.control = f"{options.control}/control/v1/worlds/default"
        self._counter = itertools.count(time.time_ns() // 1_000_000 + (1 + self.share) * 10**9)
        self.pool = self._pool(options.pool)
        self.own_homes = itertools.cycle(range(self.share, self.homes, self.shares))
        self.old_homes = iter(range(self.share, self.homes, self.shares))
        """Those that no campaign has been to."""
        path = Path(options.acknowledged, f"acknowledged-{share}.csv") if options.acknowledged else Path(os.devnull)
        self._file = path.open("w", newline="")  # until the end of the run
        self._acknowledged = csv.writer(self._file)

    def _pool(self, path: str) -> Iterator[Signed]:
        if path:
            return read_pool(Path(path), self.share, self.shares)
        return signed_requests(MIX, self.homes, time.time_ns() // 1_000_000 + self.share * 10**8)

    def signed(self, request: Request) -> tuple[Request, Signed]:
        """A request with the next counter, and as it goes out."""
        counter = next(self._counter)
        identity = RequestId(request.request_id.originator, request.request_id.target, counter)
        return request.__class__(**{**_fields(request), "request_id": identity}), sign(request, counter, self.keys)

    def acknowledged(self, signed: Signed, answer: bytes) -> None:
        """Note that a result must come."""
        when = _WHEN.search(answer)
        if when is not None:
            row = (f"{time.time():.4f}", milliseconds(when[1].decode()), signed.variant, signed.request_id)
            self._acknowledged.writerow(row)

    def close(self) -> None:
        """Everything noted is in the file."""
        self._file.close()


def _fields(request: Request) -> dict[str, Any]:
    return {name: getattr(request, name) for name in request.__dataclass_fields__}


_load: Load | None = None


@events.init.add_listener
def _fix(environment: Any, **_: Any) -> None:
    fixed = dict(each.split("=") for each in environment.parsed_options.fixed.split(",") if each)
    for user_class in environment.user_classes:
        user_class.fixed_count = int(fixed.get(user_class.__name__, 0))


@events.test_start.add_listener
def _begin(environment: Any, **_: Any) -> None:
    global _load
    if not isinstance(environment.runner, MasterRunner):
        _load = Load(environment.parsed_options, getattr(environment.runner, "worker_index", 0))


@events.quitting.add_listener
def _end(environment: Any, **_: Any) -> None:
    if _load is not None:
        _load.close()


class _User(FastHttpUser):
    abstract = True
    network_timeout = 30.0
    connection_timeout = 10.0

    @property
    def load(self) -> Load:
        assert _load is not None
        return _load

    def wait_time(self) -> float:
        """Between two tasks."""
        pace: Callable[[Any], float] = constant_throughput(self.load.per_user) if self.load.per_user else constant(0)
        return pace(self)

    def exchange(self, signed: Signed, *, expected: str = "", result: bool = True, name: str = "") -> bytes:
        """Post a document; anything but the expected code is a failure. The answer, empty when it is not as it should be."""
        wanted = expected or EXPECTED[signed.service]
        path = f"/api/v1/service{signed.service}"
        with self.client.post(
            path, data=signed.document, headers=XML, name=name or signed.variant, catch_response=True
        ) as answer:
            body: bytes = answer.content or b""
            code = _CODE.search(body)
            said = code[1].decode() if answer.status_code == 200 and code is not None else f"HTTP {answer.status_code}"
            if said != wanted:
                answer.failure(f"{said}, not {wanted}")
                return b""
            answer.success()
        if said == "I99" and result:
            self.load.acknowledged(signed, body)
        return body

    def ask(self, method: str, path: str, name: str, **given: Any) -> Any:
        """A call of the control API."""
        with self.client.request(method, self.load.control + path, name=name, catch_response=True, **given) as answer:
            if answer.status_code >= 400 or not answer.status_code:
                answer.failure(f"HTTP {answer.status_code}")
                return None
            answer.success()
            return answer.json() if answer.content else None

    def read(self) -> None:
        """The next request of the pool; a user is done when there is none."""
        signed = next(self.load.pool, None)
        if signed is None:
            raise StopUser
        self.exchange(signed)

    def campaign(self) -> None:
        """One home from the image to the version that runs: 11.1, receipt, Transform, 11.3, 11.2."""
        load, number = self.load, next(self.load.old_homes, None)
        if number is None:  # every home runs the newer version
            gevent.sleep(1)
            return
        device = home(number).esme
        octets, image_hash = image(load.keys)
        _, distribution = load.signed(update_firmware(SUPPLIER, octets, VERSION, [device]))
        if not self.exchange(distribution, expected="I99", result=False) or not self._arrived(format_eui(device)):
            return
        transform, signed = load.signed(activate_firmware(SUPPLIER, device, image_hash))
        answer = self.exchange(signed, name="11.3 transform")
        if not answer:
            return
        record = load.keys.live(SUPPLIER, Usage.DIGITAL_SIGNATURE)
        assert record is not None
        assert record.private_key is not None
        message = load.reader.read(answer)
        assert isinstance(message, ServiceResponse)
        command = sign_command(pre_command_of(message), record.private_key)
        activation = signed_pre_command(transform, command.encode())
        self.exchange(sign(activation, transform.request_id.counter, load.keys), name="11.3")
        _, reading = load.signed(read_firmware_version(SUPPLIER, device))
        self.exchange(reading)

    def _arrived(self, device: str, patience_s: float = 600.0) -> bool:
        """Wait until the device has its image; False when the job ended otherwise."""
        until_s = time.monotonic() + patience_s
        while time.monotonic() < until_s:
            found = self.ask("GET", f"/jobs?device={device}&limit=200", "control jobs")
            jobs = [job for request in (found or {}).get("requests", []) for job in request["jobs"] if job["device"] == device]
            if jobs and jobs[-1]["state"] in _THERE:
                return True
            if jobs and not jobs[-1]["open"]:
                return False
            gevent.sleep(0.5)
        return False


def image(keys: KeyStore) -> tuple[bytes, bytes]:
    """The OTA file of the newer ESME version that the estate lists, and the hash that activates it."""
    estate = load_estate(default_estate_toml())
    row = next(row for row in estate.cpl if row.device_type == "ESME" and row.firmware_version == VERSION and row.image_bytes)
    record = keys.live(SUPPLIER, Usage.DIGITAL_SIGNATURE)
    octets = build(
        generated_manufacturer_image(row.manufacturer, row.model, VERSION, row.image_bytes),
        manufacturer_code=int(row.manufacturer, 16),
        image_type=0,
        file_version=int(VERSION, 16),
        header_string="load",
        hardware_versions=(0x0100, 0x0200),
        private_key=None if record is None else record.private_key,
    )
    return octets, bytes.fromhex(row.image_hash)


class Reads(_User):
    """Reads from a pool, as fast as they are answered or at a pace."""

    @task
    def next_read(self) -> None:
        """One request."""
        self.read()


class Campaigns(_User):
    """Firmware, one home after the other."""

    @task
    def next_campaign(self) -> None:
        """One home."""
        self.campaign()


class Mixed(_User):
    """A day: mostly reads, refusals, repetitions, rubbish, and somebody who looks."""

    @task(40)
    def next_read(self) -> None:
        """One request."""
        self.read()

    @task(2)
    def repeat(self) -> None:
        """A RequestID twice."""
        _, signed = self.load.signed(read_firmware_version(SUPPLIER, home(next(self.load.own_homes)).esme))
        if self.exchange(signed):
            self.exchange(signed, expected="E44", name="11.2 repeated")

    @task(1)
    def cut_off(self) -> None:
        """A document that is not whole."""
        _, signed = self.load.signed(read_firmware_version(SUPPLIER, home(0).esme))
        self.exchange(Signed(signed.service, signed.variant, "", signed.document[:-40]), expected="HTTP 400", name="cut off")

    @task(1)
    def look(self) -> None:
        """The journal of one device."""
        device = format_eui(home(next(self.load.own_homes)).esme)
        self.ask("GET", f"/journal?device={device}&limit=20", "control journal")


class Storm(_User):
    """Power cuts of every home of this worker, and reads meanwhile."""

    @task
    def cut(self) -> None:
        """All off, all on again when the CSPs have said so."""
        mine = [home(number) for number in range(self.load.share, self.load.homes, self.load.shares)]
        for on in (False, True):
            for each in mine:
                for device in (each.hub, each.esme):
                    path = f"/devices/{format_eui(device)}/power"
                    self.ask("PUT", path, "control power", json={"on": on})
            gevent.sleep(5)
