"""Builds the messages of a case from its request, its facts and the keys at hand: the Pre-Command and the Command."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from emulator.conformance.cases import Case, read_request
from emulator.conformance.keys import FolderKeys
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, parse_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.dsp.commands import body_parameters
from emulator.gbcs import times
from emulator.gbcs.commands import build_command, finish_command
from emulator.gbcs.protect import sign
from emulator.gbcs.usecases import Originator, UseCase, use_case_for


def produce(case: Case, keys: FolderKeys) -> dict[str, bytes]:
    """Kind → octets of what the DCC makes of the request; :class:`Malformed` says why it makes nothing."""
    request = read_request(Path(case.request))
    parameters: dict[str, object] = {**body_parameters(request.body), "esme_variant": case.esme_variant, **case.home}
    if "other_device_certificate" in case.home:
        parameters["other_device_certificate"] = bytes.fromhex(case.home["other_device_certificate"])
    use_case = _choose(case, request.service_reference_variant, parameters, keys.role(parse_eui(case.user)))
    now_ms = times.read_duis(case.current_utc)
    message = build_command(
        use_case, user=parse_eui(case.user), user_counter=case.user_counter, device=parse_eui(case.device),
        acb_counter=case.acb_counter, parameters=parameters, now_ms=now_ms,
    )  # fmt: skip
    made = {}
    if use_case.needs_pre_command:
        made["PRECOMMAND"] = replace(message, signature=None).encode()
    broker = keys.private_key(ACCESS_CONTROL_BROKER, "KA")
    device = keys.public_key(message.recipient, "KA")
    signer = keys.private_key(message.originator, "DS")
    if broker is None or device is None or (use_case.critical and signer is None):
        raise Malformed(f"there are not the keys for the Command of {case.case}", expected="ACB, device and signer")
    signed = sign(message, signer) if use_case.critical and signer is not None else message
    made["COMMAND"] = finish_command(signed, broker, device)
    return made


def _choose(case: Case, variant: str, parameters: Mapping[str, object], role: RemotePartyRole | None) -> UseCase:
    """The row for the user's role, by its certificate; the noted originator says whether the ACB stands in for the user."""
    row = use_case_for(variant, DeviceType(case.device_type), parameters, gbcs_version=case.gbcs_version, user_role=role)
    if row is None:
        raise Malformed(f"the table has no message for {variant} to this {case.device_type}", where=case.case)
    originator = parse_eui(case.originator)
    if originator == ACCESS_CONTROL_BROKER and row.originator is Originator.USER:
        return replace(row, originator=Originator.ACB)
    if originator == parse_eui(case.user) and row.originator is Originator.ACB:
        return replace(row, originator=Originator.USER)
    return row


def produce_all(cases: list[Case], keys: FolderKeys, folder: Path) -> dict[str, str]:
    """Write ``CASE_KIND.hex`` files; the answer is case → reason for those that could not be made."""
    failed = {}
    folder.mkdir(parents=True, exist_ok=True)
    for case in cases:
        try:
            made = produce(case, keys)
        except Malformed as error:
            failed[case.case] = str(error)
            continue
        for kind, octets in made.items():
            folder.joinpath(f"{case.case}_{kind}.hex").write_text(octets.hex() + "\n")
    return failed
