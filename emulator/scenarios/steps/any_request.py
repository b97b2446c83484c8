"""Requests without a short form: any of the 129 from the fields of its body, and a user's own XML."""

from collections.abc import Mapping
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from emulator.client import requests
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, RequestId
from emulator.domain.tables import service_reference_variants
from emulator.duis.datetimes import format_datetime
from emulator.duis.messages import Element, Request, element
from emulator.scenarios.estates import path_below
from emulator.scenarios.names import Names, suggest
from emulator.scenarios.stage import Sent
from emulator.scenarios.steps.sending import AskingStep, CriticalStep, judged
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Code, Reference

if TYPE_CHECKING:
    from emulator.scenarios.stage import Stage


class AnyRequest(CriticalStep):
    """Any of the 129 requests, from the fields of its body."""

    srv: str
    """Service Reference Variant."""
    target: Reference = ""
    """The device; the DCC when not given."""
    body: dict[str, Any] = {}
    """Elements of the body in the order of the schema: text, a number or a date; a table for nested elements, a list for repeated
    ones."""
    command_variant: int | None = None
    """When not given: 8 for what the DCC answers itself, 4 for critical requests, 1 for the others. A critical request with 6 or
    7 is transformed first, and sent with that."""

    @property
    def transformed(self) -> bool:
        """By its Command Variant."""
        critical = service_reference_variants()[self.srv].critical
        return self.command_variant == 4 or (critical and self.command_variant in (None, 6, 7))

    @property
    def signed_variant(self) -> int:
        """With which the signed Pre-Command is sent."""
        return self.command_variant if self.command_variant in (6, 7) else 5

    def check(self, names: Names) -> None:
        """Variant, target and body."""
        variants = service_reference_variants()
        if self.srv not in variants:
            detail = f"{self.srv!r} is not a Service Reference Variant"
            raise Malformed(detail, where="srv", expected=suggest(self.srv, variants))
        super().check(names)
        if self.target:
            names.device(self.target, "target")
        _elements(self.body, "body")

    def title(self, names: Names) -> str:
        """Who sends what."""
        return f"{self.name or self.srv} by {self.by}"

    def requests(self, stage: "Stage") -> list[Request]:
        """The request."""
        user, fields = stage.names.user(self.by, "by"), _elements(self.body, "body")
        target = stage.names.device(self.target, "target") if self.target else ACCESS_CONTROL_BROKER
        variant = 4 if self.transformed else self.command_variant
        return [requests.service_request(user, self.srv, *fields, target=target, command_variant=variant)]


def _elements(body: Mapping[str, Any], where: str) -> list[Element]:
    found: list[Element] = []
    for name, value in body.items():
        for each in value if isinstance(value, list) else [value]:
            if isinstance(each, Mapping):
                found.append(element(name, *_elements(each, f"{where}.{name}")))
            elif isinstance(each, bool):
                found.append(element(name, str(each).lower()))
            elif isinstance(each, datetime):
                found.append(element(name, format_datetime(round(each.timestamp() * 1000))))
            elif isinstance(each, str | int | date):
                found.append(element(name, str(each)))
            else:
                raise Malformed(f"{each!r} has no form in XML", where=f"{where}.{name}", expected="text, a number or a table")
    return found


class Template(AskingStep):
    """A user's own XML, signed with the key of the originator that it names, whatever else it says."""

    answer: Code
    """What it must be answered with; `http.NNN` for a refusal below DUIS."""
    file: str = ""
    """The file, in the scenario's folder or below it."""
    xml: str = ""
    """The XML itself, in place of `file`."""
    preserve_counter: bool = False
    """Keep the counter of its RequestID instead of stamping a new one."""

    def check(self, names: Names) -> None:
        """Exactly one of file and text."""
        super().check(names)
        if bool(self.file) == bool(self.xml):
            raise Malformed("exactly one of file and xml is needed", where="file", expected="the path of a request")

    async def run(self, stage: "Stage") -> None:
        """Sign it, post it, compare."""
        actor = stage.actors[stage.names.user(self.by, "by")]
        actor.client.operator = self.operator
        document = self.xml.encode() if self.xml else self._read(stage)
        sending = actor.client.send_template(document, preserve_counter=self.preserve_counter)
        answer = await judged(stage, actor, "answer to the template", self.answer, sending)
        if answer is not None:
            if self.name and answer.request_id is not None:
                stage.sent[self.name] = [Sent(RequestId.parse(answer.request_id), actor.eui, stage.now_ms)]
            self.compare(stage, answer)
        await stage.settle()

    def _read(self, stage: "Stage") -> bytes:
        path = path_below(stage.folder, self.file, "file")
        try:
            return path.read_bytes()
        except OSError as error:
            raise Malformed(f"{path} cannot be read: {error.strerror}", where="file", expected="a request in XML") from None


STEPS: Mapping[str, type[Step]] = {"request": AnyRequest, "template": Template}
"""Requests that are written out."""
