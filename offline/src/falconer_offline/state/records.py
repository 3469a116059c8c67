"""The state's rows as typed values, read from a verified snapshot. Nothing here touches the disk."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from falconer_offline.state.schema import Row
from falconer_offline.state.store import State
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.encoding.reader import ByteReader, compact_size, prefixed
from falconer_shared.errors import AuditError, FalconerError, StateError, VerificationError
from falconer_shared.policy.history import Recorded, SpendEntry
from falconer_shared.policy.signed import InstalledPolicy, PinnedAdmins, SignedPolicy, replay
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import safe
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import KnownIndexes
from falconer_shared.wallet.registration import RegisteredWallet

RESERVED = "reserved"
"""Journaled, keys not yet unlocked, or the process died before it said more: counts, since a signature may
exist.
"""

SIGNED = "signed"
RELEASED = "released"
"""Proved unsigned: the process itself ended before a key was opened. The only outcome that does not count."""

MAX_SIGNATURES = 64
"""Signatures kept with a policy: twice as many as it has administrators."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One of our Bitcoin keys. `sealed` is None for a key whose words are typed each time."""

    name: str
    fingerprint: str
    created: int
    sealed: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class DeviceRecord:
    """A key of ours that lives in a hardware wallet. `kind` is HWI's name for it; `xpubs` are those that it gave here, by
    path (`84h/1h/0h`). Nothing of it is secret.
    """

    name: str
    fingerprint: str
    kind: str
    model: str
    xpubs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds one key of a wallet: `key` names ours, None where it is somebody else's. `who` is what the
    person answered.
    """

    position: int
    who: str
    key: str | None


THIS_MACHINE = "this machine"
"""The answer that says: here and nowhere else."""


@dataclass(frozen=True, slots=True)
class ReceiptRecord:
    """A receipt that this machine signed."""

    wallet_id: str
    number: int
    text: bytes
    signature: bytes


def network(state: State) -> Network:
    """The one network of this home."""
    return Network.parse(state.fact("network"))


def time_mark(state: State) -> int:
    """Seconds since 1970 that the clock may not be behind: the latest time that the journal holds."""
    return int(state.fact("time-mark"))


def admins(state: State) -> PinnedAdmins:
    """The administrators pinned at `init`."""
    return PinnedAdmins(tuple(SshPublicKey.parse(_text(row[0])) for row in state.rows["admins"]))


def keys(state: State) -> tuple[KeyRecord, ...]:
    """Our keys by name."""
    return tuple(
        KeyRecord(
            _text(name), _text(fingerprint), _number(created), None if sealed is None else _bytes(sealed)
        )
        for name, fingerprint, created, sealed in state.rows["keys"]
    )


def key(state: State, name: str) -> KeyRecord:
    """One of our keys.

    Raises:
        StateError: `key-unknown`.
    """
    for record in keys(state):
        if record.name == name:
            return record
    raise StateError(
        "key-unknown",
        f"there is no key '{safe(name, 64)}' here",
        remedy="falconer-offline key list shows them",
    )


def devices(state: State) -> Mapping[str, DeviceRecord]:
    """Our keys that live in hardware wallets, by name."""
    fingerprints = {record.name: record.fingerprint for record in keys(state)}
    xpubs: dict[str, dict[str, str]] = {}
    for name, path, xpub in state.rows.get("device_xpubs", ()):
        xpubs.setdefault(_text(name), {})[_text(path)] = _text(xpub)
    found: dict[str, DeviceRecord] = {}
    for row in state.rows.get("devices", ()):
        name, kind, model = map(_text, row)
        if name not in fingerprints:
            raise AuditError("state-tampered", f"device '{safe(name, 64)}' is none of the keys")
        found[name] = DeviceRecord(name, fingerprints[name], kind, model, xpubs.get(name, {}))
    return found


def wallets(state: State) -> tuple[RegisteredWallet, ...]:
    """The registered wallets by name, their descriptors parsed again."""
    return tuple(_wallet(state, row) for row in state.rows["wallets"])


def wallet(state: State, name: str) -> RegisteredWallet:
    """A registered wallet by name.

    Raises:
        StateError: `wallet-unknown`.
    """
    for row in state.rows["wallets"]:
        if row[0] == name:
            return _wallet(state, row)
    raise StateError(
        "wallet-unknown",
        f"there is no wallet '{safe(name, 64)}' here",
        remedy="falconer-offline wallet list shows them",
    )


def wallet_by_id(state: State, wallet_id: str) -> RegisteredWallet:
    """A registered wallet by id; only registration teaches a wallet, never a request (A028).

    Raises:
        VerificationError: `wallet-not-registered`.
    """
    for row in state.rows["wallets"]:
        if row[1] == wallet_id:
            return _wallet(state, row)
    raise VerificationError(
        "wallet-not-registered",
        f"wallet {safe(wallet_id, 64)} is not registered on this machine",
        remedy="falconer-offline wallet register, with the descriptor from people whom you trust",
    )


def _wallet(state: State, row: Row) -> RegisteredWallet:
    registered = RegisteredWallet.restore(_text(row[0]), network(state), _text(row[2]), _number(row[3]))
    if registered.wallet_id != row[1]:
        raise AuditError(
            "state-tampered", f"wallet '{safe(_text(row[0]), 64)}' has another id than its descriptor"
        )
    return registered


def holders(state: State, wallet_id: str) -> tuple[Holder, ...]:
    """Who holds each key of a wallet, in the order of its descriptor."""
    return tuple(
        Holder(_number(position), _text(who), None if mine is None else _text(mine))
        for found, position, who, mine in state.rows["holders"]
        if found == wallet_id
    )


def known_indexes(state: State, wallet_id: str) -> KnownIndexes:
    """Highest address index per branch that the journal has seen used."""
    return KnownIndexes(
        {
            _number(branch): _number(highest)
            for found, branch, highest in state.rows["indexes"]
            if found == wallet_id
        }
    )


def policy_chain(state: State, wallet_id: str) -> tuple[SignedPolicy, ...]:
    """Every policy that was installed for a wallet, in the order of versions."""
    return tuple(
        SignedPolicy(_bytes(text), unpack_signatures(_bytes(signatures)))
        for found, _version, text, signatures in state.rows["policies"]
        if found == wallet_id
    )


def policy(state: State, registered: RegisteredWallet) -> InstalledPolicy:
    """The policy in force for a wallet: the whole chain walked again from the pinned administrators.

    Raises:
        StateError: `policy-missing`.
        AuditError: `state-tampered` where the chain does not verify.
    """
    chain = policy_chain(state, registered.wallet_id)
    if not chain:
        raise StateError(
            "policy-missing",
            f"no policy is installed for wallet '{registered.name}'",
            remedy="falconer-offline policy install FILE --signature FILE",
        )
    try:
        return replay(chain, admins(state), network=network(state), wallet_id=registered.wallet_id)
    except FalconerError as refused:
        raise AuditError(
            "state-tampered", f"an installed policy does not verify: {refused.message}"
        ) from None


def pack_signatures(signatures: Sequence[bytes]) -> bytes:
    """Signatures in one value: a count, then each with its length."""
    return compact_size(len(signatures)) + b"".join(prefixed(signature) for signature in signatures)


def unpack_signatures(data: bytes) -> tuple[bytes, ...]:
    """The inverse of `pack_signatures`."""
    reader = ByteReader(data, "policy signatures", "state-tampered")
    count = reader.compact_size()
    if count > MAX_SIGNATURES:
        raise reader.error(f"{count} signatures")
    signatures = tuple(reader.prefixed() for _ in range(count))
    reader.end()
    return signatures


def receipts(state: State, wallet_id: str) -> tuple[ReceiptRecord, ...]:
    """The receipts of this machine for a wallet, numbered from 1 without a gap.

    Raises:
        AuditError: `state-tampered`.
    """
    found = [
        ReceiptRecord(wallet_id, _number(number), _bytes(text), _bytes(signature))
        for owner, number, text, signature in state.rows["receipts"]
        if owner == wallet_id
    ]
    if [record.number for record in found] != list(range(1, len(found) + 1)):
        raise AuditError("state-tampered", "the receipts are not numbered without a gap")
    return tuple(found)


def spends(state: State, wallet_id: str) -> tuple[tuple[SpendEntry, str], ...]:
    """Every spend of a wallet that may confirm, in order, with its outcome: `RESERVED` or `SIGNED`."""
    history = JournalHistory(state, wallet_id)
    return tuple((_entry(row), _text(row[-1])) for row in history.rows())


@dataclass(frozen=True, slots=True)
class JournalHistory:
    """The journal as a `SpendHistory`: of a snapshot, and of one wallet."""

    state: State
    wallet_id: str

    def entries(self, since: int) -> Sequence[SpendEntry]:
        """Every spend that may confirm and was reserved after `since`; the released ones cannot confirm."""
        return [_entry(row) for row in self.rows() if _number(row[-2]) > since]

    def used(self, scripts: Collection[bytes], besides: OutPoint) -> frozenset[bytes]:
        """Those of `scripts` that another spend of this machine touched."""
        return self._recorded().used(scripts, besides)

    def approved_before(self, requester: str, strategy: str, besides: OutPoint, *, paying: bool) -> bool:
        """Whether this machine saw another spend approved for this requester and strategy."""
        return self._recorded().approved_before(requester, strategy, besides, paying=paying)

    def rows(self) -> Sequence[Row]:
        """The rows of this wallet's spends; the released ones left out."""
        return [row for row in self.state.rows["spends"] if row[1] == self.wallet_id and row[-1] != RELEASED]

    def _recorded(self) -> Recorded:
        """All of it: the snapshot is in memory as a whole, so that one pass over it answers every question."""
        return Recorded.of(map(_entry, self.rows()))


def _entry(row: Row) -> SpendEntry:
    _, _, anchor, unsigned_hash, spent, paid, own, approved, requester, strategy, decided, at, _ = row
    return SpendEntry(
        anchor=OutPoint.parse_text(_text(anchor)),
        unsigned_hash=_text(unsigned_hash),
        spent=Amount(_number(spent)),
        paid=unpack_paid(_text(paid)),
        own=unpack_scripts(_text(own)),
        approved=bool(approved),
        requester=_text(requester),
        strategy=_text(strategy),
        decided=_number(decided),
        at=_number(at),
    )


def pack_paid(paid: Mapping[bytes, int]) -> str:
    """Payments by script as one text: lines of the script in hex and the satoshis, sorted."""
    return "\n".join(f"{script.hex()} {sats}" for script, sats in sorted(paid.items()))


def unpack_paid(text: str) -> dict[bytes, int]:
    """The inverse of `pack_paid`."""
    pairs = (line.split(" ") for line in text.split("\n") if line)
    return {bytes.fromhex(script): int(sats) for script, sats in pairs}


def pack_scripts(scripts: Iterable[bytes]) -> str:
    """Scripts as one text: a line in hex each, sorted."""
    return "\n".join(script.hex() for script in sorted(scripts))


def unpack_scripts(text: str) -> frozenset[bytes]:
    """The inverse of `pack_scripts`."""
    return frozenset(bytes.fromhex(line) for line in text.split("\n") if line)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise AuditError("state-tampered", "the state holds something other than text where text must stand")
    return value


def _number(value: object) -> int:
    if not isinstance(value, int):
        raise AuditError(
            "state-tampered", "the state holds something other than a number where a number must stand"
        )
    return value


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise AuditError(
            "state-tampered", "the state holds something other than bytes where bytes must stand"
        )
    return value
