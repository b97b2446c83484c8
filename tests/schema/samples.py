"""One message or more of every body, payload and alert that the project's schemas cover."""

from collections.abc import Iterator

from lxml import etree

from emulator.duis.messages import Element, element
from emulator.duis.namespaces import DUIS, SERVICE_USER_GATEWAY
from tests.schema.sample_answers import ALERTS, PAYLOAD, PAYLOADS
from tests.schema.sample_parts import ESME, REQUEST_ID, SUPPLIER, Service, text
from tests.schema.sample_requests import REQUESTS


def to_xml(tree: Element, parent: etree._Element | None = None) -> etree._Element:
    """Write a tree in the DUIS namespace."""
    tag = f"{DUIS}{tree.name}"
    made = etree.Element(tag, nsmap={"sr": SERVICE_USER_GATEWAY}) if parent is None else etree.SubElement(parent, tag)
    for name, value in tree.attributes:
        made.set(name, value)
    if tree.text:
        made.text = tree.text
    for child in tree.children:
        to_xml(child, made)
    return made


def request(service: Service, body: Element) -> etree._Element:
    variant, reference, reference_variant = service
    header = element(
        "Header",
        text("RequestID", REQUEST_ID),
        text("FirstInSequence", "false"),
        text("PrecedingServiceRequestID", REQUEST_ID.lower()),
        text("CommandVariant", variant),
        text("ServiceReference", reference),
        text("ServiceReferenceVariant", reference_variant),
    )
    return to_xml(element("Request", header, element("Body", body), schemaVersion="5.4"))


def response(code: str, body: Element, request_id: str | None = REQUEST_ID) -> etree._Element:
    header = element(
        "Header",
        None if request_id is None else text("RequestID", request_id),
        text("ResponseID", f"{ESME}:{SUPPLIER}:18446744073709551615"),
        text("ResponseCode", code),
        text("ResponseDateTime", "2026-02-01T06:00:00.123Z"),
    )
    return to_xml(element("Response", header, element("Body", body), schemaVersion="5.10"))


def samples() -> Iterator[tuple[str, etree._Element]]:
    """Every sample with a name."""
    for service, body in REQUESTS:
        yield f"{service[2]} {body.name}", request(service, body)
    for (code, reference, variant), payload in PAYLOADS:
        message = element(
            "ResponseMessage", text("ServiceReference", reference), text("ServiceReferenceVariant", variant), payload
        )
        yield f"{code} {payload.name if payload else 'without payload'}", response(code, message)
    throttling = (text("ThrottledAlertSequenceId", "4294967295"), text("ThrottledAlertCount", "2"))
    device_alert = element("DeviceAlertMessage", text("AlertCode", "8F72"), *throttling, PAYLOAD)
    yield "DeviceAlertMessage", response("I0", device_alert, request_id=None)
    for code, body in ALERTS:
        alert = element("DCCAlertMessage", text("DCCAlertCode", code), *throttling, element("DCCAlert", body))
        yield f"{code} {body.name} {body.children[-1].name}", response("I0", alert, request_id=None)
