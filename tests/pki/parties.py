"""Ten parties and a device to test with."""

from emulator.domain.identifiers import ACCESS_CONTROL_BROKER, Eui64
from emulator.domain.vocabulary import RemotePartyRole
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.pki.smki import Organisation, TestSmki

SUPPLIER = Eui64(0x90B3D51F30010000)
SUPPLIER_2 = Eui64(0x90B3D51F30030000)
NETWORK_OPERATOR = Eui64(0x90B3D51F30020000)
OTHER_USER = Eui64(0x00DB123456780004)
ESME = Eui64(0x00DB1234567890A0)

ORGANISATIONS = (
    Organisation(Eui64(0x90B3D51F30000001), RemotePartyRole.RECOVERY, "recovery"),
    Organisation(ACCESS_CONTROL_BROKER, RemotePartyRole.ACCESS_CONTROL_BROKER, "accessControlBroker"),
    Organisation(Eui64(0x90B3D51F30000004), RemotePartyRole.TRANSITIONAL_COS, "transitionalCoS"),
    Organisation(Eui64(0x90B3D51F30000007), RemotePartyRole.WAN_PROVIDER, "wanProvider"),
    Organisation(SUPPLIER, RemotePartyRole.SUPPLIER, "supplier", xml_signing=True, prepayment=True),
    Organisation(Eui64(0x90B3D51F30010008), RemotePartyRole.LOAD_CONTROLLER, "loadController"),
    Organisation(NETWORK_OPERATOR, RemotePartyRole.NETWORK_OPERATOR, "networkOperator", xml_signing=True),
    Organisation(SUPPLIER_2, RemotePartyRole.SUPPLIER, "supplier2", prepayment=True),
    Organisation(OTHER_USER, RemotePartyRole.OTHER, "otherUser", xml_signing=True),
    Organisation(Eui64(0x90B3D51F30050000), RemotePartyRole.OTHER, "meterOperator", xml_signing=True),
)
"""The second supplier signs DUIS with its GBCS certificate."""


def organisation_certificates(smki: TestSmki) -> list[CertificateRecord]:
    return [record for party in ORGANISATIONS for record in smki.organisation_certificates(party)]


def everything(smki: TestSmki) -> list[CertificateRecord]:
    return organisation_certificates(smki) + [smki.device_certificate(ESME, usage) for usage in Usage]
