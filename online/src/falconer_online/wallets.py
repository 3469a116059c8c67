"""Wallets: composing a descriptor, registering it, handing out addresses, seeing coins.

The descriptor decides what is ours. The node watches for us under a wallet of its own; whether a coin that it
shows is ours is decided by deriving its script again, and a receive address never comes from the node.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from falconer_online.chain.node import Coin, Node, Progress
from falconer_online.coordinator import Coordinator, node_wallet_name
from falconer_online.states import HOLDS_COINS
from falconer_online.store.rows import FrozenRow, WalletRow
from falconer_online.store.view import View
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.errors import StateError, UsageError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.text import is_token, safe
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet

RECEIVE, CHANGE = 0, 1

WATCHED_INDEXES = 1000
"""Addresses of each branch that the node watches from the start, and our search limit: the custom of Bitcoin
Core.
"""

_MULTIPATH = "/<0;1>/*"
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z", re.ASCII)
_HEIGHT = re.compile(r"[0-9]{1,9}\Z", re.ASCII)


FORMS: Mapping[str, str] = {
    "pkh": "pkh({})",
    "sh-wpkh": "sh(wpkh({}))",
    "wpkh": "wpkh({})",
    "tr": "tr({})",
    "sh": "sh(sortedmulti({}))",
    "sh-wsh": "sh(wsh(sortedmulti({})))",
    "wsh": "wsh(sortedmulti({}))",
}
"""The forms that `compose` makes: by the name of the form, the descriptor around its key, or around threshold and keys."""

_OF_SEVERAL = frozenset({"sh", "sh-wsh", "wsh"})

_BY_PATH = (
    (re.compile(r"44h/"), "pkh"),
    (re.compile(r"49h/"), "sh-wpkh"),
    (re.compile(r"84h/"), "wpkh"),
    (re.compile(r"86h/"), "tr"),
    (re.compile(r"45h"), "sh"),
    (re.compile(r"48h/[0-9]+h/[0-9]+h/1h"), "sh-wsh"),
    (re.compile(r"48h/[0-9]+h/[0-9]+h/2h"), "wsh"),
)
"""What the path of a key says that it is for (BIP 44, 45, 48, 49, 84, 86)."""


def compose(
    key_expressions: Sequence[str], threshold: int | None, network: Network, form: str | None = None
) -> RegisteredWallet:
    """The wallet of these keys in one of `FORMS`: without `form`, the one that the keys' paths are for.

    Where the paths say nothing that fits, `wpkh` of one key without a threshold, and else `wsh`.

    Raises:
        UsageError: `wallet-threshold`, `wallet-form`, `key-expression`. What registering raises for keys that are no good.
    """
    keys = [_key_expression(text) for text in key_expressions]
    if threshold is None and len(keys) != 1:
        raise UsageError(
            "wallet-threshold",
            f"{len(keys)} keys and no threshold",
            remedy="say how many must sign: --threshold K",
        )
    if threshold is not None and not 1 <= threshold <= len(keys):
        raise UsageError("wallet-threshold", f"{threshold} of {len(keys)} keys cannot be")
    chosen = form or _form_of_paths(keys, several=threshold is not None)
    if (chosen in _OF_SEVERAL) != (threshold is not None):
        raise UsageError(
            "wallet-form",
            f"the form {chosen} takes {'keys and a threshold' if threshold is None else 'one key and no threshold'}",
            remedy=f"--form with --threshold: {', '.join(sorted(_OF_SEVERAL))}; without it: the others",
        )
    inner = [*([] if threshold is None else [str(threshold)]), *(key + _MULTIPATH for key in keys)]
    body = FORMS[chosen].format(",".join(inner))
    return RegisteredWallet.register("composed", network, with_checksum(body))


def _form_of_paths(keys: Sequence[str], *, several: bool) -> str:
    """The form that all the keys' paths are for, if it takes so many keys."""
    paths = [key[len("[00000000/") : key.index("]")].replace("'", "h").replace("H", "h") for key in keys]
    meant = {next((form for path, form in _BY_PATH if path.match(text)), None) for text in paths}
    fitting = [form for form in meant if form is not None and (form in _OF_SEVERAL) == several]
    if len(meant) == 1 and fitting:
        return fitting[0]
    return "wsh" if several else "wpkh"


def _key_expression(text: str) -> str:
    line = text.strip()
    if not re.fullmatch(r"\[[0-9a-fA-F]{8}(?:/[0-9]+[h'H]?)*\][1-9A-HJ-NP-Za-km-z]+", line, re.ASCII):
        raise UsageError(
            "key-expression",
            f"'{safe(line, 60)}' is not a key like [fingerprint/84h/1h/0h]tpub...",
            remedy="give the files that falconer-offline key xpub wrote",
        )
    return line


@dataclass(frozen=True, slots=True)
class Birthday:
    """Where a rescan begins: a height, or a time in seconds since 1970."""

    height: int | None
    time: int | None


def parse_birthday(text: str) -> Birthday:
    """A block height or a date `2026-01-31`.

    Raises:
        UsageError: `wallet-birthday`.
    """
    if _HEIGHT.match(text):
        return Birthday(int(text), None)
    if _DATE.match(text):
        try:
            return Birthday(None, int(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC).timestamp()))
        except ValueError:
            pass
    raise UsageError(
        "wallet-birthday", f"'{safe(text, 30)}' is neither a block height nor a date like 2026-01-31"
    )


def register(
    coordinator: Coordinator, name: str, descriptor: str, birthday: Birthday | None, progress: Progress
) -> RegisteredWallet:
    """Register a wallet here and at the node, and look for its past.

    Registering the same wallet again under the same name watches it anew, which brings a lost node wallet
    back.

    Raises:
        UsageError: `wallet-name`. StateError: `wallet-registered`.
    """
    if not is_token(name):
        raise UsageError("wallet-name", f"'{safe(name)}' is not a name of 1 to 64 characters a-z 0-9 . _ -")
    wallet = RegisteredWallet.register(name, coordinator.config.network, descriptor.strip())
    with coordinator.exclusive():
        known = _registered(coordinator, wallet)
        highest = _watch(coordinator.node, wallet, birthday, progress)
        if known is None:
            row = WalletRow(
                wallet.wallet_id,
                name,
                wallet.descriptor_text,
                highest[RECEIVE] + 1,
                highest[RECEIVE],
                highest[CHANGE],
            )
            with coordinator.store.change(coordinator.clock()) as change:
                change.add_wallet(row)
    return wallet


def _registered(coordinator: Coordinator, wallet: RegisteredWallet) -> WalletRow | None:
    with coordinator.store.read() as view:
        for row in view.wallets():
            if (row.name == wallet.name) != (row.wallet_id == wallet.wallet_id):
                raise StateError(
                    "wallet-registered",
                    f"wallet {safe(row.name)} is registered already, with the id {row.wallet_id}",
                    remedy="take another name" if row.name == wallet.name else f"use it as {safe(row.name)}",
                )
            if row.wallet_id == wallet.wallet_id:
                return row
    return None


def _watch(
    node: Node, wallet: RegisteredWallet, birthday: Birthday | None, progress: Progress
) -> Mapping[int, int]:
    name = node_wallet_name(wallet.wallet_id)
    node.open_wallet(name)
    node.import_descriptors(
        name, [with_checksum(branch_descriptor(wallet, b)) for b in (RECEIVE, CHANGE)], WATCHED_INDEXES - 1
    )
    if birthday is not None:
        height = birthday.height if birthday.height is not None else _height_before(node, birthday.time or 0)
        node.rescan(name, max(height, node.status().lowest_height), progress)
    # what the node says of used indexes is believed up to what it was told to watch: no address beyond can be lost there
    return {
        branch: min(_next_index(node, wallet, branch), WATCHED_INDEXES) - 1 for branch in (RECEIVE, CHANGE)
    }


_CLOCK_SLACK = 7200
"""Block times may be two hours off (consensus), so a search by time begins that much earlier."""


def _height_before(node: Node, seconds: int) -> int:
    """The last height surely before that time, by halving: block times rise but for two hours."""
    low, high = node.status().lowest_height, node.status().height
    while low < high:
        middle = (low + high + 1) // 2
        if node.block_time(middle) < seconds - _CLOCK_SLACK:
            low = middle
        else:
            high = middle - 1
    return low


def branch_descriptor(wallet: RegisteredWallet, branch: int) -> str:
    """The canonical descriptor of one branch, without checksum: nodes before version 29 know no multipath."""
    return wallet.canonical.replace(_MULTIPATH, f"/{branch}/*")


def _next_index(node: Node, wallet: RegisteredWallet, branch: int) -> int:
    found = node.next_indexes(node_wallet_name(wallet.wallet_id))
    wanted = branch_descriptor(wallet, branch)
    if wanted not in found:
        raise StateError(
            "node-wallet-differs",
            "the node's wallet does not watch the registered descriptor",
            remedy="falconer wallet register again, with --birthday, watches it anew",
        )
    return found[wanted]


def receive_address(
    coordinator: Coordinator, row: WalletRow, *, new: bool, index: int | None
) -> tuple[int, str]:
    """An address to be paid at: the lowest that is neither used on chain nor, with `new`, handed out before.

    Raises:
        UsageError: `address-index`. StateError: `address-gap`.
    """
    wallet = coordinator.wallet(row)
    if index is not None:
        if not 0 <= index < WATCHED_INDEXES:
            raise UsageError("address-index", f"index {index} is not between 0 and {WATCHED_INDEXES - 1}")
        return index, wallet.address(RECEIVE, index)
    with coordinator.exclusive():
        used = min(_next_index(coordinator.node, wallet, RECEIVE), WATCHED_INDEXES)
        with coordinator.store.change(coordinator.clock()) as change:
            row = change.wallet_by_id(row.wallet_id)
            # used: the node saw addresses below it paid. The last one handed out is given again until it is paid
            wanted = max(used, row.next_receive if new else row.next_receive - 1, 0)
            if wanted >= used + wallet.gap_limit or wanted >= WATCHED_INDEXES:
                raise StateError(
                    "address-gap",
                    f"{wallet.gap_limit} addresses are handed out and unpaid; wallets that restore stop looking after so many",
                    remedy="use one that was handed out (--index)",
                )
            address = wallet.address(RECEIVE, wanted)
            if wanted >= row.next_receive:
                change.hand_out_address(row, wanted, address)
    return wanted, address


def change_index(coordinator: Coordinator, view: View, wallet: RegisteredWallet) -> int:
    """Our own lowest unused change index: not used on chain, and in no proposal that holds coins."""
    index = _next_index(coordinator.node, wallet, CHANGE)
    taken: set[bytes] = set()
    for row in view.proposals(wallet_id=wallet.wallet_id):
        if row.state in HOLDS_COINS:
            taken.update(output.script for output in UntrustedPsbt.parse(row.psbt).tx.outputs)
    while wallet.scripts(CHANGE, index).script_pubkey in taken:
        index += 1
    return index


@dataclass(frozen=True, slots=True)
class OwnCoin:
    """A coin whose script we derived ourselves. Its amount is the node's word until a proposal proves it."""

    coin: Coin
    place: OwnPlace
    held_by: str | None
    frozen: FrozenRow | None = None

    @property
    def free(self) -> bool:
        """Whether a proposal may take it."""
        return self.held_by is None and self.frozen is None


class PlaceFinder:
    """Finds our own scripts by deriving, a stretch at a time, what was not derived yet."""

    _STRETCH = 50

    def __init__(self, wallet: RegisteredWallet) -> None:
        self._wallet = wallet
        self._places: dict[bytes, OwnPlace] = {}
        self._derived = 0

    def find(self, script: bytes) -> OwnPlace | None:
        """The place of a script among the watched indexes, None for a script that is not ours."""
        while script not in self._places and self._derived < WATCHED_INDEXES:
            for index in range(self._derived, self._derived + self._STRETCH):
                for branch in (RECEIVE, CHANGE):
                    self._places[self._wallet.scripts(branch, index).script_pubkey] = OwnPlace(branch, index)
            self._derived += self._STRETCH
        return self._places.get(script)


def coins(coordinator: Coordinator, row: WalletRow) -> tuple[OwnCoin, ...]:
    """The wallet's unspent coins; what is not ours by our own derivation is left out."""
    finder = PlaceFinder(coordinator.wallet(row))
    with coordinator.store.read() as view:
        held, frozen = view.held(row.wallet_id), view.frozen(row.wallet_id)
    found = []
    for coin in coordinator.node.coins(node_wallet_name(row.wallet_id)):
        place = finder.find(coin.script)
        if place is not None:
            found.append(OwnCoin(coin, place, held.get(coin.outpoint), frozen.get(coin.outpoint)))
    return tuple(found)


def check_free(coordinator: Coordinator, row: WalletRow, wanted: Sequence[OutPoint]) -> None:
    """Accept coins that are the wallet's and that nothing keeps from being spent.

    Raises:
        UsageError: `coin-repeated`, `coin-unknown`. StateError: `coin-held`, `coin-frozen`.
    """
    if not wanted:
        return
    found = {each.coin.outpoint: each for each in coins(coordinator, row)}
    seen: set[OutPoint] = set()
    for outpoint in wanted:
        if outpoint in seen:
            raise UsageError("coin-repeated", f"the coin {outpoint.text()} is named twice")
        seen.add(outpoint)
        own = found.get(outpoint)
        if own is None:
            raise UsageError(
                "coin-unknown",
                f"{outpoint.text()} is no unspent coin of wallet {row.name}",
                remedy="falconer wallet coins shows them",
            )
        if own.held_by is not None:
            raise StateError(
                "coin-held",
                f"the coin {outpoint.text()} is held by proposal {own.held_by}",
                remedy=f"falconer proposals reject {own.held_by} frees it, where that is what you want",
            )
        if own.frozen is not None:
            raise StateError(
                "coin-frozen",
                f"the coin {outpoint.text()} is frozen: {safe(own.frozen.reason) or 'no reason given'}",
                remedy=f"falconer coin unfreeze {outpoint.text()}",
            )


def reconcile_locks(coordinator: Coordinator, view: View, row: WalletRow) -> None:
    """Make the node's locks what the store says: it forgets them when a wallet is unloaded, and a crash may
    leave one behind.
    """
    name = node_wallet_name(row.wallet_id)
    wanted = {*view.held(row.wallet_id), *view.frozen(row.wallet_id)}
    there = coordinator.node.locked(name)
    for outpoint in sorted(wanted, key=OutPoint.text):
        if outpoint not in there:
            coordinator.node.lock(name, outpoint)
    coordinator.node.unlock(name, [outpoint for outpoint in there if outpoint not in wanted])
