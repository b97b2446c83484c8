"""``dcc-emulator image``: build, sign and show OTA images."""

from pathlib import Path
from typing import Annotated

import typer

from emulator.cli.output import ExitCode, JsonFlag, print_fields, print_json, verb
from emulator.client.keys import load_key_store
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import format_eui, parse_eui
from emulator.ota.image import OtaImage, build, parse_image
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore

application = typer.Typer(no_args_is_help=True, help="Build, sign and show OTA firmware images.")

Output = Annotated[Path, typer.Option("--output", "-o", help="Where to write the OTA file.")]
Keys = Annotated[Path, typer.Option("--keys", help="Key store: keystore.json, org-crypto.zip or a folder of PEM.")]
Supplier = Annotated[str, typer.Option("--supplier", help="EUI of the supplier whose key signs.")]
Source = Annotated[Path, typer.Argument(help="File to read.", exists=True, dir_okay=False)]


@application.command("build")
@verb
def build_image(
    manufacturer_image: Source,
    output: Output,
    manufacturer: Annotated[str, typer.Option(help="Manufacturer code, four hexadecimal digits.")],
    version: Annotated[str, typer.Option(help="File version, eight hexadecimal digits.")],
    image_type: Annotated[str, typer.Option(help="Image type, four hexadecimal digits.")] = "0000",
    header: Annotated[str, typer.Option(help="Header text, at most 32 octets.")] = "",
    hardware: Annotated[str, typer.Option(help="Hardware versions LOW-HIGH, four hexadecimal digits each.")] = "",
    json_output: JsonFlag = False,
) -> None:
    """Put an OTA header before a Manufacturer Image; without signature, as PPMIDs take it."""
    data = build(
        manufacturer_image.read_bytes(),
        manufacturer_code=_hexadecimal(manufacturer, 4, "--manufacturer"),
        image_type=_hexadecimal(image_type, 4, "--image-type"),
        file_version=_hexadecimal(version, 8, "--version"),
        header_string=header,
        hardware_versions=_hardware(hardware),
    )
    output.write_bytes(data)
    _report(parse_image(data, trailer=False), {}, output, json_output)


@application.command("sign")
@verb
def sign_image(
    image: Source,
    output: Output,
    keys: Keys,
    supplier: Supplier,
    force_replace: Annotated[bool, typer.Option("--force-replace", help="Ask the hub to give way to this image.")] = False,
    json_output: JsonFlag = False,
) -> None:
    """Append the GB trailer with the supplier's signature, as meters and HCALCSs demand it."""
    eui = parse_eui(supplier)
    store = load_key_store(keys)
    record = store.live(eui, Usage.DIGITAL_SIGNATURE)
    if record is None or record.private_key is None:
        raise Malformed(f"no digital-signature key of {format_eui(eui)} in it", where=str(keys))
    data = image.read_bytes()
    if signers := _signers(parse_image(data), store):
        raise Malformed(f"it bears the signature of {signers[0]} already", where=str(image), expected="an image without")
    signed = parse_image(data, trailer=False).sign(record.private_key, force_replace=int(force_replace))
    output.write_bytes(signed.encode())
    _report(signed, {"signed_by": [format_eui(eui)]}, output, json_output)


@application.command("show")
@verb
def show_image(
    image: Source,
    trailer: Annotated[bool | None, typer.Option("--trailer/--no-trailer", help="Whether a GB trailer ends it.")] = None,
    keys: Annotated[Path | None, typer.Option("--keys", help="Key store to check the supplier's signature with.")] = None,
    json_output: JsonFlag = False,
) -> None:
    """Explain an OTA file: header, hash, trailer and signature. Ends with 1 when it is malformed or the signature is wrong."""
    data = image.read_bytes()
    try:
        parsed = parse_image(data, trailer=trailer)
    except Malformed as error:
        if json_output:
            print_json({"file": str(image), "valid": False, "detail": str(error)})
        else:
            print_fields(str(image), {"valid": False, "detail": str(error)})
        raise typer.Exit(ExitCode.VERDICT) from None
    signers = [] if keys is None else _signers(parsed, load_key_store(keys))
    found: dict[str, object] = {} if keys is None else {"signed_by": signers or "nobody in the key store"}
    _report(parsed, found, image, json_output)
    if keys is not None and parsed.signature is not None and not signers:
        raise typer.Exit(ExitCode.VERDICT)


def _report(image: OtaImage, more: dict[str, object], path: Path, json_output: bool) -> None:
    low, high = image.min_hardware_version, image.max_hardware_version
    fields: dict[str, object] = {
        "file": str(path),
        "valid": True,
        "size_bytes": image.size_bytes,
        "manufacturer_code": f"{image.manufacturer_code:04X}",
        "image_type": f"{image.image_type:04X}",
        "firmware_version": image.firmware_version,
        "zigbee_stack": image.zigbee_stack,
        "header_string": image.header_string.rstrip(b"\0 ").decode("ascii", "backslashreplace"),
        "hardware_versions": None if low is None or high is None else f"{low:04X}-{high:04X}",
        "manufacturer_image_bytes": len(image.manufacturer_image),
        "hash": image.manufacturer_image_hash.hex(),
        "force_replace": image.force_replace,
        "signature": None if image.signature is None else image.signature.hex(),
        **more,
    }
    if json_output:
        print_json(fields)
    else:
        print_fields("OTA image", fields)


def _signers(image: OtaImage, store: KeyStore) -> list[str]:
    records = store.records(usage=Usage.DIGITAL_SIGNATURE)
    return sorted({format_eui(record.eui) for record in records if image.verify_supplier_signature(record.public_key)})


def _hexadecimal(text: str, digits: int, where: str) -> int:
    try:
        if len(text) == digits:
            return int(text, 16)
    except ValueError:
        pass
    raise Malformed(f"{text!r}", where=where, expected=f"{digits} hexadecimal digits")


def _hardware(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    low, _, high = text.partition("-")
    return _hexadecimal(low, 4, "--hardware"), _hexadecimal(high, 4, "--hardware")
