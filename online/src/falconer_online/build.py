"""From a wish to pay to our own verified transaction.

The node is asked which coins to take and what change they leave, because it knows the coins and the fees.
From its PSBT nothing but that choice is taken: which coins, and the outputs in their order, which must be
exactly the wanted payments and at most one change to the very address that we named. Previous transactions
are fetched whole and hashed, the PSBT is built again by our own Creator from them, and then parsed and
verified like a stranger's. Whatever the node wrote into its PSBT is thrown away.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from falconer_online.chain.node import Node
from falconer_online.coordinator import known_indexes, node_wallet_name
from falconer_online.store.rows import WalletRow
from falconer_online.wallets import CHANGE, PlaceFinder
from falconer_shared.approval.intent import MAX_PAYMENTS
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.errors import DeviceError, FalconerError, StateError, UsageError
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.roles.create import build_psbt
from falconer_shared.text import safe
from falconer_shared.units import Amount, FeeRate
from falconer_shared.verify.fees import signed_weight
from falconer_shared.verify.transaction import VerifiedTransaction, verify
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet

SEQUENCE = 0xFFFFFFFD
"""Every input signals that it may be replaced (BIP 125), so that a fee that was too low can be raised."""

TX_VERSION = 2


@dataclass(frozen=True, slots=True)
class Payee:
    """One wanted payment. `address` is in its one spelling, `script` what it means."""

    address: str
    script: bytes
    amount: Amount


def check_payments(payments: Sequence[Payee]) -> None:
    """At least one and no more than an intent holds, and no destination twice: neither node nor intent can
    say it.

    Raises:
        UsageError: `payment-repeated`, `payment-none`, `payments-too-many`.
    """
    if not payments:
        raise UsageError("payment-none", "nothing to pay", remedy="--pay ADDRESS=SATS, --uri, or --csv FILE")
    if len(payments) > MAX_PAYMENTS:
        raise UsageError(
            "payments-too-many",
            f"{len(payments)} payments; one proposal holds {MAX_PAYMENTS}",
            remedy="make several proposals",
            limit=MAX_PAYMENTS,
        )
    seen: set[bytes] = set()
    for payee in payments:
        if payee.script in seen:
            raise UsageError(
                "payment-repeated", f"{payee.address} is to be paid twice", remedy="add the two amounts up"
            )
        seen.add(payee.script)


@dataclass(frozen=True, slots=True)
class Choice:
    """What was taken of the node's PSBT. `payments` are what is paid: the wish, or less where it bears the fee."""

    inputs: tuple[OutPoint, ...]
    outputs: tuple[TxOutput, ...]
    change: int | None
    payments: tuple[Payee, ...]


def choose(
    node: Node, wallet: RegisteredWallet, payments: Sequence[Payee], change_index: int, fee_rate: FeeRate,
    *, coins: Sequence[OutPoint] = (), subtract_fee: bool = False, min_confirmations: int = 0,
) -> Choice:  # fmt: skip
    """The node's choice of coins, its outputs held against what was asked for.

    The node has locked the coins when this returns or raises `node-chose-otherwise`.

    Raises:
        DeviceError: `node-chose-otherwise`, `node-answer`. StateError: `funds-insufficient`.
    """
    change_address = wallet.address(CHANGE, change_index)
    raw = node.choose(
        node_wallet_name(wallet.wallet_id),
        [(payee.address, payee.amount) for payee in payments],
        change_address,
        fee_rate,
        coins=coins,
        subtract_fee=subtract_fee,
        min_confirmations=min_confirmations,
    )
    try:
        tx = UntrustedPsbt.parse(raw).tx
    except FalconerError as error:
        raise DeviceError("node-answer", f"the node's PSBT is malformed: {error.message}") from None
    if coins and {each.outpoint for each in tx.inputs} != set(coins):
        raise _otherwise("spends other coins than were named")
    paid = _bearing_the_fee(payments, tx) if subtract_fee else tuple(payments)
    wanted = {payee.script: payee.amount for payee in paid}
    change_script = wallet.scripts(CHANGE, change_index).script_pubkey
    change: int | None = None
    for number, output in enumerate(tx.outputs):
        if output.script in wanted:
            if wanted.pop(output.script) != output.value:
                raise _otherwise("pays another amount than was asked for")
        elif output.script == change_script and change is None:
            change = number
        else:
            raise _otherwise("has an output that nobody asked for")
    if wanted:
        raise _otherwise("leaves a payment out")
    return Choice(tuple(each.outpoint for each in tx.inputs), tx.outputs, change, paid)


def _bearing_the_fee(payments: Sequence[Payee], tx: Transaction) -> tuple[Payee, ...]:
    """The payments, each reduced by its equal part of what the node took off them all; the first bears the
    remainder. How much that may be, the bound on the fee says; that nobody bears another's part, this does.
    """
    scripts = {payee.script for payee in payments}
    reduced = sum(int(payee.amount) for payee in payments) - sum(
        int(output.value) for output in tx.outputs if output.script in scripts
    )
    if reduced < 0:
        raise _otherwise("pays more than was asked for")
    part, remainder = divmod(reduced, len(payments))
    found = []
    for number, payee in enumerate(payments):
        left = int(payee.amount) - part - (remainder if number == 0 else 0)
        if left <= 0:
            raise StateError(
                "payment-below-fee",
                f"the payment to {payee.address} does not suffice for its part of the fee",
                remedy="leave --subtract-fee out, or pay more",
            )
        found.append(replace(payee, amount=Amount(left)))
    return tuple(found)


def _otherwise(problem: str) -> DeviceError:
    return DeviceError(
        "node-chose-otherwise",
        f"the node's transaction {problem}",
        remedy="do not trust this node: look into it",
    )


@dataclass(frozen=True, slots=True)
class OwnInput:
    """A coin of the wallet, proven by the whole transaction that made it."""

    outpoint: OutPoint
    place: OwnPlace
    amount: Amount
    previous: bytes


def prove(node: Node, wallet: RegisteredWallet, outpoints: Sequence[OutPoint]) -> tuple[OwnInput, ...]:
    """What the wallet's coins hold, from their previous transactions.

    Raises:
        DeviceError: `node-previous-transaction`, `coin-not-ours`.
    """
    finder = PlaceFinder(wallet)
    name = node_wallet_name(wallet.wallet_id)
    found: list[OwnInput] = []
    fetched: dict[bytes, bytes] = {}
    for outpoint in outpoints:
        raw = fetched.get(outpoint.txid) or node.raw_transaction(name, outpoint.txid[::-1].hex())
        fetched[outpoint.txid] = raw
        output = _proven_output(outpoint, raw)
        place = finder.find(output.script)
        if place is None:
            raise DeviceError(
                "coin-not-ours",
                f"the node chose {outpoint.text()}, which this wallet's descriptor does not derive",
            )
        found.append(OwnInput(outpoint, place, output.value, raw))
    return tuple(found)


def assemble(
    wallet: RegisteredWallet, row: WalletRow, inputs: Sequence[OwnInput], outputs: Sequence[TxOutput],
    own: Mapping[int, OwnPlace],
) -> VerifiedTransaction:  # fmt: skip
    """Our own PSBT of these inputs and outputs, parsed and verified; `own` says which outputs are ours, and where.

    Raises:
        VerificationError: what `verify` refuses.
    """
    spent = tuple(TxInput(each.outpoint, b"", SEQUENCE) for each in inputs)
    tx = Transaction(TX_VERSION, spent, tuple(outputs), 0)
    built = build_psbt(tx, wallet, [(each.place, each.previous) for each in inputs], own)
    # from its bytes, as any signer will read it: what we hold is what they get
    return verify(UntrustedPsbt.parse(built.serialize()), wallet, known_indexes(row))


def virtual_size(wallet: RegisteredWallet, inputs: int, scripts: Sequence[bytes]) -> int:
    """Virtual bytes, at the worst, of a transaction from so many coins to these scripts.

    Raises:
        VerificationError: `weight-not-standard`.
    """
    spent = tuple(TxInput(OutPoint(bytes(32), number), b"", 0) for number in range(inputs))
    outputs = tuple(TxOutput(Amount(0), script) for script in scripts)
    return signed_weight(Transaction(TX_VERSION, spent, outputs, 0), wallet.descriptor).virtual_size()


def rebuild(
    node: Node, wallet: RegisteredWallet, row: WalletRow, choice: Choice, change_index: int
) -> VerifiedTransaction:
    """Our own PSBT for that choice, parsed and verified.

    Raises:
        DeviceError: `node-previous-transaction`, `coin-not-ours`. VerificationError: what `verify` refuses.
    """
    own = {} if choice.change is None else {choice.change: OwnPlace(CHANGE, change_index)}
    return assemble(wallet, row, prove(node, wallet, choice.inputs), choice.outputs, own)


def _proven_output(outpoint: OutPoint, raw: bytes) -> TxOutput:
    try:
        previous = Transaction.parse(raw, "previous transaction")
    except FalconerError as error:
        raise _false_previous(outpoint, error.message) from None
    if previous.txid() != outpoint.txid:
        raise _false_previous(outpoint, "it hashes to another id")
    if outpoint.vout >= len(previous.outputs):
        raise _false_previous(outpoint, f"it has only {len(previous.outputs)} outputs")
    return previous.outputs[outpoint.vout]


def _false_previous(outpoint: OutPoint, problem: str) -> DeviceError:
    return DeviceError(
        "node-previous-transaction",
        f"the node gave a false previous transaction for {outpoint.text()}: {problem}",
        remedy="do not trust this node: look into it",
    )


def parse_fee_rate(text: str) -> FeeRate:
    """Satoshis per virtual byte with up to three decimals.

    Raises:
        UsageError: `fee-rate-malformed`.
    """
    whole, _, fraction = text.partition(".")
    digits = whole + fraction
    if not digits.isascii() or not digits.isdigit() or not whole or len(whole) > 6 or len(fraction) > 3:
        raise UsageError(
            "fee-rate-malformed", f"'{safe(text, 30)}' is not a fee rate like 12 or 2.5 (sat/vB)"
        )
    rate = int(whole) * 1000 + int(fraction.ljust(3, "0"))
    if rate == 0:
        raise UsageError("fee-rate-malformed", "a fee rate of nothing never confirms")
    return FeeRate(rate)
