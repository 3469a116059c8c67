"""Bitcoin Core and Bitcoin Knots as a `Node`, over RPC, with watch-only descriptor wallets.

Wallets are made without private keys, blank, and load again with the node. What the node answers is typed
here and proven nowhere: `build` and the shared core do that.
"""

from __future__ import annotations

import binascii
from collections.abc import Collection, Sequence
from time import monotonic

from falconer_online.chain import pool, shape
from falconer_online.chain.node import (
    Acceptance,
    ChainStatus,
    Coin,
    Mempool,
    Progress,
    TransactionStatus,
    Unconfirmed,
)
from falconer_online.chain.rpc import RpcClient, RpcRefusal
from falconer_online.config import Config
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.errors import DeviceError, Malformed, StateError
from falconer_shared.text import safe
from falconer_shared.units import Amount, FeeRate

_WALLET_NOT_FOUND = -18
_WALLET_ALREADY_LOADED = -35
_WALLET_ERROR = -4
_INVALID_PARAMETER = -8
_INVALID_ADDRESS_OR_KEY = -5
_INSUFFICIENT_FUNDS = -6
_ALREADY_IN_CHAIN = -27

_TOO_LITTLE = (
    "nsufficient funds",
    "preselected coins total amount does not cover",
    "too small to pay the fee",
    "too small to send after the fee",
)
"""How the node says that the coins do not suffice: all of them, those that were named, or a payment for its fee."""

_RESCAN_SECONDS = 3600
"""A single stretch of a rescan may take this long on a slow disk; stretches are chosen to take far less."""

_RESCAN_STRETCH = 500
_RESCAN_AIM_SECONDS = 2.0
_RESCAN_MAX_STRETCH = 50_000

_MAX_HEIGHT = 499_999_999


class CoreNode:
    """A node spoken to over RPC."""

    def __init__(self, config: Config, client: RpcClient | None = None) -> None:
        self._network = config.network
        self._rpc = client or RpcClient(config)
        self._checked = False

    def status(self) -> ChainStatus:
        answer = self._rpc.call("getblockchaininfo")
        info = self._rpc.call("getnetworkinfo")
        lowest = 0
        if shape.flag(answer, "pruned", "getblockchaininfo"):
            lowest = shape.integer(answer, "pruneheight", "getblockchaininfo")
        return ChainStatus(
            chain=shape.text(answer, "chain", "getblockchaininfo"),
            height=shape.integer(answer, "blocks", "getblockchaininfo", high=_MAX_HEIGHT),
            headers=shape.integer(answer, "headers", "getblockchaininfo", high=_MAX_HEIGHT),
            synced=not shape.flag(answer, "initialblockdownload", "getblockchaininfo"),
            lowest_height=lowest,
            version=shape.text(info, "subversion", "getnetworkinfo"),
        )

    def block_time(self, height: int) -> int:
        header = self._call("getblockheader", self._block_hash(height))
        return shape.integer(header, "time", "getblockheader")

    def _block_hash(self, height: int) -> str:
        found = self._call("getblockhash", height)
        if not isinstance(found, str) or len(found) != 64:
            raise shape.wrong("getblockhash", "is not a block hash")
        return found

    def open_wallet(self, name: str) -> bool:
        self.check_network()
        try:
            self._rpc.call("loadwallet", name, True)  # noqa: FBT003  # load_on_startup: locks and watching survive a restart
        except RpcRefusal as refusal:
            if refusal.code == _WALLET_ALREADY_LOADED:
                return False
            if refusal.code != _WALLET_NOT_FOUND:
                raise
        else:
            return False
        # name, disable_private_keys, blank, passphrase, avoid_reuse, descriptors, load_on_startup
        self._rpc.call("createwallet", name, True, True, "", False, True, True)  # noqa: FBT003
        return True

    def import_descriptors(self, name: str, descriptors: Sequence[str], last_index: int) -> None:
        # what it watches already it refuses to watch again with a smaller range than it has grown to
        watched = self.next_indexes(name)
        requests = [
            {"desc": each, "timestamp": "now", "range": [0, last_index], "active": False}
            for each in descriptors
            if each.split("#", 1)[0] not in watched
        ]
        if not requests:
            return
        answers = shape.a_list(
            self._wallet(name, "importdescriptors", requests, seconds=_RESCAN_SECONDS), "importdescriptors"
        )
        if len(answers) != len(requests):
            raise shape.wrong("importdescriptors", "has another length than the request")
        for answer in answers:
            if not shape.flag(answer, "success", "importdescriptors"):
                error = shape.an_object(answer, "importdescriptors").get("error")
                reason = error.get("message") if isinstance(error, dict) else None
                raise DeviceError("node-import", f"the node does not watch the wallet: {safe(str(reason))}")

    def rescan(self, name: str, start: int, progress: Progress) -> None:
        tip = self.status().height
        if start > tip:
            progress(1, 1)
            return
        total, stretch, at = tip - start + 1, _RESCAN_STRETCH, start
        progress(0, total)
        while at <= tip:
            stop = min(tip, at + stretch - 1)
            began = monotonic()
            self._wallet(name, "rescanblockchain", at, stop, seconds=_RESCAN_SECONDS)
            took = monotonic() - began
            stretch = (
                min(_RESCAN_MAX_STRETCH, stretch * 2) if took < _RESCAN_AIM_SECONDS else max(1, stretch // 2)
            )
            at = stop + 1
            progress(at - start, total)

    def next_indexes(self, name: str) -> dict[str, int]:
        found: dict[str, int] = {}
        answer = shape.field(self._wallet(name, "listdescriptors"), "descriptors", "listdescriptors")
        for entry in shape.a_list(answer, "listdescriptors"):
            descriptor = shape.text(entry, "desc", "listdescriptors").split("#", 1)[0]
            found[descriptor] = shape.integer(entry, "next_index", "listdescriptors", high=2**31)
        return found

    def coins(self, name: str) -> tuple[Coin, ...]:
        # minconf 0, unsafe included, immature left out; locked coins are never listed, so they are asked for one by one
        listed = shape.a_list(self._wallet(name, "listunspent", 0, 9_999_999, [], True), "listunspent")  # noqa: FBT003
        found = {coin.outpoint: coin for coin in map(_coin, listed)}
        for outpoint in self.locked(name):
            if outpoint not in found:
                coin = self._held_coin(outpoint)
                if coin is not None:
                    found[outpoint] = coin
        return tuple(sorted(found.values(), key=lambda coin: (-coin.confirmations, coin.outpoint.text())))

    def _held_coin(self, outpoint: OutPoint, *, mempool: bool = True) -> Coin | None:
        txid, _, vout = outpoint.text().rpartition(":")
        answer = self._rpc.call("gettxout", txid, int(vout), mempool)
        if answer is None:
            return None
        script = shape.text(shape.field(answer, "scriptPubKey", "gettxout"), "hex", "gettxout")
        return Coin(
            outpoint,
            shape.sats(answer, "value", "gettxout"),
            shape.from_hex(script, "gettxout"),
            shape.integer(answer, "confirmations", "gettxout"),
        )

    def confirmations(self, outpoint: OutPoint) -> int | None:
        self.check_network()
        # without the mempool first: a coin that our own payment spends there, to be replaced, still is one in the chain
        for mempool in (False, True):
            coin = self._held_coin(outpoint, mempool=mempool)
            if coin is not None:
                return coin.confirmations
        return None

    def choose(
        self, name: str, payments: Sequence[tuple[str, Amount]], change_address: str, fee_rate: FeeRate,
        *, coins: Collection[OutPoint] = (), subtract_fee: bool = False, min_confirmations: int = 0,
    ) -> bytes:  # fmt: skip
        outputs = [
            {address: f"{int(amount) // 100_000_000}.{int(amount) % 100_000_000:08d}"}
            for address, amount in payments
        ]
        options = {
            "changeAddress": change_address,
            "lockUnspents": True,
            "fee_rate": fee_rate.text(),
            "includeWatching": True,
            "replaceable": True,
            "add_inputs": not coins,
            "minconf": min_confirmations,
            "subtractFeeFromOutputs": list(range(len(payments))) if subtract_fee else [],
        }
        named = [_named(outpoint) for outpoint in coins]
        try:
            answer = self._wallet(name, "walletcreatefundedpsbt", named, outputs, 0, options, False)  # noqa: FBT003
        except RpcRefusal as refusal:
            if refusal.code in {_WALLET_ERROR, _INSUFFICIENT_FUNDS} and any(
                words in refusal.reason for words in _TOO_LITTLE
            ):
                raise StateError(
                    "funds-insufficient",
                    f"the free coins of the wallet do not suffice for {sum(int(a) for _, a in payments):,} "
                    "sats and the fee",
                    remedy="wallet coins shows what is free, frozen, and held by other proposals",
                ) from None
            raise
        encoded = shape.text(answer, "psbt", "walletcreatefundedpsbt")
        try:
            return binascii.a2b_base64(encoded, strict_mode=True)
        except binascii.Error:
            raise shape.wrong("walletcreatefundedpsbt", "holds no base64") from None

    def locked(self, name: str) -> frozenset[OutPoint]:
        return frozenset(
            _outpoint(entry, "listlockunspent")
            for entry in shape.a_list(self._wallet(name, "listlockunspent"), "listlockunspent")
        )

    def lock(self, name: str, outpoint: OutPoint) -> bool:
        try:
            self._wallet(name, "lockunspent", False, [_named(outpoint)], True)  # noqa: FBT003  # persistent
        except RpcRefusal as refusal:
            if refusal.code == _INVALID_PARAMETER:
                return False
            raise
        return True

    def unlock(self, name: str, outpoints: Sequence[OutPoint]) -> None:
        held = self.locked(name)
        wanted = [_named(outpoint) for outpoint in outpoints if outpoint in held]
        if wanted:
            self._wallet(name, "lockunspent", True, wanted)  # noqa: FBT003

    def raw_transaction(self, name: str, txid: str) -> bytes:
        answer = self._wallet(name, "gettransaction", txid)
        return shape.from_hex(shape.text(answer, "hex", "gettransaction"), "gettransaction")

    def fee_rate(self, blocks: int) -> FeeRate | None:
        answer = shape.an_object(self._call("estimatesmartfee", blocks), "estimatesmartfee")
        if "feerate" not in answer:
            return None
        return shape.fee_rate(answer, "feerate", "estimatesmartfee")

    def pool(self) -> Mempool:
        return pool.read(self._call("getmempoolinfo"))

    def pool_layers(self, bounds: Sequence[FeeRate]) -> Mempool:
        return pool.with_layers(self._call, bounds)

    def test_accept(self, raw: bytes) -> Acceptance:
        answers = shape.a_list(self._call("testmempoolaccept", [raw.hex()]), "testmempoolaccept")
        if len(answers) != 1:
            raise shape.wrong("testmempoolaccept", "is not about one transaction")
        allowed = shape.flag(answers[0], "allowed", "testmempoolaccept")
        return Acceptance(
            allowed, "" if allowed else shape.text(answers[0], "reject-reason", "testmempoolaccept")
        )

    def send(self, raw: bytes) -> str:
        answer = self._call("sendrawtransaction", raw.hex())
        if not isinstance(answer, str):
            raise shape.wrong("sendrawtransaction", "is not a transaction id")
        return answer

    def transaction(self, name: str, txid: str) -> TransactionStatus | None:
        try:
            answer = self._wallet(name, "gettransaction", txid)
        except RpcRefusal as refusal:
            if refusal.code == _INVALID_ADDRESS_OR_KEY:
                return None
            raise
        confirmations = shape.integer(answer, "confirmations", "gettransaction", low=-_MAX_HEIGHT)
        height = shape.integer(answer, "blockheight", "gettransaction") if confirmations > 0 else None
        return TransactionStatus(confirmations, height, confirmations == 0 and self._in_mempool(txid))

    def _in_mempool(self, txid: str) -> bool:
        return self.unconfirmed(txid) is not None

    def unconfirmed(self, txid: str) -> Unconfirmed | None:
        try:
            answer = self._call("getmempoolentry", txid)
        except RpcRefusal as refusal:
            if refusal.code == _INVALID_ADDRESS_OR_KEY:
                return None
            raise
        fees = shape.field(answer, "fees", "getmempoolentry")
        return Unconfirmed(
            ancestor_fees=shape.sats(fees, "ancestor", "getmempoolentry"),
            ancestor_size=shape.integer(answer, "ancestorsize", "getmempoolentry", low=1),
            descendant_fees=shape.sats(fees, "descendant", "getmempoolentry"),
        )

    def _call(self, method: str, *params: shape.Json) -> shape.Json:
        self.check_network()
        return self._rpc.call(method, *params)

    def _wallet(self, name: str, method: str, *params: shape.Json, seconds: int | None = None) -> shape.Json:
        self.check_network()
        try:
            return self._rpc.call(method, *params, wallet=name, seconds=seconds)
        except RpcRefusal as refusal:
            if refusal.code != _WALLET_NOT_FOUND:
                raise
        # unloaded meanwhile: load and ask once more
        try:
            self._rpc.call("loadwallet", name, True)  # noqa: FBT003
        except RpcRefusal as refusal:
            if refusal.code == _WALLET_NOT_FOUND:
                raise DeviceError(
                    "node-wallet-unknown",
                    f"the node has no watch-only wallet {safe(name, 80)}",
                    remedy="falconer wallet register again, with --birthday, makes it anew",
                ) from None
            if refusal.code != _WALLET_ALREADY_LOADED:
                raise
        return self._rpc.call(method, *params, wallet=name, seconds=seconds)

    def check_network(self) -> None:
        """A node of another network is refused before it is asked anything else (A094)."""
        if self._checked:
            return
        chain = shape.text(self._rpc.call("getblockchaininfo"), "chain", "getblockchaininfo")
        expected = self._network.core_name
        if chain != expected:
            raise DeviceError(
                "node-wrong-network",
                f"the node is on '{safe(chain, 30)}', this coordinator on '{expected}'",
                remedy="name the right node in config.toml",
            )
        self._checked = True


def _named(outpoint: OutPoint) -> dict[str, shape.Json]:
    txid, _, vout = outpoint.text().rpartition(":")
    return {"txid": txid, "vout": int(vout)}


def _outpoint(entry: shape.Json, where: str) -> OutPoint:
    txid, vout = shape.text(entry, "txid", where), shape.integer(entry, "vout", where, high=2**32 - 1)
    try:
        return OutPoint.parse_text(f"{txid}:{vout}")
    except Malformed:
        raise shape.wrong(where, "names a coin that cannot be") from None


def _coin(entry: shape.Json) -> Coin:
    return Coin(
        _outpoint(entry, "listunspent"),
        shape.sats(entry, "amount", "listunspent"),
        shape.from_hex(shape.text(entry, "scriptPubKey", "listunspent"), "listunspent"),
        shape.integer(entry, "confirmations", "listunspent"),
    )
