"""Closed enumerations of DUIS and GBCS, spelled as the specifications spell them (source: reference duis/duis.md, certain)."""

from enum import IntEnum, StrEnum


class Word(StrEnum):
    """Words that tables are looked up by, several times a request: a word has the hash of the text that it equals, where that of
    an enumeration is a call of Python."""

    __hash__ = str.__hash__


class DeviceType(Word):
    """Device types of the Smart Metering Inventory (duis.md 7.1)."""

    ESME = "ESME"
    GSME = "GSME"
    GPF = "GPF"
    CHF = "CHF"
    HCALCS = "HCALCS"
    PPMID = "PPMID"
    IHD = "IHD"
    CAD = "CAD"

    @property
    def type_2(self) -> bool:
        """Type 2 devices are listed in the inventory without a status (duis.md 7.7)."""
        return self in (DeviceType.IHD, DeviceType.CAD)


class DeviceStatus(Word):
    """Inventory statuses (duis.md 7.1)."""

    PENDING = "Pending"
    WHITELISTED = "Whitelisted"
    INSTALLED_NOT_COMMISSIONED = "InstalledNotCommissioned"
    COMMISSIONED = "Commissioned"
    DECOMMISSIONED = "Decommissioned"
    WITHDRAWN = "Withdrawn"
    SUSPENDED = "Suspended"
    RECOVERY = "Recovery"
    RECOVERED = "Recovered"


class CplStatus(Word):
    """Status of an entry of the Central Products List (duis.md 6.3)."""

    ACTIVE = "Active"
    CANCELLED = "Cancelled"
    EXPIRED = "Expired"
    WITHDRAWN = "Withdrawn"


class UserRole(Word):
    """Roles in which a user acts (duis.md section 5)."""

    IS = "IS"
    ES = "ES"
    GS = "GS"
    RSA = "RSA"
    ED = "ED"
    GT = "GT"
    OU = "OU"


class RemotePartyRole(IntEnum):
    """Remote Party Roles of SMKI certificates and device credentials (duis.md 2.2, gbcs.md 8)."""

    ROOT = 0
    RECOVERY = 1
    SUPPLIER = 2
    NETWORK_OPERATOR = 3
    ACCESS_CONTROL_BROKER = 4
    TRANSITIONAL_COS = 5
    WAN_PROVIDER = 6
    ISSUING_AUTHORITY = 7
    LOAD_CONTROLLER = 8
    OTHER = 127
    XML_SIGN = 135
    DSP_XML_SIGN = 137


class WebService(Word):
    """The three DUIS web services, named by the last letter of their path (wire_contract.md section 1)."""

    TRANSFORM = "T"
    SEND_COMMAND = "S"
    NON_DEVICE = "D"


class CspRegion(Word):
    """Regions as the inventory names them (duis.md 7.1)."""

    NORTH = "North"
    CENTRAL = "Central"
    SOUTH = "South"
    NORTH_4G = "4G North"
    CENTRAL_4G = "4G Central"
    SOUTH_4G = "4G South"
    UNKNOWN = "Unknown"
    SMETS1 = "SMETS1"


class FirmwareTransferCode(IntEnum):
    """transferResponseCode of CCS08, named as TransferResponseCode of DUIS (ota.md section 4)."""

    FileTransferSuccess = 0
    FirmwareImageDiscarded = 1
    HardwareVersionMismatch = 2
    FileTransferFailure = 3


class ActivateImageCode(IntEnum):
    """activateImageResponseCode of CS06 (ota.md section 4)."""

    SUCCESS = 0
    NO_IMAGE_HELD = 1
    HASH_MISMATCH = 2
    ACTIVATION_FAILURE = 3
