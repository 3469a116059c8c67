"""The intent: the short text that approvers sign, and whether a verified transaction is what it describes.

    falconer-intent 1
    kind pay
    network regtest
    wallet <wallet id>
    proposal <proposal id>
    requester <client id>
    strategy <name or ->
    policy <version> <policy digest>
    spends <txid>:<vout>
    pay <sats> <address>            one line per payment, in order
    max-fee <sats>
    not-before <time>
    expires <time>

An approver never sees the PSBT, so the intent must leave a coordinator no room: it names every payment, the most that
the fee may be, and one coin that every transaction for it must spend. Since that coin can be spent once, one intent can
pay once, whatever becomes of journals and replies.

What each kind lets a transaction do (`check_intent`):

* `pay`: the outputs that are not ours are exactly the `pay` lines;
* `sweep`: all that its inputs hold goes to the one destination, less the fee. The `pay` line is the least that it gets, and
  together with `max-fee` it is the sum of the inputs to the satoshi: no coin can be added, and none held back. Its `max-fee`
  is one that a transaction may have, so that the least is near what the destination gets;
* `own`: nothing leaves the wallet but the fee (consolidation; a child that pays for its parent);
* `cancel`: like `own`, into one output, so that what spent the named coin before can no longer confirm.

Not judged here: who signed (quorum.py), limits (policy), whether the transaction is sound (verify).
"""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass

from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.canonical import MAX_TIME, Reader, Writer, digest, format_time
from falconer_shared.errors import ApprovalError, Malformed
from falconer_shared.text import is_token
from falconer_shared.units import MAX_MONEY, Amount
from falconer_shared.verify.fees import fee_cap
from falconer_shared.verify.transaction import VerifiedTransaction

NAMESPACE = "falconer-approval@1"
"""The SSHSIG namespace of approvals."""

MAX_INTENT_BYTES = 16 * 1024
"""Bytes of an intent (DESIGN: proprietary field 0x01)."""

MAX_PAYMENTS = 150
"""Payments in one intent: with the longest amounts and addresses of today they take 13 kB, inside the byte bound."""

NO_STRATEGY = "-"

_KIND = "falconer-intent"


class IntentKind(enum.Enum):
    """What the money is to do. The value is the spelling in the text.

    `RECOVER` has its word reserved, and is refused when judged.
    """

    PAY = "pay"
    SWEEP = "sweep"
    OWN = "own"
    CANCEL = "cancel"
    RECOVER = "recover"


_PAYMENTS = {
    IntentKind.PAY: (1, MAX_PAYMENTS),
    IntentKind.SWEEP: (1, 1),
    IntentKind.OWN: (0, 0),
    IntentKind.CANCEL: (0, 0),
    IntentKind.RECOVER: (0, MAX_PAYMENTS),
}
"""Fewest and most `pay` lines of each kind."""


@dataclass(frozen=True, slots=True)
class Intent:
    """A well-formed intent. Well-formed proves nothing: it may be unsigned, expired, or for another wallet.

    Times are seconds since 1970; it is valid while `not_before <= now < expires`.
    """

    kind: IntentKind
    network: Network
    wallet_id: str
    proposal: str
    requester: str
    strategy: str
    policy_version: int
    policy_digest: str
    spends: OutPoint
    pays: tuple[tuple[Amount, str], ...]
    max_fee: Amount
    not_before: int
    expires: int

    def __post_init__(self) -> None:
        """Hold one written by our own coordinator to what `parse` demands of a stranger's.

        Raises:
            Malformed: `intent-malformed`, `intent-address-repeated`, `amount-out-of-range`, and what `script_of` raises.
            VerificationError: `address-other-network`.
        """
        _check_spelling(self)
        _check_payments(self)
        if not 0 <= self.not_before < self.expires <= MAX_TIME:
            raise Malformed("intent-malformed", "intent: 'not-before' must be earlier than 'expires'")

    @classmethod
    def parse(cls, text: bytes) -> Intent:
        """Read the canonical text; exact inverse of `text`.

        Raises:
            Malformed: `intent-malformed` for any fault of form; else as the constructor, `network-unknown`, `outpoint-malformed`.
            VerificationError: `address-other-network`.
        """
        reader = Reader(text, _KIND, where="intent", rule="intent-malformed", max_bytes=MAX_INTENT_BYTES)
        kind = _read_kind(reader)
        network = Network.parse(reader.one("network"))
        wallet_id = reader.one("wallet")
        proposal = reader.one("proposal")
        requester = reader.one("requester")
        strategy = reader.one("strategy")
        version, policy_digest = reader.words("policy", 2)
        spends = OutPoint.parse_text(reader.one("spends"))
        pays = [reader.split(line, 2) for line in reader.many("pay", MAX_PAYMENTS)]
        intent = cls(
            kind=kind,
            network=network,
            wallet_id=wallet_id,
            proposal=proposal,
            requester=requester,
            strategy=strategy,
            policy_version=reader.number(version),
            policy_digest=policy_digest,
            spends=spends,
            pays=tuple((Amount(reader.number(sats, 1, MAX_MONEY)), address) for sats, address in pays),
            max_fee=Amount(reader.number(reader.one("max-fee"), 0, MAX_MONEY)),
            not_before=reader.time(reader.one("not-before")),
            expires=reader.time(reader.one("expires")),
        )
        reader.end(intent.text)
        return intent

    @property
    def text(self) -> bytes:
        """The canonical text, which is what approvers sign."""
        writer = Writer(_KIND)
        writer.line("kind", self.kind.value)
        writer.line("network", self.network.label)
        writer.line("wallet", self.wallet_id)
        writer.line("proposal", self.proposal)
        writer.line("requester", self.requester)
        writer.line("strategy", self.strategy)
        writer.line("policy", self.policy_version, self.policy_digest)
        writer.line("spends", self.spends.text())
        for amount, address in self.pays:
            writer.line("pay", int(amount), address)
        writer.line("max-fee", int(self.max_fee))
        writer.line("not-before", format_time(self.not_before))
        writer.line("expires", format_time(self.expires))
        return writer.text()

    @property
    def digest(self) -> str:
        """SHA-256 of the text, lower-case hex."""
        return digest(self.text)


def check_intent(
    intent: Intent, verified: VerifiedTransaction, *, policy_version: int, policy_digest: str, now: int
) -> None:
    """Accept only a transaction that is exactly what the intent describes, under this very policy, while it is valid.

    `now` is seconds since 1970, from whoever has a clock to answer for.

    Raises:
        ApprovalError: the id of the first difference: `intent-kind-unsupported`, `intent-other-network`, `intent-other-wallet`,
            `intent-other-policy`, `intent-not-yet-valid`, `intent-expired`, `intent-coin-not-spent`, `intent-payments-differ`,
            `intent-sweep-value-differs`, `intent-sweep-fee-room`, `intent-cancel-outputs`, `intent-fee-exceeded`.
    """
    if intent.kind is IntentKind.RECOVER:
        raise ApprovalError(
            "intent-kind-unsupported", f"intents of kind '{intent.kind.value}' cannot be judged yet"
        )
    if intent.network is not verified.wallet.network:
        raise ApprovalError(
            "intent-other-network",
            f"the intent is for {intent.network.label}, the wallet for {verified.wallet.network.label}",
        )
    if intent.wallet_id != verified.wallet.wallet_id:
        raise ApprovalError(
            "intent-other-wallet", "the intent is for another wallet", wallet=intent.wallet_id
        )
    if (intent.policy_version, intent.policy_digest) != (policy_version, policy_digest):
        raise ApprovalError(
            "intent-other-policy",
            f"the intent was made under policy version {intent.policy_version}, installed is {policy_version}"
            if intent.policy_version != policy_version
            else f"the intent names policy version {policy_version} with another digest",
            intent_version=intent.policy_version,
            installed_version=policy_version,
            remedy="install the same policy on both sides, then make a new proposal",
        )
    _check_time(intent, now)
    if all(proven.outpoint != intent.spends for proven in verified.inputs):
        # without that coin an older and this transaction could both confirm, and pay twice (DESIGN section 3)
        raise ApprovalError(
            "intent-coin-not-spent",
            f"the transaction does not spend {intent.spends.text()}, as its intent demands",
        )
    if intent.kind is IntentKind.SWEEP:
        _check_sweep(intent, verified)
    else:
        _compare_payments(intent, verified)
    if intent.kind is IntentKind.CANCEL:
        _check_cancel(verified)
    if verified.fee > intent.max_fee:
        raise ApprovalError(
            "intent-fee-exceeded",
            f"the fee of {int(verified.fee)} sats is more than the {int(intent.max_fee)} sats that were approved",
            fee=int(verified.fee),
            max_fee=int(intent.max_fee),
        )


def _check_time(intent: Intent, now: int) -> None:
    if now < intent.not_before:
        raise ApprovalError(
            "intent-not-yet-valid",
            f"the intent is valid from {format_time(intent.not_before)} on, and it is {format_time(now)}",
            now=now,
            not_before=intent.not_before,
        )
    if now >= intent.expires:
        raise ApprovalError(
            "intent-expired",
            f"the intent was valid until {format_time(intent.expires)}, and it is {format_time(now)}",
            now=now,
            expires=intent.expires,
        )


def _compare_payments(intent: Intent, verified: VerifiedTransaction) -> None:
    """As multisets of (amount, script): scripts decide where money goes (A131), and outputs stand in any order.

    An intent without `pay` lines lets nothing leave.
    """
    approved = Counter((int(amount), script_of(address, intent.network)) for amount, address in intent.pays)
    actual = Counter((int(output.amount), output.script) for output in verified.payments)
    missing, extra = approved - actual, actual - approved
    if missing or extra:
        raise ApprovalError(
            "intent-payments-differ",
            f"{missing.total()} approved payments are not made, {extra.total()} payments are made that nobody approved",
            missing=missing.total(),
            extra=extra.total(),
        )


def _check_sweep(intent: Intent, verified: VerifiedTransaction) -> None:
    """Everything to the one destination.

    The fee cannot be known before the transaction, so neither can the amount; their sum can. Were only a least amount
    approved, a coordinator could add every other coin of the wallet to the sweep.
    """
    ((least, address),) = intent.pays
    if len(verified.outputs) != 1 or [each.script for each in verified.payments] != [
        script_of(address, intent.network)
    ]:
        raise ApprovalError(
            "intent-payments-differ",
            f"a sweep has one output, to {address}; this transaction has {len(verified.outputs)}, "
            f"{len(verified.own_outputs)} of them back to the wallet",
            outputs=len(verified.outputs),
        )
    approved, swept = least + intent.max_fee, sum(proven.amount for proven in verified.inputs)
    if swept != approved:
        raise ApprovalError(
            "intent-sweep-value-differs",
            f"the sweep of {approved} sats was approved, and the coins of this transaction hold {swept}",
            approved=approved,
            swept=swept,
        )
    cap = fee_cap(swept)
    if intent.max_fee > cap:
        # what the fee leaves goes to the destination: more room than any fee takes hides how much that is
        raise ApprovalError(
            "intent-sweep-fee-room",
            f"the sweep of {swept} sats names a fee of up to {int(intent.max_fee)}, and none above {cap} is ever signed;"
            " so its payment says too little of what leaves",
            remedy="propose it with a lower max-fee",
            max_fee=int(intent.max_fee),
            limit=cap,
        )


def _check_cancel(verified: VerifiedTransaction) -> None:
    """One output: what takes a payment back is as small as it can be, and no pretext for anything else."""
    if len(verified.outputs) != 1:
        raise ApprovalError(
            "intent-cancel-outputs",
            f"what cancels brings all home in one output, and this transaction has {len(verified.outputs)}",
            outputs=len(verified.outputs),
        )


def _read_kind(reader: Reader) -> IntentKind:
    word = reader.one("kind")
    for kind in IntentKind:
        if kind.value == word:
            return kind
    raise reader.error(f"its kind is none of {', '.join(kind.value for kind in IntentKind)}")


def _check_spelling(intent: Intent) -> None:
    for name, value in (
        ("proposal", intent.proposal),
        ("requester", intent.requester),
        ("strategy", intent.strategy),
    ):
        if not is_token(value):
            raise Malformed(
                "intent-malformed", f"intent: its {name} is not an id of 1 to 64 characters a-z 0-9 . _ -"
            )
    for name, value in (("wallet", intent.wallet_id), ("policy digest", intent.policy_digest)):
        if len(value) != 64 or not set(value) <= set("0123456789abcdef"):
            raise Malformed("intent-malformed", f"intent: its {name} is not 64 lower-case hex digits")
    if intent.policy_version < 1:
        raise Malformed("intent-malformed", "intent: its policy version is not 1 or more")


def _check_payments(intent: Intent) -> None:
    fewest, most = _PAYMENTS[intent.kind]
    if not fewest <= len(intent.pays) <= most:
        raise Malformed(
            "intent-malformed",
            f"intent: {len(intent.pays)} lines 'pay' where kind {intent.kind.value} has {fewest} to {most}",
        )
    seen: set[bytes] = set()
    for amount, address in intent.pays:
        if amount < 1:
            raise Malformed("intent-malformed", "intent: a payment of nothing")
        script = script_of(address, intent.network)
        if address_of(script, intent.network) != address:
            raise Malformed(
                "intent-malformed", "intent: an address that is not in its one canonical spelling"
            )
        if script in seen:
            # the node refuses it too, and one payment shown twice is easily read as one (A125)
            raise Malformed("intent-address-repeated", f"intent: pays {address} more than once")
        seen.add(script)
    Amount(sum(amount for amount, _ in intent.pays))
