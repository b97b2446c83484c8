"""What a pushed GBCS message says, and whether its protection holds as far as the keys at hand can tell."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.duis.messages import DeviceAlert, Message, ServiceResponse
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.protect import PrivateKey, PublicKey, verify_mac, verify_signature
from emulator.gbcs.results import ReaderKeys, read_result
from emulator.gbcs.usecases import UseCase, by_code
from emulator.pki.certificates import Usage
from emulator.pki.keystore import KeyStore


class Verdict(StrEnum):
    """Whether a signature or MAC holds."""

    VALID = "valid"
    INVALID = "invalid"
    UNKNOWN = "unknown"
    """It is there, but a key to check it with is not."""
    ABSENT = "absent"


@dataclass(frozen=True, slots=True)
class Decoded:
    """One GBCS message read and checked."""

    message: GbcsMessage
    use_case: UseCase | None
    """None for a message code that the table does not know."""
    values: Mapping[str, object]
    """Readable values of a Response or Alert, see :func:`emulator.gbcs.results.read_result`; empty for Commands."""
    signature: Verdict
    mac: Verdict

    @property
    def trusted(self) -> bool:
        """Whether it is protected and nothing about its protection is wrong or unknown."""
        verdicts = {self.signature, self.mac}
        return Verdict.VALID in verdicts and verdicts <= {Verdict.VALID, Verdict.ABSENT}


@dataclass(frozen=True, slots=True)
class StoreKeys:
    """The keys in a key store as the readers of GBCS ask for them."""

    store: KeyStore

    def private_key(self, eui: Eui64, usage: str) -> PrivateKey | None:
        """The private key of a party, or None."""
        record = self.store.live(eui, Usage(usage))
        return None if record is None else record.private_key

    def public_key(self, eui: Eui64, usage: str) -> PublicKey | None:
        """The key of a party's certificate, or None."""
        record = self.store.live(eui, Usage(usage))
        return None if record is None else record.public_key


def payload_of(message: Message) -> bytes | None:
    """The GBCS message in a response or alert, wherever it stands; None where there is none. Raises :class:`Malformed`."""
    if isinstance(message, DeviceAlert):
        return message.gbcs_payload
    if not isinstance(message, ServiceResponse) or message.payload is None:
        return None
    payload = message.payload
    encoded = payload.text if payload.name == "GBCSPayload" else payload.value("GBCSPayload")
    if encoded is None:
        return None
    try:
        return base64.b64decode("".join(encoded.split()), validate=True)
    except binascii.Error as error:
        raise Malformed(f"GBCSPayload is not base64: {error}") from error


def decode_payload(payload: bytes, keys: KeyStore) -> Decoded:
    """Read a GBCS message and check it with the certificates and keys in ``keys``. Raises :class:`Malformed`.

    Certificates of devices come from the SMKI service, see :meth:`emulator.client.smki.SmkiClient.fetch`.
    """
    message = decode_message(payload)
    at_hand = StoreKeys(keys)
    values: Mapping[str, object] = {}
    if message.cra is not Cra.COMMAND:
        reader = message.supplementary.party if message.supplementary else message.recipient
        private, public = (
            at_hand.private_key(reader, Usage.KEY_AGREEMENT),
            at_hand.public_key(message.originator, Usage.KEY_AGREEMENT),
        )
        values = read_result(message, None if private is None or public is None else ReaderKeys(private, public))
    return Decoded(
        message=message,
        use_case=by_code(message.message_code),
        values=values,
        signature=_signature_verdict(message, at_hand),
        mac=_mac_verdict(message, at_hand),
    )


def _signature_verdict(message: GbcsMessage, keys: StoreKeys) -> Verdict:
    if not message.signature:
        return Verdict.ABSENT
    public = keys.public_key(message.originator, Usage.DIGITAL_SIGNATURE)
    if public is None:
        return Verdict.UNKNOWN
    return Verdict.VALID if verify_signature(message, public) else Verdict.INVALID


def _mac_verdict(message: GbcsMessage, keys: StoreKeys) -> Verdict:
    """One private key of the two parties is enough. The MAC of a Command is the ACB's, whoever originates it."""
    if message.mac is None:
        return Verdict.ABSENT
    first = ACCESS_CONTROL_BROKER if message.cra is Cra.COMMAND else message.originator
    for own, other in ((message.recipient, first), (first, message.recipient)):
        private, public = keys.private_key(own, Usage.KEY_AGREEMENT), keys.public_key(other, Usage.KEY_AGREEMENT)
        if private is not None and public is not None:
            return Verdict.VALID if verify_mac(message, private, public) else Verdict.INVALID
    return Verdict.UNKNOWN
