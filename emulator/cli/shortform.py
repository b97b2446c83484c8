"""Requests in short form: a Service Reference Variant and a few options in place of XML."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emulator.cli.remote import instant_ms
from emulator.client import requests
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.domain.tables import SIGNED_PRE_COMMAND_VARIANTS, service_reference_variants
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import Element, Request, element
from emulator.ota.image import parse_image


@dataclass(frozen=True, slots=True)
class Given:
    """What was given on the command line."""

    user: Eui64
    devices: tuple[Eui64, ...] = ()
    fields: tuple[str, ...] = ()
    """``NAME=VALUE`` or ``PARENT/NAME=VALUE``."""
    image: Path | None = None
    image_version: str = ""
    image_hash: str = ""
    """Hexadecimal digits or the name of an OTA file."""
    at: str = ""
    """Date and time, or ``cancel``."""
    mpxn: str = ""
    variant: int | None = None
    """Command Variant; a critical request with 5 to 7 begins with Transform all the same."""


def build_request(srv: str, given: Given) -> Request:
    """The request for a variant; raises :class:`Malformed` when something is missing or does not belong."""
    request = _build(srv, given)
    if given.variant is None or (service_reference_variants()[srv].critical and given.variant in SIGNED_PRE_COMMAND_VARIANTS):
        return request
    return replace(request, command_variant=given.variant)


def _build(srv: str, given: Given) -> Request:
    row = service_reference_variants().get(srv)
    if row is None:
        raise Malformed(f"{srv!r} is neither a file nor a Service Reference Variant", expected="such as 11.2 or request.xml")
    _refuse_strangers(srv, given)
    if srv in ("11.1", "11.4"):
        return _distribution(srv, given)
    if srv == "11.3":
        return _activation(given)
    if srv == "8.2" and not given.fields:
        return requests.read_inventory(given.user, given.devices[0] if given.devices else None, mpxn=given.mpxn or None)
    dated = [] if not given.at else [f"ExecutionDateTime={_date(given.at)}"]
    body = fields_to_elements([*dated, *given.fields])
    if row.non_device:
        about = [element("DeviceID", _one(given)[1])] if given.devices else []
        return requests.service_request(given.user, srv, *about, *body, target=ACCESS_CONTROL_BROKER)
    return requests.service_request(given.user, srv, *body, target=_one(given)[0])


_BELONGS_TO = {
    "image": ("--image", ("11.1", "11.4")),
    "image_version": ("--image-version", ("11.1", "11.4")),
    "image_hash": ("--hash", ("11.3",)),
    "mpxn": ("--mpxn", ("8.2",)),
}
"""Options that only some requests have a place for."""

_WITHOUT_FIELDS = ("11.1", "11.3", "11.4")
_WITHOUT_DATE = ("11.1", "11.4", "8.2")


def _refuse_strangers(srv: str, given: Given) -> None:
    for name, (option, variants) in _BELONGS_TO.items():
        if getattr(given, name) and srv not in variants:
            raise Malformed(f"{srv} has no place for it", where=option, expected=f"it with {' or '.join(variants)} only")
    for option, value, variants in (("--field", given.fields, _WITHOUT_FIELDS), ("--at", given.at, _WITHOUT_DATE)):
        if value and srv in variants:
            raise Malformed(f"the short form of {srv} has no place for it", where=option, expected="a file of request XML")


def fields_to_elements(fields: Sequence[str]) -> list[Element]:
    """Body elements in the order in which they are given; those with the same parent in a row share it."""
    found: list[Element] = []
    for text in fields:
        path, equals, value = text.partition("=")
        if not equals or not all(part.isidentifier() for part in path.split("/")):
            raise Malformed(f"{text!r} is not a field", where="--field", expected="NAME=VALUE or PARENT/NAME=VALUE")
        _put(found, path.split("/"), value)
    return found


def _put(siblings: list[Element], path: Sequence[str], value: str) -> None:
    name, *rest = path
    if not rest:
        siblings.append(element(name, value))
        return
    children: list[Element] = []
    if siblings and siblings[-1].name == name:
        children = list(siblings.pop().children)
    _put(children, rest, value)
    siblings.append(element(name, *children))


def _distribution(srv: str, given: Given) -> Request:
    if given.image is None or not given.devices:
        raise Malformed(f"{srv} needs an image and devices", expected="--image FILE and --device EUI")
    data = given.image.read_bytes()
    version = given.image_version or parse_image(data).firmware_version
    make = requests.update_firmware if srv == "11.1" else requests.update_ppmid_firmware
    return make(given.user, data, version, given.devices)


def _activation(given: Given) -> Request:
    device, _ = _one(given)
    digest = _hash(given.image_hash)
    if given.at == "cancel":
        return requests.cancel_activation(given.user, device, digest)
    return requests.activate_firmware(given.user, device, digest, instant_ms(given.at) if given.at else None)


def _hash(text: str) -> bytes:
    if not text:
        raise Malformed("11.3 needs the hash of the image", expected="--hash HEX or --hash FILE")
    path = Path(text)
    if len(text) != 64 and path.is_file():
        return parse_image(path.read_bytes()).manufacturer_image_hash
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise Malformed(f"{text[:70]!r}", where="--hash", expected="64 hexadecimal digits or an OTA file")
    return digest


def _one(given: Given) -> tuple[Eui64, str]:
    if len(given.devices) != 1:
        raise Malformed(f"{len(given.devices)} devices are given", where="--device", expected="exactly one")
    return given.devices[0], format_eui(given.devices[0])


def _date(text: str) -> str:
    return requests.CANCEL if text == "cancel" else format_datetime(instant_ms(text))
