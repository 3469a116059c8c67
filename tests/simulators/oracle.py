"""Whether a signature was right, said by a program that shares nothing with the one that gave it.

It reads the request and the answer with plain Python and libwally, computes every digest itself from what is really on the
chain, verifies every signature, and judges by what people really approved (`truth`). `objections` is empty for a right signature.
The rules of the policy are in `oracle_policy`.

A false amount can only be told to the signer of a taproot wallet (ADR 0009), where it makes every signature worthless: then
nothing verifies against the truth, and `void` says so. Anywhere else it is an objection.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

import wallycore
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.simulators import wire
from tests.simulators.oracle_policy import Entry, Facts, judge
from tests.simulators.oracle_reading import Text, Tx, transaction_of
from tests.simulators.truth import GAP, Chain, Given, Place, Rules, Wallet, digest_of, script_of

ALL = wallycore.WALLY_SIGHASH_ALL
MAX_FEE, MAX_RATE, MAX_SHARE = 10_000_000, 2_500, 25
DAY = 86_400


@dataclass
class Verdict:
    """`objections` are sentences; `entry` is what the spend adds to the history."""

    objections: list[str] = field(default_factory=list)
    void: bool = False
    entry: Entry | None = None
    places: list[Place] = field(default_factory=list)


@dataclass
class Oracle:
    """The truth about one signer of one wallet. `position` is the key that it holds; `history` what it signed so far."""

    wallet: Wallet
    rules: Rules
    chain: Chain
    given: Given
    signer: str
    position: int
    history: list[Entry] = field(default_factory=list)
    receipts: list[str] = field(default_factory=list)
    """Digests of this machine's receipts, the first one first."""
    highest: dict[int, int] = field(default_factory=lambda: {0: -1, 1: -1})
    mark: int = 0
    """The latest time at which this machine wrote anything down."""

    def proposal(self, request: bytes, now: int) -> Verdict:
        """What there is to say against signing this request at `now`."""
        verdict = Verdict()
        tx = transaction_of(request)
        entries = wire.maps_of(request)[0]
        texts = {name: wire.ours(entries, name) for name in (wire.REQUEST, wire.INTENT, wire.SIGNATURE)}
        if any(len(found) != 1 for found in texts.values()):
            verdict.objections.append("a request, an intent or a signature is missing")
            return verdict
        asked = Text.read(texts[wire.REQUEST][0][1])
        intent = Text.read(texts[wire.INTENT][0][1])
        self._request(asked, intent, texts[wire.SIGNATURE][0][1], tx, verdict.objections)
        if now < self.mark:
            verdict.objections.append("the clock is behind the journal")
        self._receipts(entries, asked, verdict.objections)
        facts = self._facts(tx, intent, now, entries, verdict)
        self._intent(intent, tx, facts, now, verdict.objections)
        verdict.objections += judge(self.rules, facts, self.history)
        verdict.objections += self._lines(asked, facts)
        verdict.entry = facts.entry(self.rules)
        return verdict

    def answer(self, request: bytes, answer: bytes, now: int) -> Verdict:
        """What there is to say against what was signed."""
        verdict = self.proposal(request, now)
        tx = transaction_of(request)
        verdict.objections += self._signatures(tx, answer, request, verdict)
        return verdict

    def signed(self, verdict: Verdict) -> None:
        """Remember what was signed."""
        if verdict.entry is not None:
            self.history.append(verdict.entry)
        for place in verdict.places:
            self.highest[place.branch] = max(self.highest[place.branch], place.index)

    def wrote(self, receipt: str, now: int) -> None:
        """The machine wrote a receipt with that digest."""
        self.receipts.append(receipt)
        self.mark = max(self.mark, now)

    # The envelope

    def _request(self, asked: Text, intent: Text, signature: bytes, tx: Tx, objections: list[str]) -> None:
        wanted = {
            "network": "regtest",
            "wallet": self.rules.wallet_id,
            "unsigned": wire.double_sha256(tx.raw)[::-1].hex(),
            "intent": digest_of(intent.raw),
            "policy": f"{self.rules.version} {self.rules.digest}",
        }
        objections += [
            f"the request says another {key}" for key, value in wanted.items() if asked.one(key) != value
        ]
        if not verifies(signature, self.rules.coordinator, asked.raw, wire.REQUESTS):
            objections.append("the coordinator did not sign the request")
        marks = [line.split(" ") for line in asked.all("receipt")]
        if [name for name, *_ in marks] != sorted(self.rules.signers):
            objections.append("the request does not speak of every signer")
        objections += [
            "the coordinator remembers what this machine does not"
            for name, number, digest in marks
            if name == self.signer and not self._remembers(int(number), digest)
        ]

    def _remembers(self, number: int, digest: str) -> bool:
        return number == 0 or (number <= len(self.receipts) and self.receipts[number - 1] == digest)

    def _receipts(self, entries: wire.Map, asked: Text, objections: list[str]) -> None:
        request = digest_of(asked.raw)
        for _, value in wire.ours(entries, wire.RECEIPT):
            length, at = wire._read_size(value, 0)
            text, raw = Text.read(value[at : at + length]), value[at + length :]
            name = text.one("signer")
            if not verifies(raw, self.rules.signers.get(name, b""), text.raw, wire.RECEIPTS):
                objections.append("a receipt is not by whom it says")
            if name == self.signer and not self._remembers(int(text.one("number")), digest_of(text.raw)):
                objections.append("a receipt of this machine that it never wrote")
        if self.signer not in self.rules.mandatory:
            objections += [
                f"{name} must sign first"
                for name in self.rules.mandatory
                if (name, request) not in self.given.mandatory
            ]

    # What the transaction does

    def _facts(self, tx: Tx, intent: Text, now: int, entries: wire.Map, verdict: Verdict) -> Facts:
        objections = verdict.objections
        objections += _form(tx)
        outpoints = [(txid, vout) for txid, vout, _ in tx.inputs]
        spent, sources, reach = 0, [], dict(self.highest)
        for outpoint in outpoints:
            sats, script = self.chain.outputs.get(outpoint, (0, b""))
            place = self.wallet.find(script)
            if place is None:
                objections.append("an input that is no coin of this wallet")
            else:
                sources.append(place)
                reach[place.branch] = max(reach[place.branch], place.index)
            spent += sats
        own, paid = [], []
        for sats, script in tx.outputs:
            place = self.wallet.find(script)
            if place is not None and place.index <= min(reach[place.branch] + GAP, 1_000_000):
                own.append((place, sats))
            else:
                paid.append((script, sats))
                objections += _unpayable(script)
            if sats < _dust(script):
                objections.append("an output of dust")
        if len(own) > 10:
            objections.append("more than ten own outputs")
        verdict.places = [*sources, *(place for place, _ in own)]
        fee = spent - sum(sats for sats, _ in tx.outputs)
        weight = self.wallet.weight(len(tx.raw), len(tx.inputs))
        if weight > 400_000:
            objections.append("too heavy to be relayed")
        if fee < 0 or fee > MAX_FEE or fee * 4 > MAX_RATE * weight or fee * 100 > spent * MAX_SHARE:
            objections.append("a fee beyond every cap")
        return Facts(
            now=now,
            kind=intent.one("kind"),
            anchor=intent.one("spends"),
            spent=spent - sum(sats for _, sats in own),
            value=spent,
            fee=fee,
            weight=weight,
            inputs=len(tx.inputs),
            sources=frozenset(place.script for place in sources),
            own=[(place.script, sats) for place, sats in own],
            paid=paid,
            approvers=self._approvers(entries, intent.raw),
            requester=intent.one("requester"),
            strategy=intent.one("strategy"),
            not_before=_time(intent.one("not-before")),
            expires=_time(intent.one("expires")),
        )

    def _approvers(self, entries: wire.Map, text: bytes) -> frozenset[str]:
        """Who signed this very text, and whose signature is here."""
        by_point = {point: name for name, point in self.rules.approvers.items()}
        found = set()
        for _, raw in wire.ours(entries, wire.APPROVAL):
            try:
                point = wire.Sshsig.parse(raw).point
            except (ValueError, IndexError):
                continue
            name = by_point.get(point)
            if (name, text) in self.given.approvals and verifies(raw, point, text, wire.APPROVALS):
                found.add(name)
        return frozenset(each for each in found if each is not None)

    def _intent(self, intent: Text, tx: Tx, facts: Facts, now: int, objections: list[str]) -> None:
        wanted = {
            "network": "regtest",
            "wallet": self.rules.wallet_id,
            "policy": f"{self.rules.version} {self.rules.digest}",
        }
        objections += [
            f"the intent says another {key}" for key, value in wanted.items() if intent.one(key) != value
        ]
        if not facts.not_before <= now < facts.expires:
            objections.append("the intent is not valid now")
        if facts.anchor not in {f"{txid[::-1].hex()}:{vout}" for txid, vout, _ in tx.inputs}:
            objections.append("the coin of the intent is not spent")
        pays = [line.split(" ") for line in intent.all("pay")]
        named = Counter((int(sats), script_of(address)) for sats, address in pays)
        most = int(intent.one("max-fee") or -1)
        if facts.fee > most:
            objections.append("a fee above the intent's")
        objections += self._kind(facts, tx, named, most)

    def _kind(self, facts: Facts, tx: Tx, named: Counter[tuple[int, bytes | None]], most: int) -> list[str]:
        """What each kind of intent lets a transaction do."""
        leaving = Counter((sats, script) for script, sats in facts.paid)
        mine = Counter((sats, script) for script, sats in facts.own)
        objections = []
        match facts.kind:
            case "pay":
                # what is ours may be named, if it was not recognised; what leaves must be
                if not named or not leaving <= named or not named <= leaving + mine:
                    objections.append("pays something else than the intent says")
                if any(count > 1 for count in Counter(script for _, script in named.elements()).values()):
                    objections.append("an address twice in the intent")
            case "own" | "cancel":
                if named or leaving:
                    objections.append("something leaves where nothing may")
                if facts.kind == "cancel" and len(tx.outputs) != 1:
                    objections.append("a cancellation with several outputs")
            case "sweep":
                ((least, script),) = named or {(0, None): 1}
                if [script] != [each for _, each in tx.outputs] or least + most != facts.value:
                    objections.append("sweeps something else than the intent says")
                if most > min(MAX_FEE, facts.value * MAX_SHARE // 100):
                    objections.append("a sweep whose fee may be anything")
            case _:
                objections.append("an intent of no known kind")
        return objections

    def _lines(self, asked: Text, facts: Facts) -> list[str]:
        """What the coordinator says of rules that both sides must judge alike."""
        said = {line.split(" ")[0]: line.split(" ")[1:] for line in asked.all("rule")}
        if set(said) != set(self.rules.rules):
            return ["not every rule has its line"]
        return [
            f"the coordinator says {said[name]} of {name}, and it is {wanted}"
            for name, wanted in facts.plain_lines(self.rules).items()
            if said[name] != wanted
        ]

    # The signatures

    def _signatures(self, tx: Tx, answer: bytes, request: bytes, verdict: Verdict) -> list[str]:
        objections = []
        if transaction_of(answer).raw != tx.raw:
            return ["signed another transaction than was asked for"]
        maps = wire.maps_of(answer)
        read = wire.maps_of(request)[1 : 1 + len(tx.inputs)]
        valid = []
        for number in range(len(tx.inputs)):
            sats, script = self.chain.outputs.get(tx.inputs[number][:2], (0, b""))
            place = self.wallet.find(script)
            # BIP 174 and 371: 0x02 and the key, 0x13 alone; nothing else may be in an input of an answer
            fields = [(key, value) for key, value in maps[1 + number] if key not in _V2_INPUT]
            taproot = self.wallet.form == "tr"
            if len(fields) != 1 or fields[0][0][:1] != (b"\x13" if taproot else b"\x02"):
                objections.append("an answer with something else than one signature for an input")
                continue
            ((key, signature),) = fields
            if place is None:
                valid.append(False)
            elif taproot:
                valid.append(self._schnorr(tx, number, signature, place, read[number]))
            else:
                if key[1:] != place.pubkeys[self.position]:
                    objections.append("signed by a key that is not this machine's at that place")
                valid.append(_ecdsa(tx, number, signature, key[1:], place, sats, self.wallet.form))
        if self.wallet.form == "tr" and not any(valid):
            verdict.void = True
        elif not all(valid):
            objections.append("a signature that is worthless under the true amounts and type ALL")
        fixed = {b"\x00", b"\x02", b"\x03", b"\x04", b"\x05", b"\xfb"}
        receipts = wire.ours(maps[0], wire.RECEIPT)
        if len(receipts) != 1 or any(
            key not in fixed and not key.startswith(wire.OURS + wire.RECEIPT) for key, _ in maps[0]
        ):
            objections.append("an answer with more or less than a receipt")
        if any(key not in {b"\x03", b"\x04"} for each in maps[1 + len(tx.inputs) :] for key, _ in each):
            objections.append("an answer that says something of outputs")
        return objections

    def _schnorr(self, tx: Tx, number: int, signature: bytes, place: Place, asked: wire.Map) -> bool:
        kind = ALL if len(signature) == 65 else 0
        if len(signature) == 65 and signature[64] != ALL:
            return False
        spent = [self.chain.outputs.get(each[:2], (0, b"")) for each in tx.inputs]
        scripts = wallycore.map_init(len(spent), None)
        for index, (_, script) in enumerate(spent):
            wallycore.map_add_integer(scripts, index, script)
        digest = wallycore.tx_get_btc_taproot_signature_hash(
            tx.wally, number, scripts, [sats for sats, _ in spent], None, 0, 0xFFFFFFFF, None, kind, 0
        )
        key = wallycore.ec_public_key_bip341_tweak(place.pubkeys[0], None, 0)
        return _verified(bytes(key)[1:], digest, signature[:64], wallycore.EC_FLAG_SCHNORR)


_V2_INPUT = frozenset({b"\x0e", b"\x0f", b"\x10"})
"""What a PSBT of version 2 says of an input instead of a global transaction (BIP 370)."""


def _ecdsa(tx: Tx, number: int, signature: bytes, key: bytes, place: Place, sats: int, form: str) -> bool:
    if signature[-1:] != bytes((ALL,)):
        return False
    flags = 0 if form in {"pkh", "sh"} else wallycore.WALLY_TX_FLAG_USE_WITNESS
    digest = wallycore.tx_get_btc_signature_hash(tx.wally, number, place.code, sats, ALL, flags)
    try:
        compact = wallycore.ec_sig_from_der(signature[:-1])
    except ValueError:
        return False
    return _verified(key, digest, compact, wallycore.EC_FLAG_ECDSA)


def _verified(key: bytes, digest: bytes, signature: bytes, flag: int) -> bool:
    try:
        wallycore.ec_sig_verify(key, digest, flag, signature)
    except ValueError:
        return False
    return True


def verifies(raw: bytes, point: bytes, message: bytes, namespace: bytes) -> bool:
    """Whether a raw SSHSIG is by that key, over that message, for that purpose."""
    try:
        read = wire.Sshsig.parse(raw)
        if read.point != point or read.namespace != namespace:
            return False
        Ed25519PublicKey.from_public_bytes(point).verify(read.signature, read.signed(message))
    except (ValueError, IndexError, InvalidSignature):
        return False
    return True


def _form(tx: Tx) -> list[str]:
    """What is wrong with a transaction whatever it does."""
    outpoints = [(txid, vout) for txid, vout, _ in tx.inputs]
    wrong = {
        "an unknown version": tx.version not in {1, 2},
        "a coin is spent twice": len(set(outpoints)) != len(outpoints),
        "a relative lock time": any(not sequence & 1 << 31 for _, _, sequence in tx.inputs),
        "no input or no output": not tx.inputs or not tx.outputs,
    }
    return [words for words, so in wrong.items() if so]


def _unpayable(script: bytes) -> list[str]:
    kinds = {
        wallycore.WALLY_SCRIPT_TYPE_P2PKH, wallycore.WALLY_SCRIPT_TYPE_P2SH, wallycore.WALLY_SCRIPT_TYPE_P2WPKH,
        wallycore.WALLY_SCRIPT_TYPE_P2WSH, wallycore.WALLY_SCRIPT_TYPE_P2TR,
    }  # fmt: skip
    if not script or wallycore.scriptpubkey_get_type(script) not in kinds:
        return ["an output that has no address"]
    if script[:2] == b"\x51\x20":
        try:
            wallycore.ec_xonly_public_key_verify(script[2:])
        except ValueError:
            return ["an output to a key that is no point"]
    return []


def _dust(script: bytes) -> int:
    """What nodes relay at 3 sat/vB: the output's size, and 67 or 148 bytes to spend it."""
    segwit = script[:1] in {b"\x00", b"\x51"}
    return 3 * (8 + len(wire.sized(script)) + (67 if segwit else 148))


def _time(text: str) -> int:
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError:
        return 1 << 62
