"""What an edit is, and the edits of transactions.

Each takes a draft and changes one thing. Nothing has to make sense: the edits of one request meet by chance, and the
coordinator's key seals whatever comes of it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tests.simulators import wire
from tests.simulators.draft import MAX_MONEY, RBF, Desk, Draft, Paying, Spending
from tests.simulators.fields import funding, input_fields, output_fields
from tests.simulators.houses import stranger
from tests.simulators.truth import FAR, Coin, Wallet, p2pkh, p2sh, p2tr, p2wpkh, p2wsh

Act = Callable[[Draft, Desk, random.Random], None]


@dataclass(frozen=True)
class Edit:
    """`harmless` ones change nothing that is signed or judged: a request with these alone may be signed."""

    name: str
    level: str
    act: Act
    weight: int
    harmless: bool


EDITS: dict[str, Edit] = {}


def edit(level: str, weight: int = 4, *, harmless: bool = False) -> Callable[[Act], Act]:
    def keep(act: Act) -> Act:
        name = act.__name__.strip("_")
        EDITS[name] = Edit(name, level, act, weight, harmless)
        return act

    return keep


# Helpers


def attacker(chance: random.Random) -> bytes:
    """A script that the attacker can spend, of any kind."""
    key = (
        b"\x02"
        b"\x79\xbe\x66\x7e\xf9\xdc\xbb\xac\x55\xa0\x62\x95\xce\x87\x0b\x07\x02\x9b\xfc\xdb\x2d\xce\x28\xd9\x59\xf2\x81\x5b\x16\xf8\x17\x98"
    )
    make = chance.choice(
        (p2pkh, p2wpkh, p2tr, lambda each: p2sh(p2wpkh(each)), lambda each: p2wsh(b"\x21" + each + b"\xac"))
    )
    return make(key)


def change_of(draft: Draft) -> list[Paying]:
    return [each for each in draft.outputs if draft.treasury.wallet.find(each.script)]


def payments_of(draft: Draft) -> list[Paying]:
    return [each for each in draft.outputs if not draft.treasury.wallet.find(each.script)]


def one(chance: random.Random, among: list[Paying], draft: Draft) -> Paying | None:
    found = among or draft.outputs
    return chance.choice(found) if found else None


def replaced(fields: wire.Map, kind: bytes, value: bytes | None) -> wire.Map:
    """Without the fields of that type, and with the new value if there is one."""
    kept = [(key, old) for key, old in fields if key[:1] != kind]
    return kept if value is None else [*kept, (kind, value)]


def some_input(draft: Draft, chance: random.Random) -> Spending | None:
    return chance.choice(draft.inputs) if draft.inputs else None


def coin_of(draft: Draft, desk: Desk, spending: Spending) -> Coin | None:
    return next((coin for coin in desk.purse.coins if coin.outpoint == (spending.txid, spending.vout)), None)


def other_wallet(draft: Draft, form: str) -> Wallet:
    """The same keys in another script."""
    wallet = draft.treasury.wallet
    return Wallet(form, wallet.threshold, wallet.keys, in_order=wallet.in_order)


# Transactions: where the money goes


@edit("transaction", 10)
def _redirect_payment(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if found := one(chance, payments_of(draft), draft):
        found.script = attacker(chance)


@edit("transaction", 10)
def _redirect_change(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """With our own fields beside it, or without."""
    if found := one(chance, change_of(draft), draft):
        found.script = attacker(chance)
        if chance.random() < 0.5:
            found.fields = []


@edit("transaction", 8)
def _move_change(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Another index or branch of ours, near or far, told or not."""
    if found := one(chance, change_of(draft), draft):
        index = chance.choice((chance.randrange(60), *FAR))
        place = draft.treasury.wallet.place(chance.randrange(2), index)
        found.script = place.script
        if chance.random() < 0.75:
            found.fields = output_fields(draft.treasury.wallet, place)


@edit("transaction", 4)
def _change_of_another_kind(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Our keys in another script: a wallet that nobody restores."""
    if found := one(chance, change_of(draft), draft):
        own = draft.treasury.wallet
        forms = ("sh", "wsh", "sh-wsh") if len(own.keys) > 1 else ("pkh", "wpkh", "sh-wpkh", "tr")
        place = other_wallet(draft, chance.choice([form for form in forms if form != own.form])).place(
            1, chance.randrange(9)
        )
        found.script = place.script
        if chance.random() < 0.5:
            found.fields = output_fields(own, own.place(1, place.index))


@edit("transaction", 4)
def _weaker_change(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """The same keys, and one of them is enough; or one of them is the attacker's."""
    own = draft.treasury.wallet
    found = one(chance, change_of(draft), draft)
    if found and len(own.keys) > 1:
        keys = own.keys
        place = Wallet(own.form, 1, keys, in_order=own.in_order).place(1, chance.randrange(9))
        found.script = place.script
        found.fields = output_fields(own, place)


@edit("transaction", 8)
def _shift_amount(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """From one output to another, or to the miners."""
    if draft.outputs:
        source = chance.choice(draft.outputs)
        sats = chance.choice((1, 50, 999, source.sats // 10, source.sats // 2, max(source.sats - 600, 0)))
        source.sats -= sats
        if chance.random() < 0.6:
            chance.choice(draft.outputs).sats += sats


@edit("transaction", 4)
def _feed_miners(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A fee of any size, taken from the change if there is some."""
    if found := one(chance, change_of(draft), draft):
        found.sats -= int(found.sats * chance.choice((0.2, 0.5, 0.9, 0.99)))


@edit("transaction", 3)
def _odd_amount(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.outputs:
        chance.choice(draft.outputs).sats = chance.choice(
            (
                0,
                1,
                293,
                294,
                329,
                330,
                545,
                546,
                999_999_999,
                MAX_MONEY,
                MAX_MONEY + 1,
                1 << 63,
                (1 << 64) - 1,
                -1,
            )
        )


@edit("transaction", 4)
def _odd_output(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A script without an address, one that anybody may spend one day, or one that nobody can."""
    if draft.outputs:
        chance.choice(draft.outputs).script = chance.choice(
            (
                b"\x6a", b"\x6a\x04data", b"\x52\x20" + bytes(32), b"\x60\x02\x01\x02", b"\x51\x02\x4e\x73", b"", b"\x51",
                b"\x51\x20" + b"\xff" * 32, b"\x51\x20" + bytes(32), b"\x00\x15" + bytes(21), b"\x00\x14" + bytes(19),
                b"\x21\x02" + bytes(32) + b"\xac", bytes(10_001),
            )
        )  # fmt: skip


@edit("transaction", 6)
def _add_payment(draft: Draft, desk: Desk, chance: random.Random) -> None:
    sats = int(600 * 2_000 ** chance.random())
    richest = max(draft.outputs, key=lambda each: each.sats, default=None)
    if richest is not None and chance.random() < 0.8:
        richest.sats -= sats
    place = chance.randrange(len(draft.outputs) + 1)
    draft.outputs.insert(
        place, Paying(sats, chance.choice((attacker(chance), stranger(chance.randrange(12)))))
    )


@edit("transaction", 3)
def _remove_output(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.outputs:
        gone = draft.outputs.pop(chance.randrange(len(draft.outputs)))
        if draft.outputs and chance.random() < 0.6:
            chance.choice(draft.outputs).sats += gone.sats


@edit("transaction", 3)
def _double_output(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.outputs:
        found = chance.choice(draft.outputs)
        draft.outputs.append(Paying(found.sats, found.script, list(found.fields)))


@edit("transaction", 4)
def _split_output(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.outputs:
        found = chance.choice(draft.outputs)
        parts = chance.choice((2, 3, 12))
        found.sats //= parts
        draft.outputs += [Paying(found.sats, found.script, list(found.fields)) for _ in range(parts - 1)]


@edit("transaction", 2)
def _merge_outputs(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if len(draft.outputs) > 1:
        gone = draft.outputs.pop()
        draft.outputs[0].sats += gone.sats


@edit("transaction", 2)
def _reorder(draft: Draft, desk: Desk, chance: random.Random) -> None:
    chance.shuffle(draft.outputs)
    if chance.random() < 0.5:
        chance.shuffle(draft.inputs)


@edit("transaction", 3)
def _fan_out(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Our own change in many small pieces."""
    if found := one(chance, change_of(draft), draft):
        count = chance.choice((9, 10, 11, 20))
        found.sats //= count
        draft.outputs += [
            desk.paying(draft.treasury.wallet.place(1, n), found.sats) for n in range(count - 1)
        ]


# Transactions: what is spent


@edit("transaction", 6)
def _more_coins(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Ours, for change, for the miners, or for the payee."""
    coin = chance.choice(desk.purse.coins)
    draft.inputs.insert(chance.randrange(len(draft.inputs) + 1), desk.spending(coin))
    if draft.outputs and chance.random() < 0.9:
        chance.choice(draft.outputs).sats += coin.sats - 400


@edit("transaction", 3)
def _fewer_coins(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.inputs:
        gone = draft.inputs.pop(chance.randrange(len(draft.inputs)))
        coin = coin_of(draft, desk, gone)
        if coin is not None and draft.outputs and chance.random() < 0.7:
            max(draft.outputs, key=lambda each: each.sats).sats -= coin.sats


@edit("transaction", 4)
def _coin_twice(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if found := some_input(draft, chance):
        draft.inputs.append(Spending(found.txid, found.vout, found.sequence, list(found.fields)))
        coin = coin_of(draft, desk, found)
        if coin is not None and draft.outputs and chance.random() < 0.9:
            chance.choice(draft.outputs).sats += coin.sats


@edit("transaction", 5)
def _other_coin(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Another of our coins in the place of one; the change follows."""
    if draft.inputs:
        number = chance.randrange(len(draft.inputs))
        coin, old = chance.choice(desk.purse.coins), coin_of(draft, desk, draft.inputs[number])
        draft.inputs[number] = desk.spending(coin)
        if draft.outputs and old is not None:
            max(draft.outputs, key=lambda each: each.sats).sats += coin.sats - old.sats


@edit("transaction", 3)
def _foreign_coin(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A coin of the attacker's own, with or without our fields beside it."""
    made = funding(chance, attacker(chance), 200_000)
    coin = max(desk.chain.publish(*made), key=lambda each: each.sats)
    fields = input_fields(draft.treasury.wallet, coin, None)
    if draft.inputs and chance.random() < 0.5:
        fields += [each for each in draft.inputs[0].fields if each[0] != b"\x00"]
    draft.inputs.append(Spending(coin.txid, coin.vout, RBF, fields))
    if draft.outputs and chance.random() < 0.6:
        chance.choice(draft.outputs).sats += coin.sats - 500


@edit("transaction", 4)
def _gift(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A coin that the attacker pays to us, at a place of his choice: real if he publishes it."""
    place = draft.treasury.wallet.place(chance.randrange(2), chance.choice((chance.randrange(40), *FAR)))
    made = funding(chance, place.script, 90_000)
    coin = next(each for each in desk.chain.publish(*made) if each.script == place.script)
    draft.inputs.append(Spending(coin.txid, coin.vout, RBF, input_fields(draft.treasury.wallet, coin, place)))
    if draft.outputs and chance.random() < 0.8:
        chance.choice(draft.outputs).sats += coin.sats


@edit("transaction", 2)
def _odd_outpoint(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if found := some_input(draft, chance):
        found.vout = chance.choice((found.vout + 1, 7, 0xFFFFFFFF, found.vout ^ 1))
        if chance.random() < 0.3:
            found.txid = chance.choice((bytes(32), chance.randbytes(32), found.txid[::-1]))


@edit("transaction", 3)
def _sequence(draft: Draft, desk: Desk, chance: random.Random) -> None:
    for found in chance.sample(draft.inputs, chance.randrange(len(draft.inputs) + 1)):
        found.sequence = chance.choice(
            (0, 1, 144, 0x00400010, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
        )


@edit("transaction", 2)
def _locktime(draft: Draft, desk: Desk, chance: random.Random) -> None:
    draft.locktime = chance.choice((1, 499_999_999, 500_000_000, desk.now, 0xFFFFFFFF))


@edit("transaction", 2)
def _version(draft: Draft, desk: Desk, chance: random.Random) -> None:
    draft.version = chance.choice((0, 1, 3, 4, -1, 0x7FFFFFFF))


@edit("transaction", 1)
def _nothing_left(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if chance.random() < 0.5:
        draft.outputs = []
    else:
        draft.inputs = []
