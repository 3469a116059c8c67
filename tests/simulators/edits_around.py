"""The edits of what people sign: intents, approvals, and the policy's name; and of what the coordinator says of its rules."""

from __future__ import annotations

import random

from tests.simulators import wire
from tests.simulators.draft import Desk, Draft, key_hash, moment
from tests.simulators.edits import attacker, edit, payments_of
from tests.simulators.houses import OTHERS, point, stranger, treasury
from tests.simulators.truth import address_of
from tests.support.policies import SshKey

# Intents


def _line(draft: Draft, key: str, *values: str, chance: random.Random) -> None:
    draft.set(draft.intent, key, chance.choice(values))


@edit("intent", 12)
def _follow(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """An intent for what the transaction really does, whatever was approved."""
    pays = [line for line in draft.intent if line[0] == "pay"]
    if not payments_of(draft):
        draft.set(draft.intent, "kind", "own")
        draft.intent = [line for line in draft.intent if line[0] != "pay"]
    elif draft.get(draft.intent, "kind") == "pay":
        at = next((n for n, line in enumerate(draft.intent) if line[0] == "max-fee"), len(draft.intent))
        draft.intent = [line for line in draft.intent if line[0] != "pay"]
        at -= len(pays)
        lines = []
        for each in payments_of(draft):
            try:
                lines.append(["pay", f"{each.sats} {address_of(each.script)}"])
            except ValueError:
                continue
        draft.intent[at:at] = lines
    if chance.random() < 0.7:
        draft.set(draft.intent, "max-fee", str(chance.choice((400_000, 30_000, 9_999_999))))
    if draft.inputs and chance.random() < 0.6:
        first = chance.choice(draft.inputs)
        draft.set(draft.intent, "spends", f"{first.txid[::-1].hex()}:{first.vout}")
    if chance.random() < 0.5:
        draft.approvals, draft.approvers = [], frozenset()


@edit("intent", 3)
def _kind(draft: Draft, desk: Desk, chance: random.Random) -> None:
    kinds = ("pay", "own", "sweep", "cancel")
    _line(draft, "kind", *kinds, *kinds, *kinds, "recover", "Pay", "gift", chance=chance)


@edit("intent", 1)
def _intent_network(draft: Draft, desk: Desk, chance: random.Random) -> None:
    _line(draft, "network", "mainnet", "testnet4", "signet", "", "regtest ", chance=chance)


@edit("intent", 1)
def _intent_wallet(draft: Draft, desk: Desk, chance: random.Random) -> None:
    _line(draft, "wallet", "ab" * 32, "AB" * 32, "", chance=chance)


@edit("request", 2)
def _under_the_other_policy(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """As a spend of the machine's other wallet, whose policy asks nobody."""
    other = treasury(OTHERS[draft.treasury.form], "limits").rules
    for lines in (draft.intent, draft.request) if chance.random() < 0.7 else (draft.request,):
        draft.set(lines, "wallet", other.wallet_id)
        if chance.random() < 0.8:
            draft.set(lines, "policy", f"{other.version} {other.digest}")


@edit("intent", 5)
def _names(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Who asks, for what, under which number."""
    key = chance.choice(("proposal", "requester", "strategy"))
    _line(draft, key, "agent", "clerk", "rent", "dca", "-", "p-1", "a b", "A", "x" * 65, "", chance=chance)


@edit("intent", 2)
def _spends(draft: Draft, desk: Desk, chance: random.Random) -> None:
    coins = [
        chance.choice(desk.purse.coins).text,
        *(f"{each.txid[::-1].hex()}:{each.vout}" for each in draft.inputs),
    ]
    _line(draft, "spends", *coins, f"{'00' * 32}:0", "x", chance=chance)


@edit("intent", 6)
def _pay_line(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """An amount, an address, a line more or less, or the same one twice."""
    places = [number for number, line in enumerate(draft.intent) if line[0] == "pay"]
    if not places:
        return
    place = chance.choice(places)
    sats, _, address = draft.intent[place][1].partition(" ")
    match chance.randrange(6):
        case 0:
            draft.intent[place][1] = f"{int(sats) + chance.choice((1, -1, 5_000))} {address}"
        case 1:
            draft.intent[place][1] = f"{sats} {address_of(chance.choice((attacker(chance), stranger(11))))}"
        case 2:
            draft.intent.pop(place)
        case 3:
            draft.intent.insert(place, ["pay", f"{sats} {address}"])
        case 4:
            draft.intent.insert(place, ["pay", f"{chance.randrange(600, 90_000)} {address_of(stranger(10))}"])
        case _:
            draft.intent[place][1] = chance.choice(
                (f"0{sats} {address}", f"{sats} {address.upper()}", f"+{sats} {address}", sats)
            )


@edit("intent", 4)
def _max_fee(draft: Draft, desk: Desk, chance: random.Random) -> None:
    _line(
        draft,
        "max-fee",
        "0",
        "1",
        "9999999",
        "2100000000000000",
        "2100000000000001",
        "-1",
        "1e3",
        chance=chance,
    )


@edit("intent", 4)
def _window(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """When it may be signed."""
    shift = chance.choice((-10_000_000, -90_000, -1, 0, 1, 60, 90_000, 900_000))
    value = moment(desk.now + shift) if chance.random() < 0.95 else "never"
    draft.set(draft.intent, chance.choice(("not-before", "expires")), value)


@edit("intent", 2)
def _spelling(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """The same words in another spelling."""

    def respell(text: bytes) -> bytes:
        if not text:
            return b"\n"
        at = chance.randrange(len(text))
        return chance.choice(
            (
                text[:-1], text + b"\n", text.replace(b"\n", b"\r\n"), text[:at] + b" " + text[at:], text + b"note x\n",
                text.replace(b"intent 1", b"intent 2"), text[:at] + chance.randbytes(1) + text[at + 1 :], b"",
                b"\xef\xbb\xbf" + text,
            )
        )  # fmt: skip

    draft.intent_text = once(respell)


def once(change: object) -> object:
    """The same result however often it is asked."""
    known: dict[bytes, bytes] = {}

    def same(text: bytes) -> bytes:
        if text not in known:
            known[text] = change(text)  # type: ignore[operator]
        return known[text]

    return same


@edit("intent", 1)
def _line_order(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if len(draft.intent) > 3:
        one, other = chance.sample(range(1, len(draft.intent)), 2)
        draft.intent[one], draft.intent[other] = draft.intent[other], draft.intent[one]


# Approvals


@edit("approval", 5)
def _fewer_approvals(draft: Draft, desk: Desk, chance: random.Random) -> None:
    draft.approvals = draft.approvals[: chance.randrange(len(draft.approvals) + 1)]
    draft.approvers = frozenset(
        name for name in draft.approvers if key_hash(name) in {key for key, _ in draft.approvals}
    )


@edit("approval", 6)
def _old_approval(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A true signature by an approver, of something else that he approved."""
    if desk.signatures:
        name, _, raw = chance.choice(desk.signatures)
        draft.approvals = [(key, value) for key, value in draft.approvals if key != key_hash(name)] + [
            (key_hash(name), raw)
        ]
        draft.approvers |= {name}


@edit("approval", 8)
def _forged_approval(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """By a key that the attacker has, under its own name or an approver's, for this text and for this purpose or another."""
    claimed, by = chance.choice(("anna", "bert", "carl")), chance.choice(("coordinator", "mallory"))
    namespace = chance.choice((wire.APPROVALS, wire.APPROVALS, wire.REQUESTS, b"git", b""))
    says = point(chance.choice((claimed, by)))
    raw = wire.ssh_signature(
        SshKey.of(by).private.sign, says, draft.text(), namespace, chance.choice(("sha512", "sha256"))
    )
    under = key_hash(chance.choice((claimed, by)))
    draft.approvals = [(key, value) for key, value in draft.approvals if key != under] + [(under, raw)]
    draft.approvers |= {claimed}


@edit("approval", 2)
def _other_purpose(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """What an approver signed for another program: the same text in another namespace (never an approval)."""
    name = chance.choice(("anna", "bert", "admin-a"))
    namespace = chance.choice((b"falconer-policy@1", b"falconer-request@1", b"falconer-operator@1", b"file"))
    raw = wire.ssh_signature(SshKey.of(name).private.sign, point(name), draft.text(), namespace)
    draft.approvals = [(key, value) for key, value in draft.approvals if key != key_hash(name)] + [
        (key_hash(name), raw)
    ]
    draft.approvers |= {name}


@edit("approval", 3)
def _damaged_approval(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.approvals:
        place = chance.randrange(len(draft.approvals))
        key, raw = draft.approvals[place]
        if not raw:
            return
        at = chance.randrange(len(raw))
        draft.approvals[place] = chance.choice(
            (
                (key, raw[:at] + bytes((raw[at] ^ 1 << chance.randrange(8),)) + raw[at + 1 :]),
                (chance.randbytes(32), raw), (key[:-1], raw), (key, raw[:at]), (key, raw + b"\x00"), (key, b""),
            )
        )  # fmt: skip


@edit("approval", 2)
def _approval_twice(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """One person as a quorum."""
    if draft.approvals:
        _, raw = draft.approvals[0]
        draft.approvals += [
            (key_hash(name), raw)
            for name in ("anna", "bert", "carl")
            if key_hash(name) not in dict(draft.approvals)
        ]
        draft.approvers |= {"anna", "bert", "carl"}


@edit("approval", 1)
def _many_approvals(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.approvals:
        raw = draft.approvals[0][1]
        draft.approvals += [(chance.randbytes(32), raw) for _ in range(chance.choice((3, 31, 40)))]


# The policy's name, and what the coordinator says of its rules


@edit("policy", 3)
def _other_policy(draft: Draft, desk: Desk, chance: random.Random) -> None:
    rules = draft.treasury.rules
    other = chance.choice(
        (
            f"2 {rules.digest}",
            f"1 {'cd' * 32}",
            f"0 {rules.digest}",
            f"{rules.digest} 1",
            "1",
            "01 " + rules.digest,
        )
    )
    for lines in (
        (draft.intent, draft.request)
        if chance.random() < 0.5
        else (chance.choice((draft.intent, draft.request)),)
    ):
        draft.set(lines, "policy", other)


@edit("policy", 5)
def _rule_line(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Another verdict than the coordinator's own program gives; or a rule left out."""
    draft.seal()
    draft.follow_rules = False
    places = [number for number, line in enumerate(draft.request) if line[0] == "rule"]
    if not places:
        return
    place = chance.choice(places)
    name, _, value, limit = [*draft.request[place][1].split(" "), "", "", ""][:4]
    match chance.randrange(6):
        case 0:
            draft.request.pop(place)
        case 1:
            draft.request[place][1] = f"{name} pass - -"
        case 2:
            draft.request[place][1] = (
                f"{name} {chance.choice(('pass', 'fail', 'unseen', 'maybe'))} {value} {limit}"
            )
        case 3:
            draft.request[place][1] = f"{name} pass {chance.randrange(10**6)} {limit}"
        case 4:
            draft.request.append(["rule", f"{chance.choice(('zzz', name, 'allowed'))} pass - -"])
        case _:
            draft.request[place][1] = f"{name} pass {value} {'9' * chance.choice((9, 49))}"
