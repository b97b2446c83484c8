"""Turns of the pump into steps of the log: answers and messages are made into octets once, here, and stored as made."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, NamedTuple

import structlog

from emulator.domain.errors import Broken
from emulator.domain.identifiers import Eui64, eui_hex, format_eui
from emulator.domain.vocabulary import WebService
from emulator.dsp.effects import AuditEffect, ControlAnswer, Delivery, SharedData
from emulator.dsp.inputs import ControlInput, DuisInput
from emulator.duis.messages import DccAlert, DeviceAlert, Message, Request, Signer
from emulator.service.edge import Edge, Writing, fault_digest
from emulator.service.persistence.contract import (
    AuditRow,
    Body,
    DeliveryRow,
    InputKind,
    InputRow,
    JournalRow,
    LastNumbers,
    Log,
    Step,
)
from emulator.service.pump import Turn

_log = structlog.get_logger("recorder")

MAX_VERDICT_CHARACTERS = 16_384
"""Longest parameters of a command that stay in its row."""
BRIEF_CHARACTERS, BRIEF_ITEMS = 1_000, 20
"""What the journal shows of one parameter of a command."""


class Written(NamedTuple):
    """An answer."""

    writing: Writing | None
    """None where the engine failed or the answer could not be written."""
    fault: str
    """The kind of that error of ours."""


class Recorder:
    """Numbers and writes down what a world does."""

    def __init__(
        self, log: Log, edge: Edge, numbers: LastNumbers, *, wall_ms: Callable[[], int], expect: Callable[[int], None]
    ) -> None:
        """``numbers`` is how far the log has come; ``expect`` hears of messages that will be durable soon."""
        self.last_seq = numbers.input
        self._log = log
        self._edge = edge
        self._wall_ms = wall_ms
        self._expect = expect

    def write(self, turn: Turn) -> Written:
        """The answer that a turn made."""
        if turn.response is None:
            return Written(None, turn.fault)
        try:
            return Written(self._edge.write_answer(turn.response), "")
        except Exception as error:
            _log.exception("an answer could not be written", exc_info=error)
            return Written(None, type(error).__name__)

    def duis(self, turn: Turn, item: DuisInput, body: Body, written: Written) -> asyncio.Future[None]:
        """Log a request with its answer; the answer may leave when the future has ended."""
        request, (writing, fault) = item.request, written
        request_id = str(request.request_id)
        code = fault or (turn.response.code if turn.response is not None else "")
        row = self._input(
            turn,
            InputKind.DUIS,
            duis_verdict(item),
            fault_digest(fault) if writing is None else writing.digest,
            body,
            b"" if writing is None else writing.xml,
        )
        entry = JournalRow(
            at_ms=turn.at_ms,
            wall_ms=row.wall_ms,
            kind="duis.request",
            request_id=request_id,
            device=request.request_id.target,
            summary=(
                f"{request.service_reference_variant} from {format_eui(request.request_id.originator)} "
                f"to service{item.web_service.value}: {code}"
            ),
            data=_request_data(item, code),
            seq=row.seq,
        )
        return self._append(turn, row, (entry,), acknowledges=request_id)

    def control(self, turn: Turn, item: ControlInput) -> asyncio.Future[None]:
        """Log a control command with its result."""
        error = turn.fault or (turn.control.error if turn.control is not None else None)
        verdict, body = command_verdict(item.verb, item.params)
        row = self._input(turn, InputKind.CONTROL, verdict, control_digest(turn), body)
        entry = self._entry(row, f"control.{item.verb}", f"{item.verb}: {error or 'done'}", item.params)
        return self._append(turn, row, (entry,))

    def service(self, at_ms: int, verb: str, params: dict[str, Any]) -> asyncio.Future[None]:
        """Log a command for the service's own state."""
        turn = Turn(at_ms, [])
        verdict, body = command_verdict(verb, params)
        row = self._input(turn, InputKind.SERVICE, verdict, b"", body)
        return self._append(turn, row, (self._entry(row, f"control.{verb}", verb, params),))

    def mark(self, turn: Turn) -> asyncio.Future[None]:
        """Log that time passed and had effects."""
        row = self._input(turn, InputKind.MARK, "{}", b"")
        return self._append(turn, row, ())

    def instant(self, at_ms: int) -> asyncio.Future[None]:
        """Log that time passed."""
        return self._log.append(Step(instant_ms=at_ms))

    def refused(self, at_ms: int, service: WebService, status: int, reason: str, size_bytes: int) -> None:
        """Note a request that went no further than the edge. It changed nothing, so it is in the journal alone."""
        entry = JournalRow(
            at_ms=at_ms,
            wall_ms=self._wall_ms(),
            kind="duis.refused",
            request_id=None,
            device=None,
            summary=f"service{service.value}: HTTP {status}: {reason}"[:1000],
            data={"service": service.value, "status": status, "reason": reason[:4000], "size_bytes": size_bytes},
        )
        self._log.append(Step(journal=(entry,)))

    def transport_fault(self, at_ms: int, request_id: str | None, summary: str, data: Mapping[str, Any]) -> None:
        """Note that a fault hit between a user and the DCC. It changed nothing in the world, so it is in the journal alone."""
        entry = JournalRow(at_ms, self._wall_ms(), "fault", request_id, None, summary, dict(data))
        self._log.append(Step(journal=(entry,)))

    def _input(self, turn: Turn, kind: InputKind, verdict: str, digest: bytes, body: Body = b"", answer: bytes = b"") -> InputRow:
        self.last_seq += 1
        return InputRow(self.last_seq, kind, turn.at_ms, self._wall_ms(), verdict, digest, body, answer)

    def _entry(self, row: InputRow, kind: str, summary: str, data: dict[str, Any]) -> JournalRow:
        return JournalRow(row.at_ms, row.wall_ms, kind, None, None, summary[:1000], brief(data), seq=row.seq)

    def _append(
        self, turn: Turn, row: InputRow, entries: tuple[JournalRow, ...], *, acknowledges: str | None = None
    ) -> asyncio.Future[None]:
        deliveries: list[DeliveryRow] = []
        journal: list[JournalRow] = []
        audit: list[AuditRow] = []
        for effect in turn.effects:
            if isinstance(effect, Delivery):
                delivery = self._delivery(effect, row.seq, row.wall_ms)
                deliveries.append(delivery)
                journal.append(_queued(delivery))
            elif isinstance(effect, AuditEffect):
                audit.append(AuditRow(effect.record, row.seq, effect.devices, effect.text))
            else:
                journal.append(
                    JournalRow(
                        *(effect.at_ms, row.wall_ms, effect.kind, effect.request_id, effect.device, effect.summary, effect.data),
                        effect=effect.number,
                    )
                )
        if deliveries:
            self._expect(len(deliveries))
        return self._log.append(
            Step(row, deliveries, (*entries, *journal), audit=audit, instant_ms=turn.at_ms, acknowledges=acknowledges)
        )

    def _delivery(self, effect: Delivery, seq: int, wall_ms: int) -> DeliveryRow:
        """A message as made. One that cannot be written is an error of ours; it has no octets and the outbox shows it as dead."""
        try:
            writing = self._edge.write(effect.message)
        except Exception as error:
            _log.exception("a message could not be written", exc_info=error)
            writing = Writing(b"", fault_digest(type(error).__name__))
        kind, code = describe(effect.message)
        return DeliveryRow(
            number=effect.number,
            seq=seq,
            at_ms=effect.at_ms,
            wall_ms=wall_ms,
            recipient=effect.recipient,
            device=effect.device,
            request_id=effect.request_id,
            kind=kind,
            code=code,
            body=writing.xml,
            digest=writing.digest,
        )


def _request_data(item: DuisInput, code: str) -> dict[str, Any]:
    """What the journal says of a request beside its summary: the same for all of a kind, unless it names a human."""
    request = item.request
    kind = (request.service_reference_variant, request.command_variant, request.body.name)
    shared = _said_of_requests(item.web_service, kind, code, item.signer.serial)
    return {**shared, "operator": item.operator} if item.operator else shared


@lru_cache(1_024)
def _said_of_requests(web_service: WebService, kind: tuple[str, int, str], code: str, serial: int) -> SharedData:
    variant, command_variant, body = kind
    return SharedData(
        service=web_service.value,
        service_reference_variant=variant,
        command_variant=command_variant,
        body=body,
        code=code,
        signer_serial=f"{serial:x}",
    )


def _queued(row: DeliveryRow) -> JournalRow:
    return JournalRow(
        at_ms=row.at_ms,
        wall_ms=row.wall_ms,
        kind="push.queued",
        request_id=row.request_id,
        device=row.device,
        summary=f"{row.kind} {row.code} for {format_eui(row.recipient)}",
        data={"recipient": format_eui(row.recipient), "kind": row.kind, "code": row.code, "size_bytes": len(row.body)},
        delivery=row.number,
    )


def describe(message: Message) -> tuple[str, str]:
    """Kind and code of a message, as the outbox shows them."""
    if isinstance(message, DeviceAlert):
        return "device_alert", f"{message.alert_code:04X}"
    if isinstance(message, DccAlert):
        return "dcc_alert", message.alert_code
    return "response", message.code


def duis_verdict(item: DuisInput) -> str:
    """What the edge established about a request, as the log keeps it beside the body."""
    signer = item.signer
    operator = f',"operator":{quoted(item.operator)}' if item.operator else ""
    return (
        f'{{"service":"{item.web_service.value}","eui":"{eui_hex(signer.eui)}","role":{signer.role},'
        f'"serial":"{signer.serial:x}","issuer":{quoted(signer.issuer)}{operator}}}'
    )


def read_duis_verdict(verdict: str, request: Request) -> DuisInput:
    """The input that was logged with a verdict; raise :class:`Broken` for what is no verdict."""
    try:
        found = json.loads(verdict)
        signer = Signer(Eui64(int(found["eui"], 16)), int(found["role"]), int(found["serial"], 16), str(found["issuer"]))
        return DuisInput(WebService(found["service"]), request, signer, str(found.get("operator", "")))
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(f"a logged verdict cannot be read: {error}") from None


def command_verdict(verb: str, params: dict[str, Any]) -> tuple[str, bytes]:
    """A command as the log keeps it: verdict and body. Parameters that are large, such as registration data, are the body."""
    text = json.dumps(params, separators=(",", ":"))
    if len(text) > MAX_VERDICT_CHARACTERS:
        return json.dumps({"verb": verb}), text.encode()
    return f'{{"verb":{json.dumps(verb)},"params":{text}}}', b""


def read_command_verdict(verdict: str, body: bytes) -> tuple[str, dict[str, Any]]:
    """The reverse of :func:`command_verdict`; raise :class:`Broken` for anything else."""
    try:
        found = json.loads(verdict)
        return str(found["verb"]), dict(json.loads(body) if body else found["params"])
    except (ValueError, KeyError, TypeError) as error:
        raise Broken(f"a logged command cannot be read: {error}") from None


def brief(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters for people: long texts and lists are cut, with a word on how long they were."""
    return {name: _brief(value) for name, value in params.items()}


def _brief(value: Any) -> Any:
    if isinstance(value, str) and len(value) > BRIEF_CHARACTERS:
        return f"{value[:BRIEF_CHARACTERS]}… ({len(value)} characters)"
    if isinstance(value, list) and len(value) > BRIEF_ITEMS:
        return [*value[:BRIEF_ITEMS], f"… ({len(value)} in all)"]
    return value


def control_digest(turn: Turn) -> bytes:
    """What a replay of a control command must give again."""
    answer = turn.control if turn.control is not None else ControlAnswer({}, f"fault {turn.fault}")
    text = json.dumps([answer.result, answer.error], sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).digest()
