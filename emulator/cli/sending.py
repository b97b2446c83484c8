"""``dcc-emulator send``: one request, signed and sent, and if wanted its result."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import typer

from emulator.cli.following import DISTRIBUTIONS, devices_in_question, follow, problem_of
from emulator.cli.output import ExitCode, print_fields, print_json
from emulator.cli.remote import Addresses, Call, remote, tls, wrong_calls
from emulator.cli.shortform import Given, build_request
from emulator.client.control import ControlClient
from emulator.client.documents import MessageReader
from emulator.client.errors import NothingCame
from emulator.client.inspection import describe_message, inspect
from emulator.client.keys import fetch_key_store, load_key_store
from emulator.client.receiver import Received, Receiver
from emulator.client.session import DuisClient, SignedCommand
from emulator.client.smki import SmkiClient
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, RequestId, parse_eui
from emulator.domain.tables import SIGNED_PRE_COMMAND_VARIANTS
from emulator.duis.decode import decode_request
from emulator.duis.messages import Request, ServiceResponse
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet
from emulator.pki.keystore import KeyStore

DEFAULT_USER = "90-B3-D5-1F-30-01-00-00"
"""The first supplier of the DCC's test parties (source: wire_contract.md section 4.1, certain)."""

What = Annotated[str, typer.Argument(help="A file of request XML, or a Service Reference Variant such as 11.2.")]
User = Annotated[str, typer.Option("--user", help="EUI of the user that sends (short form).")]
Device = Annotated[list[str] | None, typer.Option("--device", "-d", help="EUI of a device; may be repeated for 11.1 and 11.4.")]
Field = Annotated[
    list[str] | None,
    typer.Option("--field", "-f", help="Body element NAME=VALUE or PARENT/NAME=VALUE, in order."),
]
Image = Annotated[Path | None, typer.Option("--image", help="OTA file (11.1, 11.4).", exists=True, dir_okay=False)]
ImageVersion = Annotated[str, typer.Option("--image-version", help="FirmwareVersion; by default that of the OTA header.")]
Hash = Annotated[str, typer.Option("--hash", help="FirmwareHash (11.3), or an OTA file to take it from.")]
At = Annotated[str, typer.Option("--at", help="ExecutionDateTime; `cancel` takes a pending one back.")]
Mpxn = Annotated[str, typer.Option("--mpxn", help="Search by MPxN (8.2).")]
Variant = Annotated[
    int | None,
    typer.Option("--variant", min=1, max=8, help="Command Variant (short form); 2, 3, 6 and 7 are for local delivery."),
]
Operator = Annotated[str, typer.Option("--operator", help="The human who acts under the User ID, for the audit trail.")]
Keys = Annotated[
    Path | None, typer.Option("--keys", help="Key store; without one the server's own test keys are fetched.", exists=True)
]
Duis = Annotated[str, typer.Option("--duis", help="URL of the DUIS service; by default beside the control service.")]
Smki = Annotated[str, typer.Option("--smki", help="URL of the SMKI service; by default beside the control service.")]
Wait = Annotated[float, typer.Option("--wait", min=0, help="Wait so many seconds for the result, taking pushes meanwhile.")]
KeepCounter = Annotated[bool, typer.Option("--keep-counter", help="Keep the counter of the file's RequestID.")]
TransformOnly = Annotated[bool, typer.Option("--transform-only", help="Stop at the Pre-Command of a critical request.")]


@dataclass(slots=True)
class Outcome:
    """What came of a request."""

    answers: list[dict[str, Any]] = field(default_factory=list)
    """The acknowledgement or answer; for critical requests that of Transform too."""
    result: dict[str, Any] | None = None
    problem: str = ""

    @property
    def in_order(self) -> bool:
        """Whether nothing was refused and what was waited for came."""
        codes = [answer["code"] for answer in self.answers]
        if self.result is not None:
            codes.append(self.result.get("code", "I0"))
        return not self.problem and not any(code.startswith("E") for code in codes) and self._result_in_order()

    def _result_in_order(self) -> bool:
        """Whether the device did what it was asked to, and its answer is what it seems."""
        if self.result is None:
            return True
        said = self.result.get("gbcs", {}).get("result", {}).get("ok", True)
        return bool(said) and "invalid" not in self.result.get("checks", {}).values()


@remote
def send(
    call: Call,
    what: What,
    user: User = DEFAULT_USER,
    device: Device = None,
    field_value: Field = None,
    image: Image = None,
    image_version: ImageVersion = "",
    image_hash: Hash = "",
    at: At = "",
    mpxn: Mpxn = "",
    variant: Variant = None,
    operator: Operator = "",
    keys: Keys = None,
    wait: Wait = 0,
    keep_counter: KeepCounter = False,
    transform_only: TransformOnly = False,
    duis: Duis = "",
    smki: Smki = "",
) -> None:
    """Sign a request and send it. Critical ones are transformed, checked, signed and sent on.

    Ends with 1 when it is refused, or when the result that was waited for does not come or is a failure. The result of a
    distribution (11.1, 11.4) is what becomes of it at each device.
    """
    given = Given(
        user=parse_eui(user),
        devices=tuple(parse_eui(text) for text in device or ()),
        fields=tuple(field_value or ()),
        image=image,
        image_version=image_version,
        image_hash=image_hash,
        at=at,
        mpxn=mpxn,
        variant=variant,
    )
    content = Path(what).read_bytes() if _is_file(what) else None
    if content is not None and replace(given, user=parse_eui(DEFAULT_USER)) != Given(parse_eui(DEFAULT_USER)):
        raise Malformed("a file says itself what is asked for", where=what, expected="no options of the short form beside it")
    request = build_request(what, given) if content is None else _readable(content, keep_counter)
    if request is not None:
        given = replace(given, user=request.request_id.originator)
    addresses = Addresses.find(call.server, call.world, duis, smki)
    options = _Options(keys, wait, keep_counter, transform_only, call.world, call.token, operator)
    outcome = asyncio.run(_send(content, request, given, addresses, options))
    report = {"answers": outcome.answers, "result": outcome.result, "problem": outcome.problem or None}
    if call.as_json:
        print_json({"in_order": outcome.in_order, **report})
    else:
        for answer in outcome.answers:
            print_fields("answer", answer)
        if outcome.result is not None:
            print_fields("result", outcome.result)
        if outcome.problem:
            print_fields("", {"problem": outcome.problem})
    if not outcome.in_order:
        raise typer.Exit(ExitCode.VERDICT)


@dataclass(frozen=True, slots=True)
class _Options:
    keys: Path | None
    wait_s: float
    keep_counter: bool
    transform_only: bool
    world: str
    token: str
    operator: str


@dataclass(frozen=True, slots=True)
class _Listening:
    """What answers while a result is waited for."""

    control: ControlClient
    receiver: Receiver


async def _send(content: bytes | None, request: Request | None, given: Given, addresses: Addresses, options: _Options) -> Outcome:
    """Critical requests go all the way; a file is otherwise sent as it is, so that wrong ones can be tried."""
    with wrong_calls():
        store = load_key_store(options.keys) if options.keys else await fetch_key_store(addresses.smki, tls())
    reader = MessageReader(store)
    outcome = Outcome()
    async with (
        DuisClient(addresses.duis, given.user, store, reader=reader, operator=options.operator, tls=tls()) as client,
        _listening(given, addresses, options, reader) as listening,
    ):
        if request is not None and request.command_variant == 4 and not options.transform_only:
            signed_variant = given.variant if given.variant in SIGNED_PRE_COMMAND_VARIANTS else 5
            answer = await _send_critical(client, request, signed_variant, outcome)
        elif content is not None:
            answer = await client.send_template(content, preserve_counter=options.keep_counter)
            outcome.answers.append(describe_message(answer))
        else:
            assert request is not None
            answer = await client.send(request)
            outcome.answers.append(describe_message(answer))
        if listening is not None and outcome.in_order and request is not None:
            await _await_result(request, answer, listening, store, addresses, options, outcome)
    return outcome


def _readable(document: bytes, keep_counter: bool) -> Request | None:
    """The request in a file; None where it is too wrong to be read, which is for the server to say."""
    try:
        request = decode_request(parse_document(document))
    except Malformed:
        return None
    return request if keep_counter else replace(request, request_id=replace(request.request_id, counter=0, text=""))


async def _send_critical(client: DuisClient, request: Request, signed_variant: int, outcome: Outcome) -> ServiceResponse:
    done = await client.transform_and_send(request, signed_variant)
    if not isinstance(done, SignedCommand):
        outcome.answers.append({"step": "transform", **describe_message(done)})
        return done
    outcome.answers.append({"step": "signed pre-command", **describe_message(done.acknowledgement)})
    return done.acknowledgement


@asynccontextmanager
async def _listening(
    given: Given, addresses: Addresses, options: _Options, reader: MessageReader
) -> AsyncIterator[_Listening | None]:
    """An endpoint that takes the user's pushes while we wait; afterwards they go where they went before."""
    if not options.wait_s:
        yield None
        return
    async with (
        ControlClient(addresses.control, options.world, token=options.token, tls=tls()) as control,
        Receiver(reader) as receiver,
    ):
        with wrong_calls():
            before = await control.endpoint(given.user)
            await control.set_endpoint(given.user, receiver.url, 0)
        try:
            yield _Listening(control, receiver)
        finally:
            await control.set_endpoint(given.user, before["url"], before["floor_ms"])


async def _await_result(
    request: Request,
    answer: ServiceResponse,
    listening: _Listening,
    store: KeyStore,
    addresses: Addresses,
    options: _Options,
    outcome: Outcome,
) -> None:
    """A device's answer, or what becomes of a distribution; no other request to the DCC itself has anything to wait for."""
    if request.service_reference_variant in DISTRIBUTIONS:
        devices = devices_in_question(request, answer)
        outcome.result = await follow(
            request.request_id.originator, devices, listening.control, listening.receiver, options.wait_s
        )
        outcome.problem = problem_of(outcome.result, options.wait_s)
        return
    if answer.code != "I99" or answer.request_id is None or request.request_id.target == ACCESS_CONTROL_BROKER:
        return
    request_id = RequestId.parse(answer.request_id)
    try:
        push = await listening.receiver.answer_to(request_id, options.wait_s)
    except NothingCame as error:
        outcome.problem = str(error)
        return
    outcome.result = await _explain(push, request_id, store, addresses)


async def _explain(push: Received, request_id: RequestId, store: KeyStore, addresses: Addresses) -> dict[str, Any]:
    """The result with its GBCS message decoded and checked by the device's certificates."""
    if request_id.target != ACCESS_CONTROL_BROKER:
        async with SmkiClient(addresses.smki, store, tls=tls()) as smki:
            await smki.fetch(request_id.target)
    found = inspect(push.document, store, SchemaSet())
    report = {name: value for name, value in found.report.items() if name not in ("kind", "octets", "gbcs")}
    gbcs = found.report.get("gbcs")
    if gbcs is not None:
        report["gbcs"] = {name: gbcs[name] for name in ("summary", "title", "result")}
    report["checks"] = {check["what"]: check["verdict"] for check in found.checks}
    return report


def _is_file(what: str) -> bool:
    path = Path(what)
    if path.is_file():
        return True
    if path.suffix.lower() == ".xml" or "/" in what:
        raise Malformed("there is no such file", where=what)
    return False
