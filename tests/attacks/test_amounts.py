"""Amounts, previous transactions and fee: A001 to A014."""

from __future__ import annotations

import ast
import dataclasses
import re
import struct
import subprocess
import sys

from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import double_sha256
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.policy.spend import Outcome
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import COIN, MAX_MONEY, Amount, FeeRate, Weight, btc
from falconer_shared.verify.fees import MAX_FEE, MAX_FEE_RATE, cost
from falconer_shared.verify.signatures import verify_signatures
from falconer_shared.wallet.ownership import OwnPlace
from tests.attacks.mutations import (
    NON_WITNESS_UTXO,
    WITNESS_UTXO,
    claimed_utxo,
    input_field,
    proven,
    raw,
    with_input,
    with_output,
    with_tx_input,
    with_tx_output,
)
from tests.attacks.sources import shipped
from tests.attacks.trial import Attacks, Trial
from tests.conftest import PROJECT
from tests.support.rawpsbt import RawPsbt, edited
from tests.support.spends import own, policy, verdict
from tests.support.spends import payment as paid
from tests.support.spends import spend as facts
from tests.support.treasury import (
    Payment,
    funding,
    signed,
    stranger_address,
    wallet_of,
    wpkh_wallet,
    wsh_wallet,
)

attack = Attacks()

WALLET = wpkh_wallet()
VAULT = wsh_wallet()
FIRST, SECOND = OwnPlace(0, 3), OwnPlace(0, 5)


def test_attack(case, request):
    case.run(request)


def two_coins(wallet=WALLET) -> Payment:
    """15 and 20 BTC; 20 BTC leave."""
    return Payment(
        wallet,
        coins=[(FIRST, 15 * COIN), (SECOND, 20 * COIN)],
        pay=[(stranger_address(), 20 * COIN)],
        change=[(OwnPlace(1, 2), 15 * COIN - 5_000)],
    )


@attack(
    "A001",
    "input-amount-unproven",
    "input-witness-utxo-differs",
    "input-previous-transaction-mismatch",
    "fee-above-cap",
)
def one_lie_in_each_of_two_proposals(trial: Trial) -> None:
    """Two proposals with the same outputs; a good signature out of each together would burn 15 BTC."""
    trial.passes(lambda: proven(two_coins()))
    burnt = dataclasses.replace(two_coins(), change=[])
    data, proofs = raw(burnt), burnt.previous()
    trial.refused("fee-above-cap", lambda: proven(data, WALLET))
    for liar, claim in ((1, 5 * COIN + 1), (0, 1)):
        lie = claimed_utxo(claim, WALLET.scripts(0, (3, 5)[liar]).script_pubkey)
        lied = with_input(data, liar, WITNESS_UTXO, lie)
        trial.refused("input-witness-utxo-differs", lambda lied=lied: proven(lied, WALLET))
        # without the proof of the one that lies, and without any
        unproven = with_input(lied, liar, NON_WITNESS_UTXO, None)
        trial.refused("input-amount-unproven", lambda unproven=unproven: proven(unproven, WALLET))
        bare = with_input(unproven, 1 - liar, NON_WITNESS_UTXO, None)
        trial.refused("input-amount-unproven", lambda bare=bare: proven(bare, WALLET))
        # or with a proof that agrees with the lie
        outputs = list(proofs[liar].outputs)
        outputs[-1] = dataclasses.replace(outputs[-1], value=Amount(claim))
        forged = dataclasses.replace(proofs[liar], outputs=tuple(outputs)).serialize()
        agreeing = with_input(lied, liar, NON_WITNESS_UTXO, forged)
        trial.refused("input-previous-transaction-mismatch", lambda a=agreeing: proven(a, WALLET))


@attack("A001", "input-amount-unproven")
def at_the_offline_machine(trial: Trial) -> None:
    """The same at the machine that signs: it never gets to its policy."""
    office = trial.office(max_daily_spend_sats=100 * COIN)
    data = office.request(Payment(office.wallet))
    trial.passes(lambda: office.judge(data))
    trial.refused("input-amount-unproven", lambda: office.judge(with_input(data, 1, NON_WITNESS_UTXO, None)))


@attack(
    "A001", prevented="BIP 341 signs all amounts: a signature under a lie is worthless, and fits no other lie"
)
def at_taproot_where_the_proof_may_be_missing(trial: Trial) -> None:
    wallet = wallet_of("tr")
    honest = trial.passes(lambda: proven(two_coins(wallet)))
    data = raw(dataclasses.replace(two_coins(wallet), change=[]))
    lies = []
    for liar, claim in ((1, 5 * COIN + 1), (0, 1)):
        bare = with_input(with_input(data, 0, NON_WITNESS_UTXO, None), 1, NON_WITNESS_UTXO, None)
        script = wallet.scripts(0, (3, 5)[liar]).script_pubkey
        lies.append(proven(with_input(bare, liar, WITNESS_UTXO, claimed_utxo(claim, script)), wallet))
    assert all("are claims" in " ".join(lie.notes) for lie in lies)
    assert not any("are claims" in note for note in honest.notes)
    # not one digest of either session is one of the other, for no input
    digests = [{item.digest for item in each.inputs} for each in lies]
    assert len(digests[0] | digests[1]) == 4


@attack("A002", "input-witness-utxo-differs")
def claim_beside_proof(trial: Trial) -> None:
    """A proven coin of 1 BTC, and beside the proof a claim of another amount or script."""
    payment = Payment(
        WALLET, coins=[(FIRST, COIN), (SECOND, 50_000)], change=[(OwnPlace(1, 2), COIN - 21_000)]
    )
    data = raw(payment)
    trial.passes(lambda: proven(data, WALLET))
    trial.passes(lambda: proven(with_input(data, 0, WITNESS_UTXO, None), WALLET))
    script, other = (WALLET.scripts(0, index).script_pubkey for index in (3, 5))
    for lie in (
        claimed_utxo(99_995_000, script),
        claimed_utxo(COIN + 1, script),
        claimed_utxo(COIN - 1, script),
        claimed_utxo(0, script),
        claimed_utxo(COIN, other),
        claimed_utxo(COIN, script + b"\x00"),
        claimed_utxo(COIN, b""),
    ):
        trial.refused(
            "input-witness-utxo-differs",
            lambda lie=lie: proven(with_input(data, 0, WITNESS_UTXO, lie), WALLET),
        )
    # both claims true, and each at the other's place
    first, second = (input_field(data, index, WITNESS_UTXO) for index in (0, 1))
    swapped = with_input(with_input(data, 0, WITNESS_UTXO, second), 1, WITNESS_UTXO, first)
    trial.refused("input-witness-utxo-differs", lambda: proven(swapped, WALLET))


@attack("A003", "input-amount-unproven")
def previous_transaction_left_out(trial: Trial) -> None:
    for form in ("pkh", "sh-wpkh", "wpkh", "sh", "sh-wsh", "wsh"):
        wallet = wallet_of(form)
        for version in (0, 2):
            data = raw(Payment(wallet, psbt_version=version))
            trial.passes(lambda data=data, wallet=wallet: proven(data, wallet))
            for index in (0, 1):
                bare = with_input(data, index, NON_WITNESS_UTXO, None)
                trial.refused("input-amount-unproven", lambda b=bare, w=wallet: proven(b, w))
    nothing = with_input(
        with_input(raw(Payment(wallet_of("tr"))), 0, NON_WITNESS_UTXO, None), 0, WITNESS_UTXO, None
    )
    trial.refused("input-amount-unproven", lambda: proven(nothing, wallet_of("tr")))


@attack("A003", prevented="types: only what was verified, judged, reviewed and reserved can be signed")
def signing_takes_no_other_type(trial: Trial) -> None:
    """mypy itself refuses each shortcut, and the right order alone passes."""
    right = "    sign(reviewed, reserved, keys)\n"
    wrong = (
        "    sign(psbt, reserved, keys)\n",
        "    sign(verified, reserved, keys)\n",
        "    sign(approved, reserved, keys)\n",
        "    sign(judged, reserved, keys)\n",
        "    sign(reviewed, None, keys)\n",
        "    ReviewedTransaction(judged, judged.total)\n",
        "    verify(psbt.raw, verified.wallet, known)\n",
    )
    head = (
        "from collections.abc import Mapping\n"
        "from falconer_offline.keys.private import PrivateNode\n"
        "from falconer_offline.review import Judged, ReviewedTransaction\n"
        "from falconer_offline.sign import sign\n"
        "from falconer_offline.state.journal import Reservation\n"
        "from falconer_shared.policy.engine import ApprovedTransaction\n"
        "from falconer_shared.psbt.parse import UntrustedPsbt\n"
        "from falconer_shared.verify.transaction import VerifiedTransaction, verify\n"
        "from falconer_shared.wallet.ownership import KnownIndexes\n"
        "def signing(psbt: UntrustedPsbt, verified: VerifiedTransaction, approved: ApprovedTransaction, judged: Judged,\n"
        "    reviewed: ReviewedTransaction, reserved: Reservation, known: KnownIndexes,\n"
        "    keys: Mapping[int, PrivateNode]) -> None:\n"
    )
    lines = trial.folder / "shortcuts.py"
    lines.write_text(head + right + "".join(wrong))
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--no-error-summary", "--follow-imports=silent",
            "--cache-dir", str(PROJECT / ".mypy_cache" / "attacks"), str(lines),
        ],
        cwd=PROJECT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    found = {int(number) for number in re.findall(r"shortcuts\.py:(\d+): error:", done.stdout)}
    first = head.count("\n") + 2
    assert found == set(range(first, first + len(wrong))), done.stdout + done.stderr
    trial.passes(lambda: None)


@attack("A004", "input-previous-transaction-mismatch")
def another_previous_transaction(trial: Trial) -> None:
    data = raw(Payment(WALLET))
    trial.passes(lambda: proven(data, WALLET))
    script = WALLET.scripts(0, 3).script_pubkey
    right = input_field(data, 0, NON_WITNESS_UTXO)
    others = [
        # the same coin of another transaction, a larger one, and the other input's proof
        funding(script, 60_000, salt=77).serialize(),
        funding(script, 600_000).serialize(),
        input_field(data, 1, NON_WITNESS_UTXO),
    ]
    # one bit of every byte that can change without ceasing to be a transaction
    for position in range(len(right)):
        flipped = bytearray(right)
        flipped[position] ^= 1
        with_flip = with_input(data, 0, NON_WITNESS_UTXO, bytes(flipped))
        try:
            UntrustedPsbt.parse(with_flip).inputs[0].non_witness_utxo  # noqa: B018
        except Exception:  # noqa: BLE001, S112 - what cannot be read is refused for that
            continue
        others.append(bytes(flipped))
    assert len(others) > 70
    for other in others:
        lied = with_input(data, 0, NON_WITNESS_UTXO, other)
        trial.refused("input-previous-transaction-mismatch", lambda lied=lied: proven(lied, WALLET))


@attack("A004", "input-previous-transaction-mismatch")
def hash_of_the_witness_form(trial: Trial) -> None:
    """A proof may come with its witness, which a txid does not cover; naming the coin by the hash that does is refused."""
    data = raw(Payment(WALLET))
    right = Transaction.parse(input_field(data, 0, NON_WITNESS_UTXO))
    witnessed = dataclasses.replace(
        right, inputs=(dataclasses.replace(right.inputs[0], witness=(bytes(71), bytes(33))),)
    )
    whole = with_input(data, 0, NON_WITNESS_UTXO, witnessed.serialize())
    trial.passes(lambda: proven(whole, WALLET))
    wtxid = double_sha256(witnessed.serialize())
    assert wtxid != witnessed.txid()
    named = with_tx_input(whole, 0, outpoint=OutPoint(wtxid, 0))
    trial.refused("input-previous-transaction-mismatch", lambda: proven(named, WALLET))


@attack("A005", "input-output-index-out-of-range", "input-null-outpoint")
def output_that_does_not_exist(trial: Trial) -> None:
    """The second input's proof has two outputs; the coin is the last of them."""
    data = raw(Payment(WALLET))
    trial.passes(lambda: proven(data, WALLET))
    txid = Payment(WALLET).previous()[1].txid()
    assert len(Payment(WALLET).previous()[1].outputs) == 2
    for vout in (2, 3, 255, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE):
        beyond = with_tx_input(data, 1, outpoint=OutPoint(txid, vout))
        trial.refused("input-output-index-out-of-range", lambda b=beyond: proven(b, WALLET))
    # the number that a wrapped -1 would be names no output at all
    last = with_tx_input(data, 1, outpoint=OutPoint(txid, 0xFFFFFFFF))
    trial.refused("input-null-outpoint", lambda: proven(last, WALLET))


@attack("A006", "input-null-outpoint")
def coin_that_nobody_made(trial: Trial) -> None:
    data = raw(Payment(WALLET))
    trial.passes(lambda: proven(data, WALLET))
    for outpoint in (
        OutPoint(bytes(32), 0),
        OutPoint(bytes(32), 0xFFFFFFFF),
        OutPoint(b"\1" * 32, 0xFFFFFFFF),
    ):
        null = with_tx_input(data, 0, outpoint=outpoint)
        trial.refused("input-null-outpoint", lambda null=null: proven(null, WALLET))


@attack(
    "A006", prevented="the page says that newly mined coins are spent, which nodes hold back for 100 blocks"
)
def newly_mined_coin_is_said(trial: Trial) -> None:
    data = raw(Payment(WALLET, coins=[(FIRST, 110_000)]))
    before = trial.passes(lambda: proven(data, WALLET))
    mined = Transaction(
        1,
        (TxInput(OutPoint(bytes(32), 0xFFFFFFFF), b"\x02\x10\x10", 0xFFFFFFFF),),
        (TxOutput(Amount(110_000), WALLET.scripts(0, 3).script_pubkey),),
        0,
    )
    spends = with_tx_input(data, 0, outpoint=OutPoint(mined.txid(), 0))
    after = proven(with_input(spends, 0, NON_WITNESS_UTXO, mined.serialize()), WALLET)
    assert any("newly mined" in note for note in after.notes)
    assert not any("newly mined" in note for note in before.notes)


@attack("A007", "input-duplicate")
def coin_listed_twice(trial: Trial) -> None:
    """Side by side, apart, with equal fields and with others."""
    payment = Payment(
        WALLET,
        coins=[(FIRST, 60_000), (SECOND, 50_000), (OwnPlace(0, 6), 10_000)],
        change=[(OwnPlace(1, 2), 49_000)],
    )
    data = raw(payment)
    trial.passes(lambda: proven(data, WALLET))
    tx = payment.transaction()
    for first, second in ((0, 1), (0, 2), (1, 2)):

        def double(each: RawPsbt, first: int = first, second: int = second, *, same: bool) -> None:
            inputs = list(tx.inputs)
            inputs[second] = dataclasses.replace(inputs[first], sequence=0xFFFFFFFF)
            changed = dataclasses.replace(tx, inputs=tuple(inputs))
            each.set(each.maps[0], b"\x00", changed.serialize_stripped())
            if same:
                each.maps[1 + second] = list(each.maps[1 + first])

        for same in (True, False):
            doubled = edited(data, lambda each, same=same: double(each, same=same))
            trial.refused("input-duplicate", lambda doubled=doubled: proven(doubled, WALLET))


@attack("A008", "amount-out-of-range", "amount-sum-out-of-range")
def amounts_beyond_all_money(trial: Trial) -> None:
    data = raw(Payment(WALLET))
    trial.passes(lambda: proven(data, WALLET))
    script = script_of(stranger_address(), Network.REGTEST)

    def with_value(value: int) -> bytes:
        def change(each: RawPsbt) -> None:
            tx = each.get(each.maps[0], b"\x00")
            old = struct.pack("<Q", 70_000) + bytes([len(script)]) + script
            each.set(each.maps[0], b"\x00", tx.replace(old, struct.pack("<Q", value) + old[8:]))

        return edited(data, change)

    trial.passes(lambda: proven(with_value(70_000), WALLET))
    for value in (MAX_MONEY + 1, 2**63 - 1, 2**63, 2**64 - 1, 2**64 - 70_000):
        trial.refused("amount-out-of-range", lambda value=value: UntrustedPsbt.parse(with_value(value)))
    # the field of version 2, a claim, and a proof
    second = raw(Payment(WALLET, psbt_version=2))
    trial.passes(lambda: proven(second, WALLET))
    negative = struct.pack("<q", -1)
    trial.refused(
        "amount-out-of-range", lambda: UntrustedPsbt.parse(with_output(second, 0, b"\x03", negative))
    )
    claim = negative + input_field(data, 0, WITNESS_UTXO)[8:]
    trial.refused("amount-out-of-range", lambda: proven(with_input(data, 0, WITNESS_UTXO, claim), WALLET))
    proof = input_field(data, 0, NON_WITNESS_UTXO)
    lied = proof.replace(struct.pack("<Q", 60_000), struct.pack("<Q", 2**63))
    trial.refused("amount-out-of-range", lambda: proven(with_input(data, 0, NON_WITNESS_UTXO, lied), WALLET))
    # each below the bound, the sum far above it
    many = [(stranger_address(number), MAX_MONEY - 1) for number in range(3_000)]
    trial.refused("amount-sum-out-of-range", lambda: proven(Payment(WALLET, pay=many)))
    trial.refused(
        "amount-sum-out-of-range",
        lambda: proven(Payment(WALLET, coins=[(FIRST, MAX_MONEY), (SECOND, 1)])),
    )


@attack("A009", "fee-negative")
def outputs_above_inputs(trial: Trial) -> None:
    for fee in (-1, -1_000, -MAX_MONEY // 2):
        payment = Payment(WALLET, change=[(OwnPlace(1, 2), 40_000 - fee)])
        trial.refused("fee-negative", lambda payment=payment: proven(payment))
    assert trial.passes(lambda: proven(Payment(WALLET, change=[(OwnPlace(1, 2), 40_000)]))).fee == 0


def with_fee(fee: int, coin: int = COIN, pays: int = 1) -> Payment:
    pay = [(stranger_address(number), 10_000) for number in range(pays)]
    return Payment(
        WALLET, coins=[(FIRST, coin)], pay=pay, change=[(OwnPlace(1, 0), coin - 10_000 * pays - fee)]
    )


@attack("A010", "fee-above-cap", "fee-rate-above-cap", "fee-share-above-cap")
def fee_at_each_cap(trial: Trial) -> None:
    """One satoshi at, and one above, each cap that no policy lifts."""
    vbytes = proven(with_fee(0)).weight.virtual_size()
    rate = MAX_FEE_RATE * vbytes // 1000
    trial.passes(lambda: proven(with_fee(rate)))
    trial.refused("fee-rate-above-cap", lambda: proven(with_fee(rate + 1)))
    trial.passes(lambda: proven(with_fee(50_000, coin=200_000)))
    trial.refused("fee-share-above-cap", lambda: proven(with_fee(50_001, coin=200_000)))
    # large enough that the rate stays below its own cap
    trial.passes(lambda: proven(with_fee(MAX_FEE, pays=200)))
    trial.refused("fee-above-cap", lambda: proven(with_fee(MAX_FEE + 1, pays=200)))


@attack("A010", "policy-fee-limit", "policy-fee-rate-limit", "policy-fee-percent")
def fee_at_each_limit_of_the_policy(trial: Trial) -> None:
    """The person's own limits, below the caps; nothing in a proposal touches them."""
    for rule, limit, at, above, refusal in (
        ("max_fee_sats", 900, 900, 901, "policy-fee-limit"),
        ("max_fee_percent", 2, 1_400, 1_401, "policy-fee-percent"),
    ):
        office = trial.office(rule, **{rule: limit, "max_daily_spend_sats": 300_000})
        for fee, fits in ((at, True), (above, False)):
            request = office.request(Payment(office.wallet, change=[(OwnPlace(1, 2), 40_000 - fee)]))
            if fits:
                trial.passes(lambda office=office, request=request: office.judge(request))
            else:
                trial.refused(refusal, lambda office=office, request=request: office.judge(request))
    office = trial.office("rate", max_fee_rate_sats_per_vbyte=10, max_daily_spend_sats=300_000)
    vbytes = proven(Payment(office.wallet)).weight.virtual_size()
    for fee in (10 * vbytes, 10 * vbytes + 1):
        request = office.request(Payment(office.wallet, change=[(OwnPlace(1, 2), 40_000 - fee)]))
        if fee == 10 * vbytes:
            trial.passes(lambda request=request: office.judge(request))
        else:
            trial.refused("policy-fee-rate-limit", lambda request=request: office.judge(request))


@attack("A011", "output-dust", "output-carries-data", "fee-share-above-cap")
def share_of_nothing(trial: Trial) -> None:
    """All outputs zero: no division by what is paid."""
    data = raw(Payment(WALLET))
    trial.passes(lambda: proven(data, WALLET))
    for form in ("wpkh", "pkh"):
        wallet = wallet_of(form)
        zero = Payment(wallet, pay=[(stranger_address(), 0)], change=[])
        trial.refused("output-dust", lambda zero=zero: proven(zero))
    bare = raw(Payment(WALLET, change=[]))
    data_only = with_tx_output(bare, 0, value=Amount(0), script=b"\x6a\x01\x00")
    trial.refused("output-carries-data", lambda: proven(data_only, WALLET))
    nothing = (TxOutput(Amount(0), script_of(stranger_address(), Network.REGTEST)),)
    trial.refused("fee-share-above-cap", lambda: cost([1_000], nothing, Weight(400)))
    assert trial.passes(lambda: cost([0], nothing, Weight(400))).fee == 0
    # and the policy's own share, where nothing is paid and nothing moved
    by = policy(max_fee_percent=100)
    assert verdict("max_fee_percent", by, facts(payments=(), own=())).outcome is Outcome.FAIL
    none = facts(payments=(), own=(), fee=Amount(0), spent=Amount(0))
    assert verdict("max_fee_percent", by, none).outcome is Outcome.PASS
    assert (
        verdict("max_fee_percent", by, facts(payments=(paid(0, 0),), own=(own(0, 0),))).outcome
        is Outcome.FAIL
    )


@attack(
    "A012",
    prevented="amounts are integers of satoshis with one formatter; a scan of the source finds no float near them",
)
def no_float_near_money(trial: Trial) -> None:
    """Floats exist where time and chance are measured, and nowhere else in what is shipped."""
    trial.fires(lambda: _no_floats({"planted.py": ast.parse("fee = 0.1 * sats")}))
    trial.fires(lambda: _no_floats({"planted.py": ast.parse("rate = fee / size")}))
    trial.fires(lambda: _no_floats({"planted.py": ast.parse("fee = round(float(text))")}))
    _no_floats(shipped())


TIME_OR_CHANCE = {
    "falconer_offline/hardware/": "seconds to wait for a device",
    "falconer_offline/terminal.py": "seconds between frames and keys",
    "falconer_offline/state/store.py": "seconds to wait for a lock",
    "falconer_offline/worker.py": "seconds to wait for a process",
    "falconer_online/chain/core.py": "seconds between questions to a node",
    "falconer_online/cli/crossing.py": "seconds between frames",
    "falconer_online/cli/session.py": "seconds before a spinner shows",
    "falconer_online/files.py": "seconds to wait for a lock",
    "falconer_shared/crossing/": "seconds between frames and pictures",
    "falconer_shared/qr/": "pictures and the seconds between them",
    "falconer_shared/transport/": "the chances of BCR-2024-001, and parts in a second",
}


def _no_floats(sources: dict[str, ast.Module]) -> None:
    found = []
    for name, tree in sources.items():
        if name.startswith(tuple(TIME_OR_CHANCE)):
            continue
        for node in ast.walk(tree):
            is_float = isinstance(node, ast.Constant) and isinstance(node.value, float)
            names = isinstance(node, ast.Name) and node.id in {"float", "round"}
            # a path is built with the same sign: then a text or a folder stands beside it
            divides = isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not _is_path(node)
            if is_float or names or divides:
                found.append(f"{name}:{node.lineno}: {ast.unparse(node)}")
    assert not found, found


def _is_path(node: ast.BinOp) -> bool:
    """A folder on the left: paths are joined with the sign of division."""
    first: ast.expr = node
    while isinstance(first, ast.BinOp):
        first = first.left
    if isinstance(first, ast.Call):
        first = first.func
    words = ast.unparse(first)
    return words.startswith("Path") or words.split(".")[-1] in FOLDERS


FOLDERS = {"home", "base", "fresh", "folder", "place", "parent", "data_dir", "config_dir", "_xdg"}


@attack("A012", "payment-malformed", "uri-amount", "fee-rate-malformed", "amount-out-of-range")
def one_way_to_write_an_amount(trial: Trial) -> None:
    """What is shown is exact to the satoshi, and what is typed has one reading or none."""
    assert btc(1) == "0.00000001 BTC"
    assert btc(30_000_000) == "0.30000000 BTC"
    assert btc(2_099_999_999_999_999) == "20999999.99999999 BTC"
    # 0.1 + 0.2
    assert btc(10_000_000 + 20_000_000) == "0.30000000 BTC"
    for sats in (0, 1, 9, 10**8 - 1, 10**8, 2**53 + 1, MAX_MONEY):
        whole, _, rest = btc(sats).removesuffix(" BTC").partition(".")
        assert int(whole) * COIN + int(rest) == sats
        assert len(rest) == 8
    from falconer_online.bip21 import parse as parse_uri
    from falconer_online.build import parse_fee_rate
    from falconer_online.paying import AddressBook, parse_payment

    book = AddressBook(Network.REGTEST, (), {})
    to = stranger_address()
    assert trial.passes(lambda: parse_payment(f"{to}=2099999999999999", book)).amount == 2_099_999_999_999_999
    for text in (
        "0.1",
        "1e5",
        "1,000",
        "1.000",
        "1_000",
        " 1000",
        "+1000",
        "-1000",
        "0x10",
        "1000sat",
        "\uff10",
        "\u0663",
        "",
    ):
        trial.refused("payment-malformed", lambda text=text: parse_payment(f"{to}={text}", book))
    for text in (
        "0.000000001",
        "1e-8",
        "0,1",
        ".1",
        "0.1mBTC",
        "1e400",
        "NaN",
        "inf",
    ):
        trial.refused("uri-amount", lambda text=text: parse_uri(f"bitcoin:{to}?amount={text}", book))
    for text in ("1e3", "0", "-1", "1,5", "1.0005", "nan", "\u0663"):
        trial.refused("fee-rate-malformed", lambda text=text: parse_fee_rate(text))
    trial.refused("amount-out-of-range", lambda: Amount(MAX_MONEY + 1))
    trial.passes(lambda: FeeRate(1))


@attack("A013", "output-dust")
def dust(trial: Trial) -> None:
    """To others and to ourselves: one satoshi below what nodes relay, for each kind of script."""
    for script, limit in (
        (b"\x00\x14" + b"\x07" * 20, 294),
        (b"\x00\x20" + b"\x07" * 32, 330),
        (b"\x76\xa9\x14" + b"\x07" * 20 + b"\x88\xac", 546),
        (b"\xa9\x14" + b"\x07" * 20 + b"\x87", 540),
        (wallet_of("tr").scripts(0, 9).script_pubkey, 330),
    ):
        data = raw(
            Payment(
                WALLET,
                coins=[(FIRST, 41_000)],
                pay=[(stranger_address(), limit)],
                change=[(OwnPlace(1, 2), 40_000)],
            )
        )
        to = with_tx_output(data, 0, script=script)
        trial.passes(lambda to=to: proven(to, WALLET))
        for less in (limit - 1, 0):
            low = with_tx_output(to, 0, value=Amount(less))
            trial.refused("output-dust", lambda low=low: proven(low, WALLET))
    for wallet, limit in ((WALLET, 294), (VAULT, 330)):
        change = [(OwnPlace(1, 2), limit)]
        trial.passes(
            lambda w=wallet, c=change: proven(Payment(w, pay=[(stranger_address(), 108_000)], change=c))
        )
        change = [(OwnPlace(1, 2), limit - 1)]
        trial.refused(
            "output-dust",
            lambda w=wallet, c=change: proven(Payment(w, pay=[(stranger_address(), 108_000)], change=c)),
        )


@attack("A014", "output-burns-value", "output-carries-data")
def op_return(trial: Trial) -> None:
    """With value, with several pushes, too long, cut short: none is signed, and all that it holds is spelt out."""
    data = raw(Payment(WALLET))
    trial.passes(lambda: proven(data, WALLET))
    for script in (
        b"\x6a",
        b"\x6a\x04data",
        b"\x6a\x04data\x04more",
        b"\x6a\x4c\x64" + b"x" * 100,
        b"\x6a\x4c\xff",
        b"\x6a\x4d",
        b"\x6a\x51\x52",
    ):
        burning = with_tx_output(data, 0, script=script)
        trial.refused("output-burns-value", lambda burning=burning: proven(burning, WALLET))
        quiet = with_tx_output(
            raw(Payment(WALLET, change=[(OwnPlace(1, 2), 109_000)])), 0, script=script, value=Amount(0)
        )
        said = trial.refused("output-carries-data", lambda quiet=quiet: proven(quiet, WALLET))
        assert script.hex()[:160] in said.message


@attack("A001", "signature-invalid")
def a_taproot_signature_under_a_lie(trial: Trial) -> None:
    """It does not verify under the truth, so that no answer with it is ever finished."""
    wallet = wallet_of("tr")
    data = raw(two_coins(wallet))
    truth = proven(data, wallet)
    trial.passes(lambda: verify_signatures(truth, signed(UntrustedPsbt.parse(data), truth, [1])))
    lied = with_input(
        with_input(data, 1, NON_WITNESS_UTXO, None),
        1,
        WITNESS_UTXO,
        claimed_utxo(20 * COIN + 1, wallet.scripts(0, 5).script_pubkey),
    )
    answer = signed(UntrustedPsbt.parse(lied), proven(lied, wallet), [1])
    trial.refused("signature-invalid", lambda: verify_signatures(truth, answer))
