"""A signing request in its parts, every one of which may be changed before it is sealed again by the coordinator's key.

`Desk` is what a compromised coordinator has: the coins, its key, everything that it ever sent and got back. It makes honest
requests, and `seal` puts a changed one together as a clever attacker does: hashes, digests and rule lines follow what was
changed.
"""

from __future__ import annotations

import hashlib
import random
import struct
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache

from falconer_shared.approval.intent import IntentKind
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.descriptor.ast import worst_case_weight
from falconer_shared.policy.engine import evaluate
from falconer_shared.policy.spend import NOTHING_SEEN, OwnOutput, Payment, Share, Spend
from falconer_shared.units import Amount, FeeRate
from tests.simulators import wire
from tests.simulators.fields import input_fields, output_fields, purse
from tests.simulators.houses import Treasury, point, stranger
from tests.simulators.truth import Chain, Coin, Given, Place, address_of
from tests.support.policies import SshKey

MAX_MONEY = 2_100_000_000_000_000
RBF = 0xFFFFFFFD


@dataclass
class Spending:
    """An input as it will be written."""

    txid: bytes
    vout: int
    sequence: int
    fields: wire.Map


@dataclass
class Paying:
    """An output as it will be written."""

    sats: int
    script: bytes
    fields: wire.Map = field(default_factory=list)


Lines = list[list[str]]
Change = Callable[[list[wire.Map]], None]


@dataclass
class Draft:
    """One request before it is sealed. `by` is whose key seals it; the `follow`s say what is brought up to date."""

    treasury: Treasury
    chain: Chain
    version: int
    inputs: list[Spending]
    outputs: list[Paying]
    locktime: int
    psbt_version: int
    intent: Lines
    approvals: wire.Map
    request: Lines
    receipts: wire.Map
    globals: wire.Map = field(default_factory=list)
    by: str = "coordinator"
    follow_transaction: bool = True
    follow_intent: bool = True
    follow_rules: bool = True
    raw: list[Change] = field(default_factory=list)
    last: list[Callable[[bytes], bytes]] = field(default_factory=list)
    seal_over: Callable[[bytes], bytes] = bytes
    namespace: bytes = wire.REQUESTS
    intent_text: Callable[[bytes], bytes] = bytes
    request_text: Callable[[bytes], bytes] = bytes
    approvers: frozenset[str] = frozenset()
    """Whose approvals are good, as far as the attacker knows: for the rule lines."""

    def copy(self) -> Draft:
        return replace(
            self,
            inputs=[replace(each, fields=list(each.fields)) for each in self.inputs],
            outputs=[replace(each, fields=list(each.fields)) for each in self.outputs],
            intent=deepcopy(self.intent),
            approvals=list(self.approvals),
            request=deepcopy(self.request),
            receipts=list(self.receipts),
            globals=list(self.globals),
            raw=list(self.raw),
            last=list(self.last),
        )

    def unsigned(self) -> bytes:
        return wire.transaction(
            self.version,
            [(each.txid, each.vout, each.sequence) for each in self.inputs],
            [(each.sats, each.script) for each in self.outputs],
            self.locktime,
        )

    def text(self) -> bytes:
        """The intent."""
        return self.intent_text(written(self.intent))

    def get(self, lines: Lines, key: str) -> str:
        return next((rest for name, rest in lines if name == key), "")

    def set(self, lines: Lines, key: str, rest: str) -> None:
        for line in lines:
            if line[0] == key:
                line[1] = rest
                return

    def seal(self) -> bytes:
        """The bytes that cross the gap."""
        unsigned, text = self.unsigned(), self.text()
        if self.follow_transaction:
            self.set(self.request, "unsigned", wire.double_sha256(unsigned)[::-1].hex())
        if self.follow_intent:
            self.set(self.request, "intent", hashlib.sha256(text).hexdigest())
        if self.follow_rules:
            self.request = [line for line in self.request if line[0] != "rule"] + rule_lines(
                self, len(unsigned)
            )
        asked = self.request_text(written(self.request))
        key = SshKey.of(self.by).private
        signature = wire.ssh_signature(key.sign, point(self.by), self.seal_over(asked), self.namespace)
        ours = [
            (wire.OURS + wire.REQUEST, asked), (wire.OURS + wire.INTENT, text), (wire.OURS + wire.SIGNATURE, signature),
            *((wire.OURS + wire.APPROVAL + key_hash, value) for key_hash, value in self.approvals),
            *((wire.OURS + wire.RECEIPT + key_hash, value) for key_hash, value in self.receipts),
        ]  # fmt: skip
        maps = self._maps(unsigned, ours)
        for change in self.raw:
            change(maps)
        data = wire.psbt(maps)
        for alter in self.last:
            data = alter(data)
        return data

    def _maps(self, unsigned: bytes, ours: wire.Map) -> list[wire.Map]:
        if self.psbt_version == 0:
            return [
                [(b"\x00", unsigned), *self.globals, *ours],
                *(list(each.fields) for each in self.inputs),
                *(list(each.fields) for each in self.outputs),
            ]
        first: wire.Map = [
            (b"\x02", wire.u32(self.version)), (b"\x03", wire.u32(self.locktime)),
            (b"\x04", wire.size(len(self.inputs))), (b"\x05", wire.size(len(self.outputs))),
            (b"\xfb", struct.pack("<I", 2)),
        ]  # fmt: skip
        return [
            [*first, *self.globals, *ours],
            *(
                [*each.fields, (b"\x0e", each.txid), (b"\x0f", wire.u32(each.vout)),
                 (b"\x10", wire.u32(each.sequence))]
                for each in self.inputs
            ),
            *(
                [*each.fields, (b"\x03", struct.pack("<Q", each.sats & (1 << 64) - 1)), (b"\x04", each.script)]
                for each in self.outputs
            ),
        ]  # fmt: skip


def written(lines: Lines) -> bytes:
    return "".join(f"{key} {rest}\n" for key, rest in lines).encode("utf-8", "surrogateescape")


@lru_cache(maxsize=4_096)
def moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def key_hash(name: str) -> bytes:
    """What a field of that person's key is named by."""
    return hashlib.sha256(wire.ed25519_blob(point(name))).digest()


def rule_lines(draft: Draft, stripped: int) -> Lines:
    """How an honest coordinator would have judged the rules that both sides must judge alike: an attacker says no less.

    Written with the product's own rules. Where the draft makes no sense, the lines of the last sensible one will do.
    """
    treasury = draft.treasury
    spent_in = sum(_claimed(draft, each) for each in draft.inputs)
    own = [each for each in draft.outputs if treasury.wallet.find(each.script)]
    paid = [each for each in draft.outputs if not treasury.wallet.find(each.script)]
    fee = spent_in - sum(each.sats for each in draft.outputs)
    try:
        kind = IntentKind(draft.get(draft.intent, "kind"))
        weight = worst_case_weight(treasury.registered.descriptor, stripped, len(draft.inputs))
        spend = Spend(
            kind=kind,
            anchor=OutPoint(draft.inputs[0].txid, draft.inputs[0].vout),
            unsigned_hash="00" * 32,
            inputs=len(draft.inputs),
            sources=frozenset(),
            payments=tuple(Payment("", each.script, Amount(each.sats)) for each in paid),
            own=tuple(OwnOutput(each.script, Amount(each.sats)) for each in own),
            spent=Amount(spent_in - sum(each.sats for each in own)),
            fee=Amount(fee),
            fee_rate=FeeRate.of(Amount(fee), weight),
            approvers=draft.approvers,
            requester=draft.get(draft.intent, "requester"),
            strategy=draft.get(draft.intent, "strategy"),
            not_before=_seconds(draft.get(draft.intent, "not-before")),
            expires=_seconds(draft.get(draft.intent, "expires")),
            decided=0, entries=(), used=frozenset(), strategy_known=True, outlook=NOTHING_SEEN, now=0, share=Share(1, 1),
        )  # fmt: skip
        verdicts = evaluate(treasury.installed.policy, spend)
    except Exception:  # noqa: BLE001 - whatever an attacker's numbers do to his own sums
        return [line for line in draft.request if line[0] == "rule"]
    return [["rule", " ".join(verdict.words)] for verdict in verdicts]


def _seconds(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp())


def _claimed(draft: Draft, spending: Spending) -> int:
    """What an input is said to hold: the truth, unless there is nothing but a witness UTXO."""
    fields = {key: value for key, value in spending.fields if len(key) == 1}
    if b"\x00" not in fields and len(fields.get(b"\x01", b"")) > 8:
        return int.from_bytes(fields[b"\x01"][:8], "little")
    return draft.chain.outputs.get((spending.txid, spending.vout), (0, b""))[0]


class Desk:
    """What the attacker sits at. `now` is the time of the next request."""

    def __init__(self, treasury: Treasury, chance: random.Random, now: int) -> None:
        self.treasury, self.chance, self.now = treasury, chance, now
        found = purse(treasury.form, treasury.wallet)
        self.purse = found
        self.chain = Chain()
        self.chain.outputs.update(found.chain.outputs)
        self.given = Given()
        self.past: list[tuple[Draft, bytes]] = []
        self.signatures: list[tuple[str, bytes, bytes]] = []
        """Approvals that were ever seen: name, text, signature."""
        self.receipts: list[bytes] = []
        """Values of the receipt fields that this machine wrote, in order."""
        self.change_index = 0
        self.number = 0

    # Honest parts

    def spending(self, coin: Coin) -> Spending:
        place = self.purse.places.get(coin.outpoint) or self.treasury.wallet.find(coin.script)
        return Spending(coin.txid, coin.vout, RBF, input_fields(self.treasury.wallet, coin, place))

    def paying(self, place: Place, sats: int) -> Paying:
        return Paying(sats, place.script, output_fields(self.treasury.wallet, place))

    def fresh(self) -> Place:
        """The next change address."""
        self.change_index += 1
        return self.treasury.wallet.place(1, self.change_index % 20)

    def approve(self, text: bytes, name: str) -> tuple[bytes, bytes]:
        """A person signs an intent, as a field."""
        self.given.approvals.add((name, text))
        raw = wire.ssh_signature(SshKey.of(name).private.sign, point(name), text, wire.APPROVALS)
        self.signatures.append((name, text, raw))
        return key_hash(name), raw

    def honest(self, size: float) -> Draft:
        """A request as an honest coordinator makes it; `size` from 0 to 1 is how much it pays."""
        chance, wallet = self.chance, self.treasury.wallet
        kind = chance.choices(("pay", "own", "sweep", "cancel"), (16, 2, 1, 1))[0]
        rate = chance.choice((1, 2, 5, 9, 25, 70)) if chance.random() < 0.9 else 120
        pays = []
        if kind == "pay":
            payees = chance.sample(
                range(6 if chance.random() < 0.8 else 10), chance.choices((1, 2, 3), (6, 2, 1))[0]
            )
            pays = [(int(8_000 * 150 ** (size * chance.random())), stranger(number)) for number in payees]
        coins, value, fee = [], 0, 0
        pool = chance.sample(self.purse.coins, 12)
        while True:
            coin = pool.pop()
            coins.append(coin)
            value += coin.sats
            outputs = len(pays) + 1
            weight = wallet.weight(60 + 41 * len(coins) + 43 * outputs, len(coins))
            fee = rate * weight // 4
            enough = value >= sum(sats for sats, _ in pays) + fee + 12_000 and fee * 100 < value * 20
            if (enough and (kind == "pay" or len(coins) >= chance.randrange(1, 4))) or not pool:
                break
        rest = value - fee - sum(sats for sats, _ in pays)
        outputs_ = [Paying(sats, script) for sats, script in pays]
        if kind == "sweep":
            pays = [(rest, stranger(chance.randrange(6)))]
            outputs_ = [Paying(*pays[0])]
        else:
            outputs_.append(self.paying(self.fresh(), rest))
        if kind == "pay":
            chance.shuffle(outputs_)
        return self._around(kind, coins, outputs_, pays, fee)

    def _around(
        self, kind: str, coins: list[Coin], outputs: list[Paying], pays: list[tuple[int, bytes]], fee: int
    ) -> Draft:
        """Intent, approvals and request around a transaction."""
        chance, rules = self.chance, self.treasury.rules
        self.number += 1
        slack = 0 if kind == "sweep" else chance.choice((0, 300, 4_000))
        lasts = chance.choice((1, 12, 47, 70)) * 3_600
        intent = [
            ["falconer-intent", "1"], ["kind", kind], ["network", "regtest"], ["wallet", rules.wallet_id],
            ["proposal", f"p-{self.number}"], ["requester", chance.choice(("agent", "clerk"))],
            ["strategy", chance.choice(("-", "rent", "dca"))], ["policy", f"{rules.version} {rules.digest}"],
            ["spends", chance.choice(coins).text],
            *(["pay", f"{sats} {address_of(script)}"] for sats, script in pays),
            ["max-fee", str(fee + slack)], ["not-before", moment(self.now - chance.choice((60, 700, 5_000)))],
            ["expires", moment(self.now + lasts)],
        ]  # fmt: skip
        request = [
            ["falconer-request", "1"], ["id", f"r-{self.number}"], ["created", moment(self.now)], ["network", "regtest"],
            ["wallet", rules.wallet_id], ["unsigned", "00" * 32], ["intent", "00" * 32],
            ["policy", f"{rules.version} {rules.digest}"], ["coordinator", fingerprint("coordinator")],
            ["audit", f"{self.number} {'55' * 32}"],
            *(["receipt", self.mark(name)] for name in sorted(rules.signers)),
        ]  # fmt: skip
        draft = Draft(
            self.treasury, self.chain, 2, [self.spending(coin) for coin in coins], outputs, 0, chance.choice((0, 0, 2)),
            intent, [], request, [],
        )  # fmt: skip
        self.collect(draft, chance.choices((3, 2, 1, 0), (4, 8, 2, 3))[0])
        self.countersign(draft)
        return draft

    def collect(self, draft: Draft, count: int) -> None:
        """Have so many people approve what the draft's intent says now."""
        if self.treasury.rules.tiers:
            names = self.chance.sample(("anna", "bert", "carl"), count)
            draft.approvals = [self.approve(draft.text(), name) for name in names]
            draft.approvers = frozenset(names)

    def countersign(self, draft: Draft) -> None:
        """Where another machine must sign first, have it sign this very request, mostly."""
        rules = self.treasury.rules
        if rules.mandatory and self.chance.random() < 0.8:
            draft.seal()
            digest = hashlib.sha256(written(draft.request)).hexdigest()
            for name in rules.mandatory:
                field_ = receipt_field(name, name, 1, digest)
                draft.receipts = [each for each in draft.receipts if each[0] != field_[0]] + [field_]
                self.given.mandatory.add((name, digest))

    def mark(self, name: str) -> str:
        """What the coordinator remembers of a machine."""
        if name != "north" or not self.receipts:
            return f"{name} 0 -"
        length, at = wire._read_size(self.receipts[-1], 0)
        return (
            f"{name} {len(self.receipts)} {hashlib.sha256(self.receipts[-1][at : at + length]).hexdigest()}"
        )


@lru_cache(maxsize=64)
def fingerprint(name: str) -> str:
    """SHA256:... as ssh-keygen prints it."""
    import base64

    return "SHA256:" + base64.b64encode(key_hash(name)).decode().rstrip("=")


def receipt_field(
    name: str, by: str, number: int, request: str, refusals: tuple[str, ...] = ()
) -> tuple[bytes, bytes]:
    """A receipt under the key of `by` that says it is of `name`."""
    lines = [
        ["falconer-receipt", "1"], ["signer", name], ["number", str(number)], ["request", request],
        ["verdict", "refused" if refusals else "signed"], *(["refusal", each] for each in refusals), ["total", "-"],
        ["policy", "1"], ["journal", f"1 {'00' * 32}"], ["program", "x"], ["judged", moment(1_700_000_000)],
    ]  # fmt: skip
    text = written(lines)
    raw = wire.ssh_signature(SshKey.of(by).private.sign, point(by), text, wire.RECEIPTS)
    return key_hash(by), wire.sized(text) + raw
