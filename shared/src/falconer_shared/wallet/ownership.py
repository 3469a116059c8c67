"""Which inputs and outputs are the registered wallet's: by deriving again and comparing bytes, never by what
a PSBT says.

Derivation fields are hints: they name a place to look at (A015, A023). Whether the script is ours is decided
by the script that the registered descriptor derives there, and by nothing else (A016, A017, A019). So a false
hint can hide what is ours, and can never make ours what is not; hidden own money is counted as leaving, which
the intent then does not name.

Hints of one input or output must agree on one place, so that a hostile PSBT buys one derivation per script
and not thousands.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from falconer_shared.descriptor.ast import BRANCHES, CHANGE, MAX_INDEX
from falconer_shared.errors import VerificationError
from falconer_shared.wallet.registration import RegisteredWallet

MAX_OWN_OUTPUT_INDEX = 1_000_000
"""However high the known indexes are: whoever pays one coin to a far address raises them, and could then hide
change below it (A018). A million addresses are searched by anybody in minutes, so nothing can be held for
ransom there. Trezor draws the line at the same number.
"""

SEARCH_WIDTH = 20
"""Places on each side of the highest known index where an output without hints is looked for: change and
handed-out addresses lie there. A constant, not the gap limit, so that no setting makes it slow.
"""


class Hints(Protocol):
    """What an input or output map of a PSBT says about keys: public key to (master fingerprint, whole path), and
    taproot's x-only key to (hashes of leaves, master fingerprint, whole path).
    """

    @property
    def bip32_derivations(self) -> Mapping[bytes, tuple[bytes, tuple[int, ...]]]: ...

    @property
    def tap_bip32_derivations(self) -> Mapping[bytes, tuple[tuple[bytes, ...], bytes, tuple[int, ...]]]: ...


@dataclass(frozen=True, slots=True, order=True)
class OwnPlace:
    """A proven place in the registered wallet."""

    branch: int
    index: int

    @property
    def is_change(self) -> bool:
        """Whether it lies on the change branch: own change and own receive addresses are shown apart (A020)."""
        return self.branch == CHANGE

    def text(self) -> str:
        """`receive 7` or `change 3`."""
        return f"{'change' if self.is_change else 'receive'} {self.index}"


@dataclass(frozen=True, slots=True)
class KnownIndexes:
    """The highest index per branch that a journal, or a proven input, has seen. A branch that is not there is
    unused.
    """

    highest: Mapping[int, int]

    def __post_init__(self) -> None:
        if not set(self.highest) <= set(BRANCHES) or not all(
            -1 <= index <= MAX_INDEX for index in self.highest.values()
        ):
            raise ValueError("known indexes are per branch 0 and 1, from -1 (none) up")

    def highest_index(self, branch: int) -> int:
        """-1 where none is known."""
        return self.highest.get(branch, -1)

    def extended(self, places: Iterable[OwnPlace]) -> KnownIndexes:
        """With proven places counted in."""
        highest = dict(self.highest)
        for place in places:
            highest[place.branch] = max(highest.get(place.branch, -1), place.index)
        return KnownIndexes(highest)

    def reach(self, branch: int, gap_limit: int) -> int:
        """The highest index that an own output may have: what a wallet restored from the descriptor still
        finds (A018).
        """
        return min(self.highest_index(branch) + gap_limit, MAX_OWN_OUTPUT_INDEX)


def locate_input(wallet: RegisteredWallet, script_pubkey: bytes, hints: Hints) -> OwnPlace | None:
    """The place whose script the proven `script_pubkey` is, or None: not ours at the place that the hints
    name.

    Any index up to 2^31 - 1: coins that came to a far address must remain spendable. There is no search
    without hints: whoever builds a PSBT for this wallet knows the place, and guessing would only help one who
    does not say it.

    Raises:
        VerificationError: `derivation-hints-contradict`.
    """
    return _derived(wallet, script_pubkey, _hinted_place(wallet, hints))


def locate_output(
    wallet: RegisteredWallet, script_pubkey: bytes, hints: Hints, known: KnownIndexes | None = None
) -> OwnPlace | None:
    """The place whose script `script_pubkey` is, or None: it leaves the wallet as far as can be told.

    Whether the place is within reach (`KnownIndexes.reach`) is for the caller to judge: that refusal has its
    own id.

    With `known`, an output without a good hint is also looked up in a small window, `SEARCH_WIDTH` places
    before and after the highest known index of each branch. That costs 82 places once (the deriver remembers
    them: 7 ms for three keys, 43 ms for twenty) and one look-up afterwards. Nothing depends on it for
    safety: what is not recognised counts as leaving. It is done because then what a page calls own, and what
    an intent must name, does not depend on whether a coordinator, or a program on the way that trims fields,
    left the hints in. A search from 0 on would be complete, and slow for old wallets.

    Raises:
        VerificationError: `derivation-hints-contradict`.
    """
    place = _derived(wallet, script_pubkey, _hinted_place(wallet, hints))
    return _search(wallet, script_pubkey, known) if place is None and known is not None else place


def claims_ownership(wallet: RegisteredWallet, hints: Hints) -> bool:
    """Whether a hint names a key of the wallet by fingerprint and origin, at whatever branch and index.

    True for an output that `locate_output` did not find means: somebody marked as ours what is not (A015,
    A018).
    """
    return bool(_tails(wallet, hints))


def _hinted_place(wallet: RegisteredWallet, hints: Hints) -> OwnPlace | None:
    named: tuple[int, ...] | None = None
    for tail in _tails(wallet, hints):
        # exactly branch and index, unhardened: a longer path or another branch leads out of the wallet (A018)
        if len(tail) != 2 or tail[0] not in BRANCHES or tail[1] > MAX_INDEX:
            continue
        if named is not None and tail != named:
            raise VerificationError(
                "derivation-hints-contradict",
                f"the derivation fields of one script name two places, {OwnPlace(*named).text()} and {OwnPlace(*tail).text()}",
            )
        named = tail
    return None if named is None else OwnPlace(*named)


def _tails(wallet: RegisteredWallet, hints: Hints) -> list[tuple[int, ...]]:
    """What follows the origin in every hint that begins with fingerprint and origin of a key of the wallet."""
    named = list(hints.bip32_derivations.values())
    named += [(fingerprint, path) for _, fingerprint, path in hints.tap_bip32_derivations.values()]
    tails = []
    for fingerprint, path in named:
        for length, origins in wallet.origins:
            # a path that is shorter than `length` is none of the origins, which all have that length
            if (fingerprint, path[:length]) in origins:
                tails.append(path[length:])
    return tails


def _derived(wallet: RegisteredWallet, script_pubkey: bytes, place: OwnPlace | None) -> OwnPlace | None:
    if place is not None and wallet.scripts(place.branch, place.index).script_pubkey == script_pubkey:
        return place
    return None


def _search(wallet: RegisteredWallet, script_pubkey: bytes, known: KnownIndexes) -> OwnPlace | None:
    for branch in BRANCHES:
        highest = known.highest_index(branch)
        last = min(highest + SEARCH_WIDTH, known.reach(branch, wallet.gap_limit))
        index = wallet.find(script_pubkey, branch, range(max(0, highest - SEARCH_WIDTH), last + 1))
        if index is not None:
            return OwnPlace(branch, index)
    return None
