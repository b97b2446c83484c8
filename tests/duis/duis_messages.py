"""Hypothesis strategies for typed DUIS messages."""

from hypothesis import strategies as st

from emulator.domain.identifiers import MAX_COUNTER, Eui64, RequestId
from emulator.duis.messages import DccAlert, DeviceAlert, Element, Message, Request, ServiceResponse

names = st.from_regex(r"[A-Z][A-Za-z0-9]{0,11}", fullmatch=True)
xml_text = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), include_characters="\t\n\r", exclude_characters="\ufffe\uffff"),
    max_size=20,
)
attributes = st.dictionaries(names, xml_text, max_size=3).map(lambda found: tuple(sorted(found.items())))
leaves = st.builds(Element, names, text=xml_text, attributes=attributes)
elements = st.recursive(
    leaves,
    lambda inner: st.builds(Element, names, children=st.lists(inner, min_size=1, max_size=4).map(tuple), attributes=attributes),
    max_leaves=12,
)
"""Trees whose elements have either text or children."""

times_ms = st.integers(min_value=0, max_value=32_535_216_000_000)
request_ids = st.builds(
    RequestId,
    st.integers(0, 2**64 - 1).map(Eui64),
    st.integers(0, 2**64 - 1).map(Eui64),
    st.integers(0, MAX_COUNTER),
)
id_texts = request_ids.map(str) | request_ids.map(lambda identity: str(identity).lower())

requests: st.SearchStrategy[Request] = st.builds(
    Request,
    request_id=request_ids,
    command_variant=st.integers(1, 9),
    service_reference=st.sampled_from(["1.1", "11.2", "8.14"]),
    service_reference_variant=st.sampled_from(["1.1.1", "11.2", "8.14.4"]),
    body=elements,
    schema_version=st.sampled_from(["5.1", "5.2", "5.4"]),
    first_in_sequence=st.sampled_from([None, True, False]),
    preceding_request_id=st.none() | request_ids,
)

service_responses = st.builds(
    ServiceResponse,
    code=st.sampled_from(["I0", "I99", "E19", "W110101"]),
    at_ms=times_ms,
    request_id=st.none() | id_texts,
    response_id=st.none() | id_texts,
    service_reference=st.sampled_from(["1.1", "11.2", "8.14"]),
    service_reference_variant=st.sampled_from(["1.1.1", "11.2", "8.14.4"]),
    payload=st.none() | elements,
)
device_alerts = st.builds(DeviceAlert, times_ms, id_texts, st.integers(0, 0xFFFF), st.binary(max_size=100))
dcc_alerts = st.builds(DccAlert, times_ms, id_texts, st.sampled_from(["AD1", "N1", "N60", "N999"]), elements)

messages: st.SearchStrategy[Message] = service_responses | device_alerts | dcc_alerts
