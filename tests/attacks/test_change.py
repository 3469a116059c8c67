"""Change, ownership and wallet membership: A015 to A026."""

from __future__ import annotations

import sqlite3
import struct
from dataclasses import replace

from embit import script as embit_script
from embit.networks import NETWORKS

from falconer_offline import screen
from falconer_offline.session import sign_session
from falconer_offline.state import records
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import Transaction
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount
from falconer_shared.wallet.ownership import OwnPlace
from tests.attacks.mutations import (
    NON_WITNESS_UTXO,
    WITNESS_UTXO,
    bare,
    claimed_utxo,
    proven,
    raw,
    resealed,
    with_input,
    with_output,
    with_tx_output,
)
from tests.attacks.trial import Attacks, Trial
from tests.offline.office import NOW, Ring, Willing
from tests.support.descriptors import parse, xpub
from tests.support.programs import Signer
from tests.support.rawpsbt import Map, RawPsbt, edited
from tests.support.treasury import (
    FORMS,
    PATHS,
    Payment,
    funding,
    key_expression,
    root,
    stranger_address,
    wallet_of,
    wpkh_wallet,
    wsh_wallet,
)

attack = Attacks()

WALLET = wpkh_wallet()
EVIL = script_of(stranger_address(66), Network.REGTEST)


def test_attack(case, request):
    case.run(request)


def derivation(fingerprint: bytes, *steps: int) -> bytes:
    return fingerprint + struct.pack(f"<{len(steps)}I", *steps)


def hints(entries: Map) -> Map:
    """The derivation fields of an input or output."""
    return [(key, value) for key, value in entries if key[0] in {0x02, 0x06, 0x07, 0x16}]


def hinted(data: bytes, pubkey: bytes, value: bytes, script: bytes) -> bytes:
    """Output 1 pays `script`, and brings this derivation alone."""

    def change(each: RawPsbt) -> None:
        each.output(1)[:] = [(b"\x02" + pubkey, value)]

    return edited(with_tx_output(data, 1, script=script), change)


@attack("A015", "change-not-derived")
def our_key_beside_their_script(trial: Trial) -> None:
    """Every field beside the output is true of our change; the script is the attacker's."""
    for form in FORMS:
        wallet = wallet_of(form)
        for version in (0, 2):
            data = raw(Payment(wallet, psbt_version=version))
            assert trial.passes(lambda d=data, w=wallet: proven(d, w)).own_outputs
            stolen = (
                with_output(data, 1, b"\x04", EVIL) if version == 2 else with_tx_output(data, 1, script=EVIL)
            )
            trial.refused("change-not-derived", lambda s=stolen, w=wallet: proven(s, w))


@attack("A015", "intent-payments-differ")
def their_output_without_a_word(trial: Trial) -> None:
    """Without the hints it is no change but a payment, and nobody approved that."""
    office = trial.office()
    data = office.request()
    trial.passes(lambda: office.judge(data))
    stolen = with_tx_output(bare(data), 1, script=EVIL)
    silent = edited(stolen, lambda each: each.output(1).clear())
    trial.refused("intent-payments-differ", lambda: office.judge(resealed(data, UntrustedPsbt.parse(silent))))


@attack("A015", "derivation-hints-contradict")
def two_places_for_one_output(trial: Trial) -> None:
    data = raw(Payment(WALLET))
    trial.passes(lambda: proven(data, WALLET))
    ours = WALLET.keys[0]
    other = WALLET.scripts(1, 9).pubkeys[0]
    two = with_output(data, 1, b"\x02" + other, derivation(ours.fingerprint, *ours.origin, 1, 9))
    trial.refused("derivation-hints-contradict", lambda: proven(two, WALLET))


@attack("A016", "change-not-derived")
def multisig_with_a_stranger(trial: Trial) -> None:
    """1 of ours and the attacker's, with all the fields of multisig change."""
    for wallet in (WALLET, wsh_wallet()):
        data = raw(Payment(wallet))
        trial.passes(lambda d=data, w=wallet: proven(d, w))
        for form in ("wsh", "sh-wsh", "sh"):
            evil = wallet_of(form, 1, (1, 66))
            scripts = evil.scripts(1, 2)

            def change(each: RawPsbt, scripts=scripts, evil=evil) -> None:
                if scripts.redeem_script is not None:
                    each.set(each.output(1), b"\x00", scripts.redeem_script)
                if scripts.witness_script is not None:
                    each.set(each.output(1), b"\x01", scripts.witness_script)
                for pubkey, (fingerprint, path) in evil.derivations(1, 2).items():
                    each.set(each.output(1), b"\x02" + pubkey, derivation(fingerprint, *path))

            twisted = edited(with_tx_output(data, 1, script=scripts.script_pubkey), change)
            trial.refused("change-not-derived", lambda t=twisted, w=wallet: proven(t, w))


@attack("A017", "change-not-derived")
def same_key_in_another_script(trial: Trial) -> None:
    """Each single-key wallet, and its change key in each of the other kinds of script, made by embit."""
    singles = ("pkh", "sh-wpkh", "wpkh", "tr")
    for form in singles:
        wallet = wallet_of(form)
        data = raw(Payment(wallet))
        key = root(1).derive(f"m/{PATHS[form]}/1/2").key.get_public_key()
        kinds = {
            "pkh": embit_script.p2pkh(key).data,
            "wpkh": embit_script.p2wpkh(key).data,
            "sh-wpkh": embit_script.p2sh(embit_script.p2wpkh(key)).data,
            "tr": embit_script.p2tr(key).data,
        }
        assert kinds[form] == wallet.scripts(1, 2).script_pubkey
        trial.passes(lambda d=data, k=kinds, f=form, w=wallet: proven(with_tx_output(d, 1, script=k[f]), w))
        for other in set(singles) - {form}:
            twisted = with_tx_output(data, 1, script=kinds[other])
            trial.refused("change-not-derived", lambda t=twisted, w=wallet: proven(t, w))
    for form, other in (("wsh", "sh-wsh"), ("sh-wsh", "sh"), ("sh", "wsh")):
        wallet = wallet_of(form)
        keys = wallet.scripts(1, 2)
        witness = keys.witness_script or keys.redeem_script
        wrapped = {"wsh": embit_script.p2wsh, "sh": embit_script.p2sh}
        inner = embit_script.Script(witness)
        twisted = (
            embit_script.p2sh(embit_script.p2wsh(inner)) if other == "sh-wsh" else wrapped[other](inner)
        ).data
        data = with_tx_output(raw(Payment(wallet)), 1, script=twisted)
        trial.refused("change-not-derived", lambda d=data, w=wallet: proven(d, w))


@attack("A018", "output-own-beyond-gap")
def so_far_out_that_nobody_looks(trial: Trial) -> None:
    """At the gap limit behind the highest index that is known, and one further; and at the end of all indexes."""
    for branch, known in ((0, 5), (1, -1)):
        reach = known + WALLET.gap_limit
        trial.passes(lambda b=branch, r=reach: proven(Payment(WALLET, change=[(OwnPlace(b, r), 39_000)])))
        for index in (reach + 1, 293_847, 2**31 - 1):
            far = Payment(WALLET, change=[(OwnPlace(branch, index), 39_000)])
            trial.refused("output-own-beyond-gap", lambda far=far: proven(far))


@attack("A018", "output-own-beyond-gap")
def carried_out_by_a_coin_paid_to_ourselves(trial: Trial) -> None:
    """A coin at an absurd place is spent, and proves that place; change beside it stays within what a person can search."""
    trial.passes(
        lambda: proven(
            Payment(
                WALLET, coins=[(OwnPlace(1, 2**31 - 1), 110_000)], change=[(OwnPlace(1, 1_000_000), 39_000)]
            )
        )
    )
    for index in (1_000_001, 2**31 - 1, 2**31 - 2):
        far = Payment(
            WALLET, coins=[(OwnPlace(1, 2**31 - 1), 110_000)], change=[(OwnPlace(1, index), 39_000)]
        )
        trial.refused("output-own-beyond-gap", lambda far=far: proven(far))


@attack("A018", "change-not-derived")
def path_with_another_shape(trial: Trial) -> None:
    """One step more, a hardened index, a third branch: the key is truly ours there, and no wallet finds it."""
    data = raw(Payment(WALLET))
    trial.passes(lambda: proven(data, WALLET))
    origin = list(WALLET.keys[0].origin)
    hard = 0x80000000
    for tail in ([1, 2, 0], [1, 2, hard], [1, hard + 2], [hard + 1, 2], [2, 2], [1], [], [1, 2, 293847, 5]):
        key = root(1).derive([*origin, *tail]).key.get_public_key()
        value = derivation(root(1).my_fingerprint, *origin, *tail)
        odd = hinted(data, key.sec(), value, embit_script.p2wpkh(key).data)
        trial.refused("change-not-derived", lambda odd=odd: proven(odd, WALLET))


@attack("A019", "change-not-derived", "intent-payments-differ")
def another_account_of_our_seed(trial: Trial) -> None:
    """Called change by a false path, or told truly: then it is somebody else's for this wallet, and nobody approved it."""
    office = trial.office()
    request = office.request()
    trial.passes(lambda: office.judge(request))
    data = bare(request)
    ours = root(1).my_fingerprint
    for path in ("m/84h/1h/1h/1/2", "m/49h/1h/0h/1/2", "m/84h/0h/0h/1/2", "m/0/2"):
        node = root(1).derive(path)
        key = node.key.get_public_key()
        script = embit_script.p2wpkh(key).data
        lied = hinted(data, key.sec(), derivation(ours, *WALLET.keys[0].origin, 1, 2), script)
        trial.refused("change-not-derived", lambda lied=lied: proven(lied, WALLET))
        steps = [
            int(step.rstrip("h")) + (0x80000000 if step.endswith("h") else 0) for step in path.split("/")[1:]
        ]
        true = UntrustedPsbt.parse(hinted(data, key.sec(), derivation(ours, *steps), script))
        assert not proven(true.raw, WALLET).own_outputs
        trial.refused("intent-payments-differ", lambda true=true: office.judge(resealed(request, true)))


@attack("A020", "intent-payments-differ", "payment-to-own-wallet")
def our_own_address_as_a_payee(trial: Trial) -> None:
    office = trial.office()
    request = office.request()
    trial.passes(lambda: office.judge(request))
    own = office.wallet.address(0, 7)
    envelope_intent = office.judge(request).approved.intent
    psbt = Payment(office.wallet, pay=[(own, 70_000)]).psbt()
    trial.refused(
        "intent-payments-differ",
        lambda: office.judge(
            resealed(request, psbt, intent=replace(envelope_intent, pays=((Amount(70_000), own),)))
        ),
    )
    desk = trial.desk()
    trial.passes(lambda: desk.create(20_000))
    trial.refused("payment-to-own-wallet", lambda: desk.create(20_000, to=desk.node.wallet.address(0, 7)))


@attack(
    "A020", prevented="both branches are derived and named apart, on the page too; no field says which it is"
)
def receive_address_as_change(trial: Trial) -> None:
    office = trial.office()
    for place, said in ((OwnPlace(0, 2), "receive 2"), (OwnPlace(1, 2), "change 2")):
        payment = Payment(office.wallet, change=[(place, 39_000)])
        judged = trial.passes(lambda payment=payment: office.judge(office.request(payment)))
        assert judged.verified.own_outputs[0].place == place
        assert any("receive addresses" in note for note in judged.verified.notes) == (place.branch == 0)
        page = "\n".join(line.plain for line in screen.page(judged, office.state()))
        assert said in page
        assert ("change 2" in page) == (said == "change 2")


@attack("A021", "output-own-too-many", "policy-change-too-small")
def change_in_crumbs(trial: Trial) -> None:
    def fan(count: int) -> Payment:
        change = [(OwnPlace(1, number % 20), 1_000) for number in range(count)]
        return Payment(WALLET, coins=[(OwnPlace(0, 3), 72_000 + 1_000 * count)], change=change)

    trial.passes(lambda: proven(fan(10)))
    for count in (11, 200):
        trial.refused("output-own-too-many", lambda count=count: proven(fan(count)))
    office = trial.office(min_change_value_sats=10_000)
    for least in (10_000, 9_999):
        change = [(OwnPlace(1, 2), 39_000 - least), (OwnPlace(1, 3), least)]
        request = office.request(Payment(office.wallet, change=change))
        if least == 10_000:
            trial.passes(lambda request=request: office.judge(request))
        else:
            trial.refused("policy-change-too-small", lambda request=request: office.judge(request))


@attack("A022", "fee-share-above-cap")
def nothing_is_paid_and_half_is_fee(trial: Trial) -> None:
    """Of 110,000 sats a quarter may be fee, and the page says that nothing is paid."""
    all_home = trial.passes(lambda: proven(Payment(WALLET, pay=[], change=[(OwnPlace(1, 2), 82_500)])))
    assert "no payment leaves this wallet" in all_home.notes
    for left in (82_499, 55_000, 1_000):
        half = Payment(WALLET, pay=[], change=[(OwnPlace(1, 2), left)])
        trial.refused("fee-share-above-cap", lambda half=half: proven(half))


@attack("A023", "input-not-ours")
def our_fingerprint_on_their_coin(trial: Trial) -> None:
    """Four bytes are copied in a moment: the coin is theirs, and every hint names our key."""
    trial.passes(lambda: proven(Payment(WALLET)))
    theirs = wpkh_wallet(seed=9)
    data = raw(Payment(theirs, change=[]))
    ours = WALLET.keys[0]
    for fingerprint, origin in (
        (ours.fingerprint, theirs.keys[0].origin),
        (ours.fingerprint, ours.origin),
        (bytes(4), ours.origin),
        (bytes(4), ()),
    ):

        def pretend(
            each: RawPsbt, fingerprint: bytes = fingerprint, origin: tuple[int, ...] = origin
        ) -> None:
            for index, place in enumerate((3, 5)):
                pubkeys = [key for key, _ in hints(each.input(index)) if key[0] == 6]
                for pubkey in pubkeys:
                    each.set(each.input(index), pubkey, derivation(fingerprint, *origin, 0, place))

        pretended = edited(data, pretend)
        trial.refused("input-not-ours", lambda p=pretended: proven(p, WALLET))


@attack("A023", "input-not-ours", "descriptor-key-origin-mismatch")
def fingerprint_of_zeros(trial: Trial) -> None:
    """It stands for 'unknown' elsewhere. Here it is nobody's: neither in a PSBT nor in a descriptor."""
    data = raw(Payment(WALLET))
    trial.passes(lambda: proven(data, WALLET))
    pubkey = WALLET.scripts(0, 3).pubkeys[0]
    for fingerprint in (bytes(4), b"\xff" * 4):
        value = derivation(fingerprint, *WALLET.keys[0].origin, 0, 3)
        zero = with_input(data, 0, b"\x06" + pubkey, value)
        trial.refused("input-not-ours", lambda zero=zero: proven(zero, WALLET))
    body = f"wpkh({key_expression(1)}/<0;1>/*)"
    trial.passes(lambda: parse(body))
    fingerprint = root(1).my_fingerprint.hex()
    trial.refused("descriptor-key-origin-mismatch", lambda: parse(body.replace(fingerprint, "00000000")))
    # a master key that says another fingerprint than its own
    right = f"wpkh([{fingerprint}]{xpub(1)}/<0;1>/*)"
    trial.passes(lambda: parse(right))
    trial.refused(
        "descriptor-key-origin-mismatch", lambda: parse(right.replace(f"[{fingerprint}]", "[deadbeef]"))
    )


@attack("A024", "input-not-ours", "input-amount-unproven")
def coins_of_others_among_ours(trial: Trial) -> None:
    """A stranger's coin beside ours, with its proof, with a claim alone, and with our hints beside it."""
    payment = Payment(
        WALLET, coins=[(OwnPlace(0, 3), 110_000), (OwnPlace(0, 5), 50_000)], change=[(OwnPlace(1, 2), 89_000)]
    )
    data = raw(payment)
    trial.passes(lambda: proven(data, WALLET))
    foreign = funding(EVIL, 50_000, salt=5)

    def mix(each: RawPsbt) -> None:
        tx = Transaction.parse_stripped(each.get(each.maps[0], b"\x00"))
        outpoint = replace(tx.inputs[1].outpoint, txid=foreign.txid(), vout=0)
        mixed = replace(tx, inputs=(tx.inputs[0], replace(tx.inputs[1], outpoint=outpoint)))
        each.set(each.maps[0], b"\x00", mixed.serialize_stripped())
        each.set(each.input(1), NON_WITNESS_UTXO, foreign.serialize())
        each.set(each.input(1), WITNESS_UTXO, claimed_utxo(50_000, EVIL))

    mixed = edited(data, mix)
    trial.refused("input-not-ours", lambda: proven(mixed, WALLET))
    without_hints = edited(mixed, lambda each: each.set(each.input(1), hints(each.input(1))[0][0], None))
    trial.refused("input-not-ours", lambda: proven(without_hints, WALLET))
    claimed = with_input(mixed, 1, NON_WITNESS_UTXO, None)
    trial.refused("input-amount-unproven", lambda: proven(claimed, WALLET))
    # and a taproot wallet, where a claim would do for a coin of its own
    taproot = wallet_of("tr")
    tr = raw(replace(payment, wallet=taproot))
    trial.passes(lambda: proven(tr, taproot))
    claims = with_input(
        with_input(tr, 1, NON_WITNESS_UTXO, None),
        1,
        WITNESS_UTXO,
        claimed_utxo(50_000, b"\x51\x20" + bytes(31) + b"\x01"),
    )
    trial.refused("input-not-ours", lambda: proven(claims, taproot))


@attack("A025", "input-not-ours")
def shown_as_foreign_and_ours_all_the_same(trial: Trial) -> None:
    """The coin is ours, its fields name another's fingerprint or none: refused whole, and nothing is written or signed."""
    office = trial.office()
    request = office.request()
    trial.passes(lambda: office.judge(request))
    data = bare(request)
    pubkey = office.wallet.scripts(0, 5).pubkeys[0]
    value = derivation(root(9).my_fingerprint, *office.wallet.keys[0].origin, 0, 5)
    for odd in (with_input(data, 1, b"\x06" + pubkey, value), with_input(data, 1, b"\x06" + pubkey, None)):
        psbt = UntrustedPsbt.parse(odd)
        trial.refused("input-not-ours", lambda psbt=psbt: office.judge(resealed(request, psbt)))
    assert records.spends(office.state(), office.wallet.wallet_id) == ()


@attack("A025", prevented="exactly the proven inputs are signed, each once, by the keys of the plan alone")
def as_many_signatures_as_inputs(trial: Trial) -> None:
    for name, multisig, seeds in (("single", False, 1), ("multi", True, 1)):
        office = trial.office(name, multisig=multisig)
        judged = office.judge(office.request())
        answer = trial.passes(
            lambda office=office, judged=judged: sign_session(
                office.state(), judged, Willing(), Ring(office), lambda: NOW
            )
        )
        psbt = UntrustedPsbt.parse(answer.psbt.raw)
        assert [len(view.partial_sigs) for view in psbt.inputs] == [seeds] * len(judged.verified.inputs)
        for view, item in zip(psbt.inputs, judged.verified.inputs, strict=True):
            assert set(view.partial_sigs) <= set(item.scripts.signing_keys)
            assert {key[0] for key in view.fields} == {2}


@attack(
    "A026", "state-tampered", prevented="the machine derives the address from what it registered, by itself"
)
def receive_address_of_the_attacker(trial: Trial) -> None:
    """The machine derives it from what it registered, in a process of its own; what another screen claims has no way in."""
    office = trial.office()
    signer = Signer(office.home, "north")
    found = trial.passes(
        lambda: signer.run("wallet", "address", "treasury", "--index", "7", json_output=True).json
    )
    key = root(1).derive("m/84h/1h/0h/0/7").key.get_public_key()
    assert found["address"] == embit_script.p2wpkh(key).address(NETWORKS["regtest"])
    assert found["address"] != stranger_address(66)
    trial.passes(lambda: records.wallet(office.state(), "treasury"))
    # the registered wallet itself cannot be exchanged under the machine's feet
    evil = wpkh_wallet(seed=66)
    with sqlite3.connect(office.home / "state.sqlite") as database:
        database.execute("UPDATE wallets SET descriptor = ?", (evil.canonical,))
    database.close()
    trial.refused("state-tampered", lambda: records.wallet(office.state(), "treasury"))
