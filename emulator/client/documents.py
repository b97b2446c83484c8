"""Reading what the DCC sends: bytes to a checked, typed message."""

from dataclasses import dataclass, field

from emulator.client.errors import BadAnswer
from emulator.client.signing import wall_clock_ms
from emulator.domain.errors import Malformed, Refusal
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64, format_eui
from emulator.domain.vocabulary import RemotePartyRole
from emulator.duis.decode import decode_message
from emulator.duis.messages import Message
from emulator.duis.parse import parse_document
from emulator.duis.schema import SchemaSet
from emulator.duis.signature import SignaturePolicy, verify_document
from emulator.pki.keystore import KeyStore

DSP_SIGNS = SignaturePolicy(
    check_role=True, check_dates=False, check_chain=False, roles=frozenset({RemotePartyRole.DSP_XML_SIGN})
)
"""Dates and chains are not checked: those of the DCC's test certificates do not hold (wire_contract.md 4.1, measured)."""


@dataclass(slots=True)
class MessageReader:
    """Checks schema and signature of the DCC's messages and decodes them.

    The stock client checks neither who signed nor dates and accepts unsigned messages (wire_contract.md section 1, measured);
    we demand a signature, and that it is the DCC's.
    """

    keys: KeyStore
    schemas: SchemaSet = field(default_factory=SchemaSet)
    policy: SignaturePolicy = DSP_SIGNS
    signer: Eui64 = ACCESS_CONTROL_BROKER

    def read(self, document: bytes) -> Message:
        """The message; raises :class:`BadAnswer` with the reason when it is not as it must be."""
        try:
            root = parse_document(document)
        except Malformed as error:
            raise BadAnswer(f"the message cannot be read: {error}") from error
        refusal = self.schemas.validate(root)
        if refusal is not None:
            raise BadAnswer(f"the message does not fit the schema: {refusal}")
        signer = verify_document(root, self.keys, self.policy, wall_clock_ms())
        if isinstance(signer, Refusal):
            raise BadAnswer(f"the signature of the message is not in order: {signer}")
        if signer.eui != self.signer:
            raise BadAnswer(f"the message is signed by {format_eui(signer.eui)}, not by {format_eui(self.signer)}")
        try:
            return decode_message(root)
        except Malformed as error:
            raise BadAnswer(f"the message cannot be decoded: {error}") from error
