"""The edits of what stands around a transaction: intents, approvals, the policy's name, requests, receipts, and time."""

from __future__ import annotations

import hashlib
import random

from tests.simulators import wire
from tests.simulators.draft import Desk, Draft, fingerprint, key_hash, moment, receipt_field
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

    draft.intent_text = _once(respell)


def _once(change: object) -> object:
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


# Requests


@edit("request", 3)
def _by_another(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Sealed by a key that is not the coordinator's, whosever it claims to be."""
    draft.by = chance.choice(("mallory", "anna", "north", "admin-a"))
    if chance.random() < 0.5:
        draft.set(draft.request, "coordinator", fingerprint(draft.by))


@edit("request", 3)
def _bad_seal(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """The coordinator's signature over another text, or for another purpose."""
    if chance.random() < 0.5:
        draft.seal_over = lambda text: text.replace(b"\nid ", b"\nid x")
    else:
        draft.namespace = chance.choice((wire.APPROVALS, wire.RECEIPTS, b"file"))


@edit("request", 4)
def _stale(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A request that names another transaction, or another intent, than it comes with."""
    if chance.random() < 0.5:
        draft.follow_transaction = False
        draft.set(draft.request, "unsigned", chance.choice((chance.randbytes(32).hex(), "00" * 32)))
    else:
        draft.follow_intent = False
        draft.set(draft.request, "intent", chance.randbytes(32).hex())


@edit("request", 1)
def _request_line(draft: Draft, desk: Desk, chance: random.Random) -> None:
    key, *values = chance.choice(
        (
            ("id", "r", "R", "", "x" * 65), ("created", moment(0), moment(desk.now + 10**8), "now"),
            ("network", "mainnet", "signet"), ("wallet", "ab" * 32, "x"),
            ("coordinator", fingerprint("mallory"), "SHA256:x", ""), ("audit", f"0 {'00' * 32}", "-1 x"),
        )
    )  # fmt: skip
    draft.set(draft.request, key, chance.choice(values))


@edit("request", 1)
def _request_spelling(draft: Draft, desk: Desk, chance: random.Random) -> None:
    def respell(text: bytes) -> bytes:
        if not text:
            return b"\n"
        at = chance.randrange(len(text))
        return chance.choice(
            (
                text[:-1],
                text + b"\n",
                text[:at] + b"  " + text[at:],
                text + b"rule zz pass - -\n",
                b"",
                text[at:],
            )
        )

    draft.request_text = _once(respell)


@edit("request", 2)
def _missing_part(draft: Draft, desk: Desk, chance: random.Random) -> None:
    part = wire.OURS + chance.choice((wire.REQUEST, wire.INTENT, wire.SIGNATURE))
    draft.raw.append(
        lambda maps: maps[0].__setitem__(slice(None), [each for each in maps[0] if each[0] != part])
    )


@edit("request", 3)
def _parts_of_another(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """Request, intent, approvals or all of it from an earlier request, around this transaction."""
    if not desk.past:
        return
    other = chance.choice(desk.past)[0]
    match chance.randrange(4):
        case 0:
            draft.intent, draft.intent_text = [list(line) for line in other.intent], other.intent_text
            draft.approvals, draft.approvers = list(other.approvals), other.approvers
        case 1:
            draft.request = [list(line) for line in other.request]
            draft.follow_transaction = draft.follow_intent = draft.follow_rules = False
        case 2:
            draft.approvals, draft.approvers = list(other.approvals), other.approvers
        case _:
            # their transaction under our intent and approvals
            copied = other.copy()
            draft.inputs, draft.outputs = copied.inputs, copied.outputs
            draft.version, draft.locktime = copied.version, copied.locktime


# Receipts


@edit("receipt", 5)
def _mark(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """What the coordinator claims to remember of a machine: less, more, something else, or of somebody else."""
    places = [number for number, line in enumerate(draft.request) if line[0] == "receipt"]
    place = chance.choice(places) if places else None
    if place is None:
        return
    name = draft.request[place][1].split(" ")[0]
    mine = len(desk.receipts)
    match chance.randrange(7):
        case 0:
            draft.request[place][1] = f"{name} 0 -"
        case 1:
            draft.request[place][1] = f"{name} {mine + chance.choice((1, 2**53))} {'ab' * 32}"
        case 2:
            draft.request[place][1] = f"{name} {max(mine, 1)} {'ab' * 32}"
        case 3:
            draft.request.pop(place)
        case 4:
            draft.request.insert(place + 1, ["receipt", f"zed {chance.choice((0, 1))} -"])
        case 5 if desk.receipts:
            number = chance.randrange(1, mine + 1)
            draft.request[place][1] = f"{name} {number} {_digest(desk.receipts[number - 1])}"
        case _:
            draft.request[place][1] = f"{name} 1 -"


def _digest(value: bytes) -> str:
    length, at = wire._read_size(value, 0)
    return hashlib.sha256(value[at : at + length]).hexdigest()


@edit("receipt", 5)
def _forged_receipt(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """That another machine signed this request, by whatever key; or what this machine is said to have done."""
    draft.seal()
    digest = hashlib.sha256(
        draft.request_text("".join(f"{k} {v}\n" for k, v in draft.request).encode("utf-8", "replace"))
    ).hexdigest()
    name, by = chance.choice(
        (
            ("south", "coordinator"),
            ("south", "mallory"),
            ("north", "coordinator"),
            ("south", "anna"),
            ("west", "mallory"),
        )
    )
    number = chance.choice((1, 2, len(desk.receipts) + 1))
    key, value = receipt_field(
        name, by, number, chance.choice((digest, "ab" * 32)), chance.choice(((), (), ("person-declined",)))
    )
    if chance.random() < 0.5:
        key = key_hash(name)
    draft.receipts = [each for each in draft.receipts if each[0] != key] + [(key, value)]


@edit("receipt", 4)
def _old_receipt(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """A true receipt: of this machine, marked or not, or of another one for another request."""
    found = [(key_hash("north"), value) for value in desk.receipts[-3:]]
    found += [each for other, _ in desk.past[-6:] for each in other.receipts]
    if found:
        key, value = chance.choice(found)
        draft.receipts = [each for each in draft.receipts if each[0] != key] + [(key, value)]
        if chance.random() < 0.5:
            length, at = wire._read_size(value, 0)
            lines = value[at : at + length].decode("ascii", "replace").split("\n")
            words = dict(line.partition(" ")[::2] for line in lines)
            for line in draft.request:
                if line[0] == "receipt" and line[1].startswith(f"{words.get('signer')} "):
                    line[1] = f"{words.get('signer')} {words.get('number')} {_digest(value)}"


@edit("receipt", 2)
def _no_receipts(draft: Draft, desk: Desk, chance: random.Random) -> None:
    draft.receipts = []


@edit("receipt", 1)
def _damaged_receipt(draft: Draft, desk: Desk, chance: random.Random) -> None:
    if draft.receipts:
        key, value = draft.receipts[0]
        if not value:
            return
        at = chance.randrange(len(value))
        draft.receipts[0] = chance.choice(
            ((key, value[:at]), (key, value[:at] + b"\x31" + value[at + 1 :]), (chance.randbytes(32), value))
        )


@edit("receipt", 3)
def _countersign(draft: Draft, desk: Desk, chance: random.Random) -> None:
    """The other machine really signs what the coordinator made of it, where it must be the first."""
    desk.countersign(draft)
