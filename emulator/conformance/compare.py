"""Compares produced messages with the published ones.

A signature cannot be reproduced, so the published one is put in and the MAC over it made again; then every octet counts. What is
not identical is looked at for its shape (:mod:`emulator.conformance.shapes`), and whether it verifies.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from emulator.conformance.cases import command_case, messages_in, octets_in
from emulator.conformance.keys import FolderKeys
from emulator.conformance.produce import ANY
from emulator.conformance.shapes import difference
from emulator.domain.errors import Malformed
from emulator.domain.identifiers import ACCESS_CONTROL_BROKER
from emulator.gbcs.dissect import Node
from emulator.gbcs.explain import KeyLookup, explain
from emulator.gbcs.message import Cra, GbcsMessage, decode_message
from emulator.gbcs.messagecodes import BETWEEN_DEVICES
from emulator.gbcs.protect import add_mac

IDENTICAL, SAME_SHAPE, DIFFERENT, MISSING = "identical", "same shape", "different", "not produced"


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one message compares."""

    case: str
    kind: str
    """``PRECOMMAND``, ``COMMAND``, ``RESPONSE`` or ``ALERT``, with what the published name adds."""
    use_case: str
    verdict: str
    code: int | None = None
    """Message code of the published message; None where that cannot be read."""
    octet: int | None = None
    """The first octet that differs, from 0."""
    where: str = ""
    """Where the shape differs, or why there is no message."""
    verified: bool | None = None
    """Whether signature, MAC and encryption of ours are right; None where the keys at hand cannot tell."""
    decoded: bool | None = None
    """Whether ours can be read to its last value; None where there is none."""
    expected: Node | None = None
    produced: Node | None = None
    """Both decoded, where they differ."""
    reason: str = ""
    """Why they differ, where that follows from the test set itself (:mod:`emulator.conformance.reasons`)."""


def compare_folders(
    produced: Path, published: Path, keystore: Path, reasons: Mapping[str, str] | None = None, only: Sequence[str] = ()
) -> list[Verdict]:
    """A verdict per published message; ``only`` names use cases or cases, ``reasons`` say per case why something is missing.

    What was produced is checked with the keys that lie beside it, where they are not those of the key store.
    Alerts that follow from the same Command are matched by what they say: their names do not.
    """
    ours, verdicts = messages_in(produced), []
    keys, own = FolderKeys(keystore), FolderKeys(keystore, produced)
    theirs = {case: kinds for case, kinds in messages_in(published).items() if is_wanted(case, only)}
    matched = _match_alerts(ours, theirs, keys)
    for case, kinds in theirs.items():
        why = (reasons or {}).get(command_case(case), "")
        for kind, path in kinds.items():
            mine = matched.get((case, kind)) if kind.startswith("ALERT") else ours.get(case, {}).get(kind)
            verdicts.append(_safely(case, kind, mine, path, (keys, own), why))
    return verdicts


Files = Mapping[str, Mapping[str, Path]]
"""Case → kind → file."""


def _match_alerts(ours: Files, theirs: Files, keys: KeyLookup) -> dict[tuple[str, str], Path]:
    """Published alert → the one of ours that follows from the same Command and is most like it, each of ours once."""

    def alerts(files: Files) -> dict[str, list[tuple[str, str, Path]]]:
        found: dict[str, list[tuple[str, str, Path]]] = {}
        for case, kinds in files.items():
            for kind, path in kinds.items():
                if kind.startswith("ALERT"):
                    found.setdefault(command_case(case), []).append((case, kind, path))
        return found

    made = alerts(ours)
    matched: dict[tuple[str, str], Path] = {}
    for behind, published in alerts(theirs).items():
        candidates = [path for _, _, path in made.get(behind, ())]
        wanted = {(case, kind): path for case, kind, path in published}
        matched |= _match(wanted, candidates, keys)
    return matched


def is_wanted(case: str, only: Sequence[str]) -> bool:
    """Whether a case is one of those named: by its use case or by the beginning of its name."""
    return not only or any(case.split("_")[0] == name or case.startswith(name + "_") or case == name for name in only)


Pair = tuple[KeyLookup, KeyLookup]
"""The keys for published messages, and those for ours."""


def compare(case: str, kind: str, made: Path | None, published: Path, pair: Pair, why: str = "") -> Verdict:
    """Compare one message; ``made`` is None where nothing was produced."""
    keys, own_keys = pair
    family, expected = case.split("_")[0], octets_in(published)
    theirs = decode_message(expected)
    code = theirs.message_code
    if made is None:
        return Verdict(case, kind, family, MISSING, code, where=why)
    own = octets_in(made)
    mine = decode_message(own)
    told = explain(own, own_keys)
    verified, decoded = _verified(told), "unreadable" not in told["result"] and not _unreadable(told)
    again = _with_signature(mine, theirs, keys)
    octets = again.encode()
    if octets == expected:
        return Verdict(case, kind, family, IDENTICAL, code, verified=verified, decoded=decoded)
    at = next((n for n, (a, b) in enumerate(zip(octets, expected, strict=False)) if a != b), min(len(octets), len(expected)))
    where = difference(mine, theirs, keys) or ""
    verdict = DIFFERENT if where else SAME_SHAPE
    return Verdict(case, kind, family, verdict, code, at, where, verified, decoded, explain(expected, keys), told)


def _safely(case: str, kind: str, made: Path | None, published: Path, pair: Pair, why: str) -> Verdict:
    try:
        return compare(case, kind, made, published, pair, why)
    except ANY as problem:
        return Verdict(case, kind, case.split("_")[0], DIFFERENT if made else MISSING, where=str(problem) or repr(problem))


def _match(published: Mapping[tuple[str, str], Path], made: list[Path], keys: KeyLookup) -> dict[tuple[str, str], Path]:
    """Each published alert → ours that is most like it, each of ours once."""
    found: dict[tuple[str, str], Path] = {}
    ranked = sorted(((_unlikeness(path, mine, keys), kind, n) for kind, path in published.items() for n, mine in enumerate(made)))
    taken: set[int] = set()
    for _, kind, number in ranked:
        if kind not in found and number not in taken:
            found[kind] = made[number]
            taken.add(number)
    return found


def _unlikeness(published: Path, made: Path, keys: KeyLookup) -> tuple[bool, int]:
    try:
        theirs, mine = decode_message(octets_in(published)), decode_message(octets_in(made))
    except Malformed:
        return True, 0
    unlike = sum(a != b for a, b in zip(mine.content, theirs.content, strict=False))
    return difference(mine, theirs, keys) is not None, unlike + abs(len(mine.content) - len(theirs.content))


def _with_signature(mine: GbcsMessage, theirs: GbcsMessage, keys: KeyLookup) -> GbcsMessage:
    """Ours with the published signature octets, and the MAC over them where the keys at hand make one."""
    if not (mine.signature and theirs.signature):
        return mine
    again = replace(mine, signature=theirs.signature, mac=None)
    if mine.mac is None:
        return again
    by_broker = mine.cra is Cra.COMMAND and mine.message_code not in BETWEEN_DEVICES
    first = ACCESS_CONTROL_BROKER if by_broker else mine.originator
    for own, other in ((first, mine.recipient), (mine.recipient, first)):
        private, public = keys.private_key(own, "KA"), keys.public_key(other, "KA")
        if private is not None and public is not None:
            return add_mac(again, private, public)
    return replace(again, mac=theirs.mac)


def _verified(told: Node) -> bool | None:
    """Whether all checks that can be made are passed, and the content can be read; None where nothing could be checked."""
    if _unreadable(told):
        return False
    said = {check["verdict"] for check in told["checks"]}
    return False if "invalid" in said else True if "valid" in said else None


def _unreadable(node: Node) -> bool:
    """Whether anything in a decoded message could not be read."""
    return any("unreadable" in field or _unreadable(field) for field in node.get("fields", []))
