"""What a campaign is for at a world: the devices of its groups, and the images that it distributes."""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from emulator.campaigns.plan import Group, Version
from emulator.campaigns.reading import Plan
from emulator.campaigns.site import Fitted, Site
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64, format_eui, parse_eui
from emulator.domain.vocabulary import DeviceType
from emulator.estate.declaration import generated_manufacturer_image
from emulator.ota.image import OtaImage, parse_image
from emulator.pki.certificates import Usage
from emulator.scenarios.estates import path_below
from emulator.scenarios.names import suggest


def groups_of(plan: Plan, fitted: Iterable[Fitted]) -> list[list[Fitted]]:
    """The devices of each group, each device in the first group that it fits."""
    document, file = plan.document, plan.path.name
    product = (document.image.manufacturer, document.image.model)
    left = {each.eui: each for each in fitted if (each.manufacturer, each.model) == product}
    found = []
    for number, group in enumerate(document.groups or [Group(name="all")], 1):
        chosen = [each for each in left.values() if _fits(group, each)]
        if group.devices:
            chosen = _exactly(group, chosen, f"{file}: groups.{number}.devices")
        chosen = chosen[: group.limit]
        if not chosen:
            remedy = f"a group of {document.image.type}s of {product[0]} {product[1]} that the world has"
            raise Malformed("no device is in it", where=f"{file}: groups.{number}", expected=remedy)
        for each in chosen:
            del left[each.eui]
        found.append(chosen)
    return found


def _fits(group: Group, fitted: Fitted) -> bool:
    return (
        fitted.region in (group.regions or (fitted.region,))
        and fitted.technology in (group.technologies or (fitted.technology,))
        and fitted.firmware_version in (group.versions or (fitted.firmware_version,))
        and fitted.payment in (group.payment or fitted.payment,)
        and (not group.homes or any(fnmatchcase(fitted.home, pattern) for pattern in group.homes))
    )


def _exactly(group: Group, fitting: Sequence[Fitted], where: str) -> list[Fitted]:
    known = {each.eui: each for each in fitting}
    found = []
    for text in group.devices:
        eui = parse_eui(text)
        if eui not in known:
            raise Malformed(
                f"{text} is not among the devices that the image is for", where=where, expected="a device of the group"
            )
        found.append(known[eui])
    return found


async def image_of(plan: Plan, site: Site, version: Version) -> OtaImage:
    """The image of the plan or of its rollback, from its file or built as the firmware list has it."""
    document, file = plan.document, plan.path.name
    image, of_plan = document.image, version == document.image.version
    if image.file and of_plan:
        where = f"{file}: image.file"
        return _from_file(path_below(plan.path.parent, image.file, where), version, where)
    size = image.size if of_plan else document.rollback.size
    where = f"{file}: image.version" if of_plan else f"{file}: rollback.version"
    product = {"device_type": image.type, "manufacturer": image.manufacturer, "model": image.model}
    listed = [row for row in await site.control.firmware_list() if product.items() <= row.items()]
    row: Mapping[str, Any] = next((row for row in listed if row["firmware_version"] == version), {})
    size_bytes = size or row.get("image_bytes", 0)
    if not size_bytes:
        detail = f"version {version} of {image.manufacturer} {image.model} has no image on the firmware list"
        raise Malformed(detail, where=where, expected=suggest(version, [each["firmware_version"] for each in listed]))
    content = generated_manufacturer_image(image.manufacturer, image.model, version, size_bytes)
    low, high = (None, None) if image.hardware is None else (int(text, 16) for text in image.hardware.split("-"))
    built = OtaImage(
        manufacturer_code=int(image.manufacturer, 16),
        image_type=0,
        file_version=int(version, 16),
        manufacturer_image=content,
        header_string=f"{image.type} {version}".encode().ljust(32, b"\0"),
        min_hardware_version=low,
        max_hardware_version=high,
    )
    if image.type is DeviceType.PPMID:
        return built
    signer = await _signer(plan, site)
    record = site.keys.live(signer, Usage.DIGITAL_SIGNATURE)
    if record is None or record.private_key is None:
        raise Malformed(f"{format_eui(signer)} has no digital-signature key", where=f"{file}: image", expected="another signer")
    return built.sign(record.private_key)


async def _signer(plan: Plan, site: Site) -> Eui64:
    name = plan.document.image.signed_by
    if not name:
        return site.user
    users = {row["name"]: parse_eui(row["user"]) for row in await site.control.users()}
    if name not in users:
        where = f"{plan.path.name}: image.signed_by"
        raise Malformed(f"{name!r} is not a user of the world", where=where, expected=suggest(name, users))
    return users[name]


def _from_file(path: Path, version: str, where: str) -> OtaImage:
    try:
        found = parse_image(path.read_bytes())
    except OSError as error:
        raise Malformed(f"{path.name} cannot be read: {error.strerror}", where=where, expected="an OTA file") from None
    if found.firmware_version != version:
        raise Malformed(f"{path.name} is of version {found.firmware_version}", where=where, expected=version)
    return found
