"""With whom a device encrypts: the shared secret of a device and the party that may read its data (gbcs.md 2)."""

from cryptography.hazmat.primitives.asymmetric import ec

from emulator.domain.errors import Malformed
from emulator.gbcs.message import GbcsMessage
from emulator.gbcs.protect import shared_secret
from emulator.pki.certificates import Usage, read_certificate
from emulator.premises.context import Context
from emulator.premises.credentials import agreement_key, own_key
from emulator.premises.state import DeviceState


def reader_secret(context: Context, device: DeviceState, command: GbcsMessage) -> bytes:
    """Z of the device and the reader: the supplementary party, by the certificate that the Command carries or the one the device
    holds; without one the originator.

    Raises :class:`Malformed` when the certificate cannot be read or a key is missing.
    """
    supplementary = command.supplementary
    public_key: ec.EllipticCurvePublicKey | None
    if supplementary is not None and supplementary.certificate is not None:
        record = read_certificate(supplementary.certificate)
        if record.eui != supplementary.party:
            raise Malformed("the certificate is not of the supplementary party", where="supplementary certificate")
        public_key = record.public_key
    else:
        reader = command.originator if supplementary is None else supplementary.party
        public_key = agreement_key(context, device, reader)
    private_key = own_key(context, device, Usage.KEY_AGREEMENT)
    if public_key is None or private_key is None:
        raise Malformed("there is no key to encrypt with", where="key agreement")
    return shared_secret(private_key, public_key)
