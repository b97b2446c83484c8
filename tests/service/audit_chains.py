"""Audit trails as an engine would make them, for tests of what keeps them."""

from emulator.domain.identifiers import format_eui
from emulator.dsp.audit import AuditState, Entry, append
from emulator.dsp.grants import devices_digest
from emulator.service.persistence.contract import AuditRow

USER, OTHER = "90-B3-D5-1F-30-01-00-00", "90-B3-D5-1F-30-03-00-00"


def device(number: int) -> str:
    """The EUI of a device."""
    return format_eui(0xFE00_0000_0000_0000 + number)


def request_id(number: int) -> str:
    """In lower case, as stock clients send it."""
    return f"{USER}:90-B3-D5-1F-30-00-00-02:{number}".lower()


class Chain:
    """A chain that grows."""

    def __init__(self) -> None:
        self.state = AuditState()
        self.rows: list[AuditRow] = []

    def add(self, seq: int = 1, devices: range | None = None, at_ms: int | None = None, **values: str) -> AuditRow:
        """A decision on one device, or on a list."""
        listed = () if devices is None else tuple(device(n) for n in devices)
        entry = Entry(
            kind=values.pop("kind", "decision"),
            outcome=values.pop("outcome", "I99"),
            devices=len(listed),
            devices_digest=devices_digest(int(eui.replace("-", ""), 16) for eui in listed) if listed else "",
            **values,  # type: ignore[arg-type]
        )
        number = self.state.number + 1
        self.rows.append(AuditRow(append(self.state, entry, number * 1_000 if at_ms is None else at_ms), seq, listed))
        return self.rows[-1]

    def some(self) -> "Chain":
        """Six records of different kinds; number 3 names devices 1 to 9, number 5 devices 8 to 600."""
        self.add(user=USER, device=device(1), request_id=request_id(1), variant="11.2")
        self.add(user=OTHER, device=device(2), request_id=request_id(2), variant="11.2", outcome="E11")
        self.add(2, range(1, 10), user=USER, request_id=request_id(3), variant="11.1", image_hash="aa" * 32)
        self.add(2, kind="inventory", device=device(2), before="00010000", after="00010100")
        self.add(3, range(8, 601), user=OTHER, request_id=request_id(5), variant="11.1", image_hash="bb" * 32, operator="J. Doe")
        self.add(3, kind="message", device=device(8), user=OTHER, outcome="8F72")
        return self
