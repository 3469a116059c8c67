"""The registered wallet: a descriptor that people looked at once, and that everything afterwards is measured
by.

Invariants of a `RegisteredWallet`, in the order in which `register` proves them:

1. the name is an id of ours, so that it is safe to show and to compare;
2. the descriptor parsed under every rule of `descriptor.parse` for this very network (A042);
3. its key origins do not name another network's coin type (A094);
4. its id is SHA-256 of the canonical descriptor, so that two people compare one thing (A027, A029).

Not proven here: that a key is ours (only the machine that holds it can derive it; it must, at registration,
A027), and that the keys are those of the people one thinks of: that is what reading ids to each other is for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable
from dataclasses import InitVar, dataclass, field

from falconer_shared.bitcoin.address import address_of
from falconer_shared.bitcoin.bip32 import HARDENED
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import BRANCHES, DescriptorKey, Node, Scripts
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.descriptor.derive import Deriver
from falconer_shared.descriptor.parse import parse_canonical, parse_descriptor
from falconer_shared.errors import Malformed, VerificationError
from falconer_shared.seal import Seal
from falconer_shared.text import is_token, safe

_MINT = Seal(__name__)

DEFAULT_GAP_LIMIT = 20
"""Unused addresses in a row after which a restored wallet stops looking (BIP 44)."""

MAX_GAP_LIMIT = 1000
"""More would make every restore slow, and hide coins better than it helps anybody (A018)."""

PLACES_COMPARED = 20
"""Places of each branch that are compared with other wallets. With three keys, a form that sorts them and one that does not have
one place in six in common.
"""

Origin = tuple[bytes, tuple[int, ...]]
"""Fingerprint of a master key and a path from it."""

_PURPOSES_WITH_COIN_TYPE = frozenset({44, 48, 49, 84, 86, 87})
"""First path steps of BIP 44 and its children, whose second step is a coin type."""


@dataclass(frozen=True, slots=True)
class RegisteredWallet:
    """A wallet under its name. `gap_limit`: addresses, in a row and per branch. Made by `register` and
    `restore` alone.

    `wallet_id`: SHA-256 of `canonical`, lower-case hex.
    """

    name: str
    network: Network
    descriptor: Node
    wallet_id: str
    canonical: str
    gap_limit: int
    seal: InitVar[Seal]
    origins: tuple[tuple[int, frozenset[Origin]], ...] = field(init=False, repr=False, compare=False)
    """Master fingerprint and path of every key, by the length of the path."""
    _deriver: Deriver = field(init=False, repr=False, compare=False)

    def __post_init__(self, seal: Seal) -> None:
        _MINT.check(seal)
        named = frozenset((key.fingerprint, key.origin) for key in self.descriptor.keys)
        by_length = {
            length: frozenset(origin for origin in named if len(origin[1]) == length)
            for length in {len(path) for _, path in named}
        }
        object.__setattr__(self, "origins", tuple(by_length.items()))
        object.__setattr__(self, "_deriver", Deriver(self.descriptor))

    @classmethod
    def register(
        cls, name: str, network: Network, descriptor_text: str, gap_limit: int = DEFAULT_GAP_LIMIT
    ) -> RegisteredWallet:
        """The wallet of a descriptor that a person hands over, with its checksum.

        Raises:
            Malformed: `wallet-name-malformed`, `wallet-gap-limit-out-of-range`, and what `parse_descriptor`
                raises.
            VerificationError: `wallet-coin-type-mismatch`, and what `parse_descriptor` raises.
        """
        return _mint(name, network, parse_descriptor(descriptor_text, network), gap_limit)

    @classmethod
    def restore(cls, name: str, network: Network, canonical: str, gap_limit: int) -> RegisteredWallet:
        """The wallet as this program stored it: `canonical` has no checksum, because the state around it is
        signed.

        Raises:
            Malformed: `descriptor-not-canonical`, and what `register` raises.
            VerificationError: what `register` raises.
        """
        return _mint(name, network, parse_canonical(canonical, network), gap_limit)

    @property
    def descriptor_text(self) -> str:
        """The canonical descriptor with its checksum, for people and nodes."""
        return with_checksum(self.canonical)

    @property
    def keys(self) -> tuple[DescriptorKey, ...]:
        """In the order of the descriptor; an index into it is a key position."""
        return self.descriptor.keys

    @property
    def threshold(self) -> int:
        """k: the size of the smallest set of keys that can spend."""
        return self.descriptor.threshold

    @property
    def size(self) -> int:
        """n: the number of keys."""
        return len(self.descriptor.keys)

    def scripts(self, branch: int, index: int) -> Scripts:
        """The scripts of a place; ValueError where there is no such place."""
        return self._deriver.scripts(branch, index)

    def find(self, script_pubkey: bytes, branch: int, indexes: range) -> int | None:
        """The first index of these whose script that is."""
        return self._deriver.find(script_pubkey, branch, indexes)

    def address(self, branch: int, index: int) -> str:
        """The address of a place on this wallet's network, derived here (A026)."""
        return address_of(self.scripts(branch, index).script_pubkey, self.network)

    def derivations(self, branch: int, index: int) -> dict[bytes, tuple[bytes, tuple[int, ...]]]:
        """Public key to (master fingerprint, whole path) of a place, as PSBT derivation fields say it."""
        return self._deriver.derivations(branch, index)

    def notes(self) -> tuple[str, ...]:
        """What a person should know before registering, in sentences; empty where there is nothing to say.

        Keys of one master fingerprint are different keys, and one seed behind them is likely: whoever finds
        it has them all.
        """
        holders: dict[bytes, list[int]] = {}
        for position, key in enumerate(self.keys):
            holders.setdefault(key.fingerprint, []).append(position + 1)
        return tuple(
            f"keys {', '.join(map(str, numbers))} name one master key ({fingerprint.hex()}): one seed signs for all of them"
            for fingerprint, numbers in holders.items()
            if len(numbers) > 1
        )


def quorums_without(wallet: RegisteredWallet, held_here: Collection[int]) -> tuple[tuple[int, ...], ...]:
    """Every minimal set of key positions that can spend without any key of `held_here` (positions, from 0).

    As long as one is left, the guarantees of the machine that holds `held_here` do not bind whoever holds
    that set: `wallet register` must show it. At most 184,756 sets (10 of 20).
    """
    held = set(held_here)
    if not held <= set(range(wallet.size)):
        raise ValueError(f"key positions run from 0 to {wallet.size - 1}")
    return tuple(
        wallet.descriptor.quorums([position for position in range(wallet.size) if position not in held])
    )


def check_no_shared_coins(wallet: RegisteredWallet, others: Iterable[RegisteredWallet]) -> None:
    """Accept a wallet that holds no coin of another one, as far as the first addresses of both tell.

    `sortedmulti` sorts its keys at every place, so that two orders of them in a descriptor are two ids for the very same coins,
    and `multi` has some addresses in common with both. A second id would have a policy, a history and limits of its own.

    Raises:
        VerificationError: `wallet-same-coins`.
    """
    places = [(branch, index) for branch in BRANCHES for index in range(PLACES_COMPARED)]
    scripts = {wallet.scripts(*place).script_pubkey for place in places}
    for other in others:
        if any(other.scripts(*place).script_pubkey in scripts for place in places):
            raise VerificationError(
                "wallet-same-coins",
                f"wallet '{other.name}' has the same addresses under another descriptor",
                remedy="use that wallet: limits count for one descriptor",
                wallet=other.wallet_id,
            )


def _mint(name: str, network: Network, node: Node, gap_limit: int) -> RegisteredWallet:
    if not is_token(name):
        raise Malformed(
            "wallet-name-malformed",
            f"'{safe(name, 64)}' cannot name a wallet: 1 to 64 of a-z, 0-9, dot, underscore, hyphen",
        )
    if type(gap_limit) is not int or not 1 <= gap_limit <= MAX_GAP_LIMIT:
        raise Malformed(
            "wallet-gap-limit-out-of-range", f"a gap limit of {gap_limit} is outside 1 to {MAX_GAP_LIMIT}"
        )
    for number, key in enumerate(node.keys, start=1):
        _check_coin_type(number, key, network)
    canonical = node.text()
    wallet_id = hashlib.sha256(canonical.encode("ascii")).hexdigest()
    return RegisteredWallet(name, network, node, wallet_id, canonical, gap_limit, _MINT)


def _check_coin_type(number: int, key: DescriptorKey, network: Network) -> None:
    """The second step of a BIP 44 style path names the coin: a mainnet key under a test network's label is
    how coins are spent by people who believe they are testing (A094). Other purposes and bare paths carry no
    such statement.
    """
    if len(key.origin) < 2 or key.origin[0] - HARDENED not in _PURPOSES_WITH_COIN_TYPE:
        return
    if key.origin[1] != HARDENED + network.coin_type:
        raise VerificationError(
            "wallet-coin-type-mismatch",
            f"key {number} {key.origin_text()} is not a {network.label} key: the second step of its path must be"
            f" {network.coin_type}h",
            remedy=f"Export the account with coin type {network.coin_type}h, or register it on the network that it belongs to.",
            key=number,
        )
