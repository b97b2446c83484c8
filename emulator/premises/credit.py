"""What is done to the money of a meter: changed terms, top-ups, debts, emergency credit, and what follows for supply and alerts.

The order in which a payment is used is ours: payment debt by its share within its cap, accumulated debt, emergency credit that
was used, and the rest to the meter balance.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from emulator.domain.errors import Malformed
from emulator.domain.identifiers import Eui64
from emulator.domain.vocabulary import RemotePartyRole
from emulator.gbcs import utrn
from emulator.gbcs.protect import shared_secret
from emulator.pki.certificates import CertificateRecord, Usage
from emulator.premises import billing, event_logs, supply, timers
from emulator.premises.accounts import (
    BELOW,
    COLLECTED,
    SPARED,
    brought_up,
    conditions,
    next_look_ms,
    note,
)
from emulator.premises.context import Context
from emulator.premises.credentials import Cell, held, own_key
from emulator.premises.state import Account, DeviceState
from emulator.premises.terms import terms_of

TIMER = "account"
"""The kind of timer that looks at an account again."""

PENNY = 1000
"""Hundred-thousandths of the unit of currency."""

SHARE_OF = 10_000
"""What the share of a payment that goes towards debt is of: 1000 is a tenth (test messages ECS07, inferred)."""

ADDED_LOCALLY, TAKEN, ARMED_BY_EMERGENCY = 0x810E, 0x81AB, 0x8168
OVER_BALANCE, DUPLICATE, OVER_TOP_UP, NOT_AUTHENTIC = 0x8F47, 0x8F51, 0x8F5B, 0x8F63
"""Alerts (alert_codes.csv)."""

COUNTERS_KEPT = 100
"""Top-up counters that a meter remembers; ours."""


@contextmanager
def changing(context: Context, device: DeviceState, now_ms: int) -> Iterator[Account]:
    """Bring the account up to date, let it or its terms be changed, and see to what follows."""
    account, happened = brought_up(context, device, now_ms)
    try:
        yield account
    finally:
        note(account, now_ms)
        for _, code in happened:
            event_logs.happened(context, device, code, now_ms)
        _look(context, device, account, now_ms)


def look(context: Context, device: DeviceState, now_ms: int) -> None:
    """The time has come at which something about the account is otherwise."""
    with changing(context, device, now_ms):
        pass


def _look(context: Context, device: DeviceState, account: Account, now_ms: int) -> None:
    """Report what is so now and was not, end or arm the supply, and see when to look again."""
    terms = terms_of(device)
    found = conditions(device, account, terms, now_ms)
    if BELOW in found and SPARED not in found and not account.cut_off:
        account.cut_off = True
        supply.switch(context, device, supply.OFF, "its credit is used up")
    elif BELOW not in found and account.cut_off:
        account.cut_off = False
        supply.arm(context, device, now_ms)
    for code in found:
        if code not in account.told:
            event_logs.happened(context, device, code, now_ms)
    account.told = found
    at_ms = next_look_ms(context, device, now_ms)
    if at_ms is None:
        timers.stop(device, TIMER)
    else:
        timers.start(context, device, TIMER, at_ms)


def take_emergency_credit(context: Context, device: DeviceState, now_ms: int) -> bool:
    """The customer or the supplier takes the emergency credit; False where there is none to be had."""
    terms = terms_of(device)
    with changing(context, device, now_ms) as account:
        if not terms.prepayment or account.emergency_taken or not terms.emergency_limit:
            return False
        if account.meter > terms.emergency_threshold:
            return False
        account.emergency_taken = True
        account.emergency_credit = terms.emergency_limit
        event_logs.happened(context, device, TAKEN, now_ms)
        if account.cut_off:
            event_logs.happened(context, device, ARMED_BY_EMERGENCY, now_ms)
    return True


def add_debt(account: Account, debt: int, amount: int) -> None:
    """Raise or lower a debt; it does not fall below nothing."""
    account.debts[debt] = max(0, account.debts[debt] + amount)


def pay(context: Context, device: DeviceState, account: Account, amount: int, now_ms: int) -> None:
    """Use a payment: for debts, for emergency credit, then as credit."""
    terms = terms_of(device)
    debt = billing.PAYMENT_DEBT
    towards = min(amount * terms.share // SHARE_OF, account.debts[debt])
    if terms.cap:
        paid = device.meter.debt_payments if device.meter else []
        since_ms = now_ms - terms.cap_period_ms
        towards = min(towards, max(0, terms.cap - sum(entry.amount for entry in paid if entry.at_ms > since_ms)))
    if towards:
        account.debts[debt] -= towards
        billing.log_debt_payment(device, towards, debt, account.debts[debt], now_ms)
        if not account.debts[debt]:
            event_logs.happened(context, device, COLLECTED[debt], now_ms)
    rest = amount - towards
    part = min(rest, account.accumulated_debt)
    account.accumulated_debt -= part
    rest -= part
    if account.emergency_taken:
        part = min(rest, terms.emergency_limit - account.emergency_credit)
        account.emergency_credit += part
        rest -= part
        if account.emergency_credit >= terms.emergency_limit:
            account.emergency_taken, account.emergency_credit = False, 0
    account.meter += rest


def top_up(context: Context, device: DeviceState, text: str, counter: int | None, now_ms: int) -> int | None:
    """Add the credit of a UTRN: the amount, or None where the meter refuses it, which it reports.

    ``counter`` is the top-up counter of the Command that brought it. None for a token that was typed in, of which only the low
    bits are known: then it is the first that would be new.
    """
    judged = _judge(context, device, text, counter)
    refusal, amount = judged.refusal, judged.amount
    with changing(context, device, now_ms) as account:
        terms = terms_of(device)
        if not refusal and terms.most_top_up and amount > terms.most_top_up:
            refusal = OVER_TOP_UP
        if not refusal and terms.most_balance and account.meter + amount > terms.most_balance:
            refusal = OVER_BALANCE
        if refusal:
            event_logs.happened(context, device, refusal, now_ms)
            context.note(device, f"refuses UTRN {text}: {refusal:04X}")
            return None
        before = account.counters if account.supplier == judged.supplier else []
        account.supplier, account.counters = judged.supplier, sorted([*before, judged.counter])[-COUNTERS_KEPT:]
        billing.log_credit(device, amount, text, now_ms)
        pay(context, device, account, amount, now_ms)
        if counter is None:
            event_logs.happened(context, device, ADDED_LOCALLY, now_ms)
        context.note(device, f"takes UTRN {text}: {amount / PENNY / 100:.2f}")
    return amount


@dataclass(frozen=True, slots=True)
class _Judged:
    """What a meter thinks of a token."""

    refusal: int
    """Alert code of why it is refused; 0: it is good so far."""
    amount: int = 0
    counter: int = 0
    supplier: int = 0


def _judge(context: Context, device: DeviceState, text: str, counter: int | None) -> _Judged:
    """Whether the supplier made the token for this meter, and whether it is new."""
    trusted = _supplier_key(context, device)
    private = own_key(context, device, Usage.KEY_AGREEMENT)
    try:
        token = utrn.read(text)
    except Malformed as error:
        context.note(device, f"cannot read a UTRN: {error}")
        return _Judged(NOT_AUTHENTIC)
    if trusted is None or private is None:
        context.note(device, "has no key to check a UTRN with")
        return _Judged(NOT_AUTHENTIC)
    taken, floor = _taken(device, trusted.eui), _floor(device)
    first = _first_new(token.counter_low, max(floor, *taken, 0)) if counter is None else counter
    secret = shared_secret(private, trusted.public_key)
    for candidate in (first, *(old for old in taken if old % (1 << utrn.COUNTER_BITS) == token.counter_low)):
        if utrn.is_authentic(token, secret, trusted.eui, Eui64(device.eui), candidate):
            forgotten = candidate <= floor or (len(taken) == COUNTERS_KEPT and candidate < taken[0])
            refusal = DUPLICATE if candidate in taken or forgotten else 0
            return _Judged(refusal, token.pence * PENNY, candidate, trusted.eui)
    return _Judged(NOT_AUTHENTIC)


def issue(context: Context, device: DeviceState, pence: int) -> str:
    """The UTRN of an amount as the supplier would give it to the customer: its key and that of the device agree on one secret.

    :class:`Malformed` for an amount that no token holds, or where the device knows no supplier.
    """
    trusted, private = _supplier_key(context, device), own_key(context, device, Usage.KEY_AGREEMENT)
    if trusted is None or private is None:
        raise Malformed(
            "the meter knows no supplier to buy credit from", where="device", expected="a meter with its certificates"
        )
    counter = max(_floor(device), *_taken(device, trusted.eui), 0) + 1
    return utrn.make(pence, shared_secret(private, trusted.public_key), trusted.eui, Eui64(device.eui), counter)


def _supplier_key(context: Context, device: DeviceState) -> CertificateRecord | None:
    """What the device holds of the supplier for top-ups."""
    return held(context, device, Cell(int(RemotePartyRole.SUPPLIER), Usage.KEY_AGREEMENT, prepayment=True))


def _taken(device: DeviceState, supplier: int) -> list[int]:
    """The top-up counters of a supplier's tokens that were taken."""
    account = device.account
    return account.counters if account is not None and account.supplier == supplier else []


def _floor(device: DeviceState) -> int:
    """What top-up counters must be above."""
    changed = device.changed_credentials
    return 0 if changed is None else changed.top_up_floor >> utrn.COUNTER_SHIFT


def _first_new(low: int, newest: int) -> int:
    """The first top-up counter with these low bits that is above the newest one that counts."""
    size = 1 << utrn.COUNTER_BITS
    return newest + 1 + (low - newest - 1) % size
