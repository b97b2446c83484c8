"""Builds the messages of a case from its request, its facts and the keys at hand.

Pre-Command and Command are made as the DSP makes them; the Command goes to a virtual device, which answers.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from emulator.conformance.cases import Case, read_request
from emulator.conformance.homes import Surroundings, VirtualHome, surroundings_of
from emulator.conformance.keys import FolderKeys, HomeKeys
from emulator.domain.errors import EmulatorError, Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, parse_eui
from emulator.domain.vocabulary import DeviceType, RemotePartyRole
from emulator.dsp.commands import body_parameters
from emulator.gbcs import times
from emulator.gbcs.commands import build_command, finish_command
from emulator.gbcs.functions import octets_of
from emulator.gbcs.message import GbcsMessage, decode_message
from emulator.gbcs.protect import sign
from emulator.gbcs.usecases import Originator, UseCase, by_code, use_case_for


def unsigned(case: Case, variant: str, body: Mapping[str, object], role: RemotePartyRole | None) -> tuple[UseCase, GbcsMessage]:
    """The Command of a body before it is signed, and its row; :class:`Malformed` says why there is none."""
    parameters: dict[str, object] = {**body, "esme_variant": case.esme_variant, **case.home}
    if "other_device_certificate" in case.home:
        parameters["other_device_certificate"] = octets_of(case.home["other_device_certificate"])
    use_case = _choose(case, variant, parameters, role)
    return use_case, build_command(
        use_case, user=parse_eui(case.user), user_counter=case.user_counter, device=parse_eui(case.device),
        acb_counter=case.acb_counter, parameters=parameters, now_ms=times.read_duis(case.current_utc),
    )  # fmt: skip


def produce(case: Case, keys: FolderKeys) -> dict[str, bytes]:
    """Kind → octets of what the DCC makes of the request; :class:`Malformed` says why it makes nothing."""
    request = read_request(Path(case.request))
    role = keys.role(parse_eui(case.user))
    use_case, message = unsigned(case, request.service_reference_variant, body_parameters(request.body), role)
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


def answer(case: Case, command: bytes, keys: FolderKeys, around: Surroundings) -> dict[str, bytes]:
    """File name without suffix → octets of what a virtual device answers and reports; :class:`Malformed` says why it does not."""
    use_case = by_code(decode_message(command).message_code, DeviceType(case.device_type))
    if use_case is None or not use_case.carried_out:
        raise Malformed("emulated devices do not act on this Command yet: `carried_out` is false in the use-case table")
    answers = VirtualHome(case, keys, around).take(command)
    made: dict[str, bytes] = {}
    for octets in answers.messages:
        kind = decode_message(octets).cra.name
        number = sum(1 for other in made if other.startswith(f"{case.case}_{kind}")) + 1
        made[f"{case.case}_{kind}" if number == 1 else f"{case.case}_{kind}_{number}"] = octets
    if f"{case.case}_RESPONSE" not in made:
        raise NoAnswer("; ".join(answers.notes[-2:]) or "the device says nothing", made)
    return made


REASONS = "reasons.json"
"""The file beside the messages that says why some are not there."""


ANY = (EmulatorError, ArithmeticError, AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What may go wrong in one case without hiding the others: also a bug of ours in a use case never seen before."""


class NoAnswer(Malformed):
    """A device gave no Response; ``made`` is what it sent all the same."""

    def __init__(self, reason: str, made: dict[str, bytes]) -> None:
        super().__init__(reason)
        self.made = made


@dataclass(slots=True)
class Failed:
    """Case → why something of it could not be made."""

    not_produced: dict[str, str] = field(default_factory=dict)
    not_answered: dict[str, str] = field(default_factory=dict)

    @property
    def reasons(self) -> dict[str, str]:
        """All of them."""
        return self.not_produced | self.not_answered


def produce_all(cases: list[Case], keys: FolderKeys, folder: Path, among: list[Case] | None = None) -> Failed:
    """Make all of some cases; ``among`` are the cases of the set that they belong to, whose devices are their neighbours.

    Write ``CASE_KIND.hex`` files (further alerts of a case have numbers), and in ``keystore`` what stands for the certificates of
    devices that sign with keys of ours.
    """
    failed = Failed()
    folder.mkdir(parents=True, exist_ok=True)
    around = surroundings_of(among or cases, keys)

    def write(name: str, octets: bytes) -> None:
        folder.joinpath(f"{name}.hex").write_text(octets.hex() + "\n")

    for case in cases:
        try:
            made = produce(case, keys)
        except ANY as error:
            failed.not_produced[case.case] = _told(error)
            continue
        for kind, octets in made.items():
            write(f"{case.case}_{kind}", octets)
        HomeKeys(keys).write_signing_key(parse_eui(case.device), folder / "keystore")
        try:
            answered = answer(case, made["COMMAND"], keys, around)
        except ANY as error:
            failed.not_answered[case.case] = _told(error)
            answered = error.made if isinstance(error, NoAnswer) else {}
        for name, octets in answered.items():
            write(name, octets)
    folder.joinpath(REASONS).write_text(json.dumps(asdict(failed), indent=1) + "\n")
    return failed


def _told(error: Exception) -> str:
    """Why something is missing; a bug of ours is told as one."""
    return str(error) if isinstance(error, Malformed) else f"the emulator fails: {error!r}"


def reasons_in(folder: Path) -> Failed:
    """What :func:`produce_all` could not make, as it noted beside the messages; nothing where there is no note."""
    path = folder / REASONS
    try:
        return Failed(**json.loads(path.read_text())) if path.exists() else Failed()
    except (ValueError, TypeError):
        raise Malformed("the file is not what `conformance produce` writes", where=str(path)) from None
