"""What steps that send a request have in common: who sends it, what it is answered with, and under which name it is kept."""

import base64
from abc import abstractmethod
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator

from emulator.client.errors import Rejected
from emulator.client.session import SignedCommand
from emulator.client.signing import stamp
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER
from emulator.domain.operators import check_operator
from emulator.duis.messages import Element, Request, ServiceResponse
from emulator.scenarios.names import Names
from emulator.scenarios.stage import Sent
from emulator.scenarios.steps.step import Step
from emulator.scenarios.values import Code, Reference

if TYPE_CHECKING:
    from emulator.scenarios.stage import Actor, Stage


class AskingStep(Step):
    """Something that a user asks of the DCC, and what the answer must hold beside its code."""

    by: Reference
    """The user that sends it."""
    payload: dict[str, str] = {}
    """Texts that the answer must hold, by path of elements: `{"PreCommand/GBCSVersion" = "4.2"}`."""
    operator: Annotated[str, AfterValidator(check_operator)] = ""
    """The human who acts under the User ID, for the audit trail."""

    def check(self, names: Names) -> None:
        """The user; the step's name stands for the request from here on."""
        names.user(self.by, "by")
        if self.name:
            names.requests.add(self.name)

    def title(self, names: Names) -> str:
        """Who sends what."""
        return f"{self.name or self.do} by {self.by}"

    def compare(self, stage: "Stage", answer: ServiceResponse) -> None:
        """Look at what the answer holds beside its code."""
        for path, expected in self.payload.items():
            found = None if answer.payload is None else answer.payload.value(*path.split("/"))
            stage.verify(f"{path} of the answer", expected, found)


class SendingStep(AskingStep):
    """Sends requests, signed with the user's key."""

    @abstractmethod
    def requests(self, stage: "Stage") -> list[Request]:
        """The requests to send: one, or one to each device."""

    async def run(self, stage: "Stage") -> None:
        """Send and compare, one after the other."""
        actor = stage.actors[stage.names.user(self.by, "by")]
        actor.client.operator = self.operator
        for unstamped in self.requests(stage):
            request = stamp(unstamped, actor.client.counters)
            answer = await self.exchange(stage, actor, request)
            if self.name:
                local = None if answer is None else local_command(answer.payload)
                stage.sent.setdefault(self.name, []).append(Sent(request.request_id, actor.eui, stage.now_ms, local))
            if answer is not None:
                self.compare(stage, answer)
            await stage.settle()

    @abstractmethod
    async def exchange(self, stage: "Stage", actor: "Actor", request: Request) -> ServiceResponse | None:
        """Send it and compare the code; the last answer, None where the server refused below DUIS."""


def local_command(payload: Element | None) -> bytes | None:
    """The Command that a payload hands out for local delivery."""
    if payload is None or payload.name != "LocalCommand":
        return None
    return base64.b64decode(payload.required("GBCSPayload"))


class RequestStep(SendingStep):
    """A request that is answered with a code."""

    answer: Code
    """What it must be answered with; `http.NNN` for a refusal below DUIS."""

    async def exchange(self, stage: "Stage", actor: "Actor", request: Request) -> ServiceResponse | None:
        """Send it as it is."""
        return await judged(stage, actor, _answer_to(stage, request), self.answer, actor.client.send(request))


class CriticalStep(SendingStep):
    """A request that is transformed, signed by the user as a GBCS message, and sent."""

    transform: Code = "I0"
    """What the Transform must be answered with."""
    answer: Code | None = None
    """What the signed Pre-Command must be answered with; left out where the Transform is refused."""

    @property
    def transformed(self) -> bool:
        """Whether this one goes through Transform."""
        return True

    @property
    def signed_variant(self) -> int:
        """Command Variant of the signed Pre-Command."""
        return 5

    def check(self, names: Names) -> None:
        """Which of the two answers there is to be."""
        super().check(names)
        refused = self.transformed and self.transform != "I0"
        if self.answer is None and not refused:
            remedy = "the code that must come, such as 'I99'" + (", or transform with a refusal" if self.transformed else "")
            raise Malformed("answer is missing", where="answer", expected=remedy)
        if self.answer is not None and refused:
            raise Malformed("nothing is sent when the Transform is refused", where="answer", expected="transform alone")
        if self.transform != "I0" and not self.transformed:
            raise Malformed("this request is not transformed", where="transform", expected="answer alone")

    async def exchange(self, stage: "Stage", actor: "Actor", request: Request) -> ServiceResponse | None:
        """Transform, check the Pre-Command, sign it, send it; or send it as it is where that is the way."""
        what = _answer_to(stage, request)
        if not self.transformed:
            return await judged(stage, actor, what, self.answer, actor.client.send(request))
        transforming = f"{what} (Transform)"
        try:
            found = await actor.client.transform_and_send(request, self.signed_variant)
        except Rejected as error:
            _compare_rejection(stage, actor, transforming, self.transform, error)
            return None
        if not isinstance(found, SignedCommand):
            stage.verify(transforming, self.transform, found.code, about=actor.eui)
            return found
        if stage.verify(transforming, self.transform, "I0", about=actor.eui):
            stage.verify(f"{what} (signed Pre-Command)", self.answer, found.acknowledgement.code, about=actor.eui)
        return found.acknowledgement


async def judged(
    stage: "Stage", actor: "Actor", what: str, expected: str | None, answer: Awaitable[ServiceResponse]
) -> ServiceResponse | None:
    """Compare the code of an answer and return the answer; None where the server refused below DUIS (``http.NNN``)."""
    try:
        found = await answer
    except Rejected as error:
        _compare_rejection(stage, actor, what, expected, error)
        return None
    stage.verify(what, expected, found.code, about=actor.eui)
    return found


def _compare_rejection(stage: "Stage", actor: "Actor", what: str, expected: str | None, error: Rejected) -> None:
    code = f"http.{error.status}"
    if expected != code:
        stage.fail(what, expected, f"{code}: {error.explanation}", about=actor.eui)


def _answer_to(stage: "Stage", request: Request) -> str:
    target = request.request_id.target
    what = f"answer to {request.service_reference_variant}"
    return what if target == ACCESS_CONTROL_BROKER else f"{what} to {stage.names.shown(target)}"
