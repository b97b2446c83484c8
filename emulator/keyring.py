"""The keys of a world as the engine asks for them, over one key store."""

from collections.abc import Collection

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import Encoding

from emulator.domain.errors import Broken
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, TRANSITIONAL_COS, Eui64, format_eui
from emulator.engine import Keys
from emulator.pki.certificates import CertificateRecord, Usage, read_certificate
from emulator.pki.csr import SigningRequest
from emulator.pki.keystore import KeyStore


class KeyRing(Keys):
    """Parties have the live certificates of the key store, every other EUI is a device."""

    def __init__(self, store: KeyStore, parties: Collection[int]) -> None:
        self.store = store
        self._parties = frozenset(parties)

    def private_key(self, eui: int, usage: str) -> EllipticCurvePrivateKey | None:
        """The private key of a device."""
        record = self.store.device(Eui64(eui), Usage(usage))
        return record.private_key if record is not None else None

    def public_key(self, eui: int, usage: str) -> EllipticCurvePublicKey | None:
        """The public key of a device's or party's certificate in use."""
        record = self._record(eui, usage)
        return record.public_key if record is not None else None

    def party_certificate(self, party: int, usage: str) -> bytes | None:
        """DER of the certificate in use of a party or device, ``DS`` or ``KA``."""
        record = self._record(party, usage)
        return record.der if record is not None else None

    def acb_key_agreement(self) -> EllipticCurvePrivateKey:
        """The Access Control Broker's key agreement key, for Command MACs."""
        return self._own(Usage.KEY_AGREEMENT)

    def acb_digital_signature(self) -> EllipticCurvePrivateKey:
        """The Access Control Broker's signing key, for critical Commands it originates."""
        return self._own(Usage.DIGITAL_SIGNATURE)

    def device_key_agreement(self, device: int) -> EllipticCurvePublicKey | None:
        """A device's public key agreement key, from its certificate; None when it has none."""
        record = self.store.device(Eui64(device), Usage.KEY_AGREEMENT)
        return None if record is None else record.public_key

    def user_digital_signatures(self, user: int) -> list[EllipticCurvePublicKey]:
        """The public keys with which a user may sign GBCS, the newest first: devices may hold an earlier certificate still."""
        return [record.public_key for record in self.store.signing_keys(Eui64(user))]

    def cos_digital_signature(self) -> EllipticCurvePrivateKey:
        """The signing key of the transitional CoS party."""
        return self._private(TRANSITIONAL_COS, Usage.DIGITAL_SIGNATURE)

    def anchor(self, party: int, usage: str, *, prepayment: bool = False) -> CertificateRecord | None:
        """The certificate of a party that devices hold until another is put in its place."""
        return self.store.anchor(Eui64(party), Usage(usage), prepayment=prepayment)

    def own_certificate(self, device: int, usage: str) -> CertificateRecord | None:
        """The certificate with which a device was made."""
        return self.store.device(Eui64(device), Usage(usage))

    def generated_key(self, device: int, usage: str, number: int) -> EllipticCurvePrivateKey:
        """The key pair that a device makes as its ``number``-th of a usage."""
        assert self.store.smki is not None, "a world has an SMKI"
        return self.store.smki.private_key(device, Usage(usage), number, "made by the device")

    def root(self) -> bytes | None:
        """DER of the root certificate that devices hold."""
        smki = self.store.smki
        return None if smki is None else smki.root.certificate.public_bytes(Encoding.DER)

    def renew(self, party: int, generation: int) -> tuple[CertificateRecord, ...]:
        """New certificates of a party, live from now on; raise :class:`Malformed` where it has none to renew."""
        return self.store.renew(Eui64(party), generation)

    def issue(self, request: SigningRequest, number: int) -> bytes:
        """DER of a certificate for a device, by its signing request; ``number`` tells it from others."""
        assert self.store.smki is not None, "a world has an SMKI"
        return self.store.smki.issue_to_device(request.eui, request.usage, request.public_key, number).der

    def authority(self, *, of_devices: bool) -> bytes:
        """DER of the authority that issues certificates of organisations, or of devices."""
        assert self.store.smki is not None, "a world has an SMKI"
        authority = self.store.smki.device_authority if of_devices else self.store.smki.organisation_authority
        return authority.certificate.public_bytes(Encoding.DER)

    def take_device_certificate(self, der: bytes) -> None:
        """A device uses this certificate from now on."""
        self.store.take_device_certificate(read_certificate(der))

    def _record(self, eui: int, usage: str) -> CertificateRecord | None:
        kind = Usage(usage)
        return self.store.live(Eui64(eui), kind) if eui in self._parties else self.store.device(Eui64(eui), kind)

    def _own(self, usage: Usage) -> EllipticCurvePrivateKey:
        return self._private(ACCESS_CONTROL_BROKER, usage)

    def _private(self, party: Eui64, usage: Usage) -> EllipticCurvePrivateKey:
        record = self.store.live(party, usage)
        if record is None or record.private_key is None:
            reason = self.store.explain_live(party, usage).reason
            raise Broken(f"{format_eui(party)}, whose part the DCC plays, has no {usage} key: {reason}")
        return record.private_key
