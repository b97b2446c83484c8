"""Every bound of the emulator that a peer can meet, with its unit in its name and its source beside it.

A bound is a constant here; what an operator may set takes its default from here. ``exact`` facts come from the published
schema V5.4, ``measured`` ones from the stock clients (reference clients/wire_contract.md); ``chosen`` are ours, with the reason.
"""

from typing import Final

# DUIS documents

MAX_BODY_BYTES: Final = 16 * 1024 * 1024
"""Largest request body. The largest valid one is 15.2 MiB: a 10,240,000-octet image whose base64 has line breaks, and 50,000
device identities (source: limits.csv L010, derived)."""

HUGE_BODY_BYTES: Final = 9_500_000
"""Bodies above this may hold a text node longer than the 10,000,000 octets that libxml2 takes by default; only they are parsed
with that bound lifted (source: perf.md section 1, measured)."""

MAX_ELEMENT_DEPTH: Final = 64
"""Deepest nesting of elements. Published templates go 10 deep (chosen; libxml2 itself stops at 256, and at 2,048 in huge
bodies, where comparing two trees would exhaust Python's stack)."""

MAX_ELEMENTS: Final = 10_000
"""Most elements of one document. The largest body that the schema describes has 7,263 (source: duis_body_elements.json, derived).
libxml2's report of schema faults takes time with their square: 0.4 s for 10,000, 2.1 s for 20,000 (chosen, measured)."""

MAX_ATTRIBUTES: Final = 10_000
"""Most attributes and namespace declarations of one document, and so of one element: canonicalising 20,000 on one element takes
0.4 s (chosen, measured)."""

MAX_NAMESPACE_PREFIXES: Final = 16
"""Most distinct namespace prefixes of one document: canonicalisation takes time with their square, 1,000 of them over 20,000
elements 49 s (chosen, measured). Stock documents have at most five."""

# XML signatures

MAX_ISSUER_CHARACTERS: Final = 512
"""Longest issuer name of a KeyInfo (chosen; those of the test PKI have 11)."""

MAX_SERIAL_DIGITS: Final = 49
"""Digits of the largest certificate serial number, 20 octets (source: RFC 5280 section 4.1.2.2, exact)."""

# Requests

MAX_FIRMWARE_IMAGE_BYTES: Final = 10_240_000
"""Largest FirmwareImage of 11.1 and 11.4, decoded (source: limits.csv L004, schema V5.4, exact)."""

MAX_DEVICES_PER_REQUEST: Final = 50_000
"""Most devices of one 11.1 or 11.4 (source: limits.csv L001, exact)."""

MAX_DEVICE_ID_LIST_CHARACTERS: Final = 1_199_999
"""Longest DeviceIDList: 50,000 identities of 23 characters and the commas between them (source: limits.csv L003, exact)."""

MAX_FIRMWARE_VERSION_CHARACTERS: Final = 8
"""Longest FirmwareVersion (source: limits.csv L005, exact)."""

MAX_INVENTORY_DEVICES_PER_ANSWER: Final = 17
"""Most devices of one DSPInventory (source: limits.csv L007, exact)."""

MAX_OPERATOR_CHARACTERS: Final = 64
"""Longest name of the human who acts under a User ID, in the header DCC-Operator (chosen: a name or staff number)."""

# Control commands

MAX_REGISTRATION_CSV_CHARACTERS: Final = 1_000_000
"""Longest text of one registration.load, some 20,000 registrations: it is kept with the command in the log, and no other request
is processed before it is done (chosen)."""

# What the stock client takes

STOCK_CLIENT_ANSWER_MS: Final = 3_000
"""After this the stock client gives up a request and never repeats it (source: wire_contract.md section 0 item 7, measured)."""

STOCK_CLIENT_PUSH_BYTES: Final = 102_400
"""Largest push that the stock client takes; it answers 413 to more (source: wire_contract.md section 0 item 10, measured)."""
