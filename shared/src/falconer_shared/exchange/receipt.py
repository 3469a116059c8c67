"""The receipt: what a signer machine says it did with one request, numbered and signed.

    falconer-receipt 1
    signer <name in the policy>
    number <n>                      counts this signer's receipts for this wallet, from 1, without a gap
    request <digest>
    verdict signed|refused
    refusal <id>                    * one line per refusal, sorted; none when signed
    rule <name> pass|fail|unseen <value or -> <limit or ->   * as this side judged
    total <sats or ->               what the page asked the person to type; - when no page was shown
    policy <version>
    journal <size> <head>
    program <version>
    judged <time>

Numbers are what makes them evidence: a coordinator that keeps one back shows a gap, and a signer whose state was copied
or rolled back writes a second receipt under an old number, which is a fork. A gap is a warning, since media get lost; a
fork is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from falconer_shared.canonical import Reader, Writer, digest, format_time
from falconer_shared.encoding.reader import ByteReader, prefixed
from falconer_shared.errors import AuditError, VerificationError
from falconer_shared.exchange.lines import RuleLine, check_ascending, read_rules, write_rules
from falconer_shared.policy.parts import MAX_VERSION
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import SshSignature, make, verify
from falconer_shared.units import MAX_MONEY, Amount

NAMESPACE = "falconer-receipt@1"
"""The SSHSIG namespace of receipts."""

MAX_RECEIPT_BYTES = 6_000
"""Bytes of the text: 25 rules with their longest values and 20 refusals take 4 kB, and in field 0x10 (8 KiB) a signature of
any kind (2 KiB at most) fits beside it."""

MAX_REFUSALS = 20
"""Refusal ids in one receipt; a signer with more to say keeps the first ones."""

MAX_NUMBER = 2**53
"""Receipts of one signer: exact in every program that might read them."""

MAX_JOURNAL = 2**53
"""Entries of a journal, likewise."""

_KIND = "falconer-receipt"
_NONE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What the text says. `judged` is in seconds since 1970; `journal_head` and `request` are hex digests."""

    signer: str
    number: int
    request: str
    refusals: tuple[str, ...]
    rules: tuple[RuleLine, ...]
    total: Amount | None
    policy_version: int
    journal_size: int
    journal_head: str
    program: str
    judged: int

    @classmethod
    def parse(cls, text: bytes) -> Receipt:
        """Read the canonical text; exact inverse of `text`.

        Raises:
            Malformed: `receipt-malformed`.
        """
        reader = Reader(text, _KIND, where="receipt", rule="receipt-malformed", max_bytes=MAX_RECEIPT_BYTES)
        signer = reader.token(reader.one("signer"))
        number = reader.number(reader.one("number"), 1, MAX_NUMBER)
        request = reader.hex(reader.one("request"), 32).hex()
        verdict = reader.one("verdict")
        refusals = tuple(reader.token(line) for line in reader.many("refusal", MAX_REFUSALS))
        check_ascending(reader, "refusal", refusals)
        if verdict != ("refused" if refusals else "signed"):
            raise reader.error("its verdict is neither 'signed' without refusals nor 'refused' with some")
        rules = read_rules(reader)
        total = reader.one("total")
        policy_version = reader.number(reader.one("policy"), 1, MAX_VERSION)
        journal_size, journal_head = reader.words("journal", 2)
        receipt = cls(
            signer=signer,
            number=number,
            request=request,
            refusals=refusals,
            rules=rules,
            total=None if total == _NONE else Amount(reader.number(total, 0, MAX_MONEY)),
            policy_version=policy_version,
            journal_size=reader.number(journal_size, 0, MAX_JOURNAL),
            journal_head=reader.hex(journal_head, 32).hex(),
            program=reader.token(reader.one("program")),
            judged=reader.time(reader.one("judged")),
        )
        reader.end(receipt.text)
        return receipt

    @property
    def signed(self) -> bool:
        """Whether the machine signed the transaction."""
        return not self.refusals

    @property
    def text(self) -> bytes:
        """The canonical text."""
        writer = Writer(_KIND)
        writer.line("signer", self.signer).line("number", self.number).line("request", self.request)
        writer.line("verdict", "signed" if self.signed else "refused")
        writer.lines("refusal", self.refusals)
        write_rules(writer, self.rules)
        writer.line("total", _NONE if self.total is None else int(self.total))
        writer.line("policy", self.policy_version)
        writer.line("journal", self.journal_size, self.journal_head)
        writer.line("program", self.program)
        writer.line("judged", format_time(self.judged))
        return writer.text()

    @property
    def digest(self) -> str:
        """SHA-256 of the text, lower-case hex."""
        return digest(self.text)


@dataclass(frozen=True, slots=True)
class SignedReceipt:
    """A well-formed receipt with a well-formed signature, which proves nothing before `verify_receipt`."""

    receipt: Receipt
    signature: SshSignature

    @classmethod
    def parse(cls, value: bytes) -> SignedReceipt:
        """Read the value of proprietary field 0x10: CompactSize length, receipt text, raw SSHSIG.

        Raises:
            Malformed: `receipt-malformed`, `compact-size-not-minimal`, and what `SshSignature.parse` raises.
        """
        reader = ByteReader(value, "receipt field", rule="receipt-malformed")
        receipt = Receipt.parse(reader.prefixed())
        raw = reader.take(reader.remaining())
        signature = SshSignature.parse(raw)
        if signature.raw != raw:
            raise reader.error("its signature rides in armour")
        return cls(receipt, signature)

    @property
    def value(self) -> bytes:
        """The value of field 0x10. Exact inverse of `parse`."""
        return prefixed(self.receipt.text) + self.signature.raw

    @property
    def key(self) -> SshPublicKey:
        """The machine key that it claims to be by."""
        return self.signature.key


def sign_receipt(receipt: Receipt, sign: Callable[[bytes], bytes], machine: SshPublicKey) -> SignedReceipt:
    """Sign a receipt with the machine key; `sign` is its Ed25519 operation on bytes.

    Raises:
        Malformed: `receipt-malformed` when the other side could not read it.
        VerificationError: `ssh-signature-invalid` when `sign` is not of that key.
    """
    if Receipt.parse(receipt.text) != receipt:
        raise ValueError("a receipt that does not come back from its text as it was")
    return SignedReceipt(receipt, SshSignature.parse(make(sign, machine, receipt.text, NAMESPACE)))


def verify_receipt(signed: SignedReceipt, machine: SshPublicKey) -> Receipt:
    """The receipt, proven to be by that machine.

    Raises:
        VerificationError: `receipt-signature-invalid`.
    """
    try:
        verify(signed.signature, signed.receipt.text, NAMESPACE, machine)
    except VerificationError as problem:
        raise VerificationError(
            "receipt-signature-invalid",
            f"receipt {signed.receipt.number} of {signed.receipt.signer}: {problem.message}",
            signer=signed.receipt.signer,
            number=signed.receipt.number,
        ) from problem
    return signed.receipt


def check_no_fork(known: Receipt, shown: Receipt) -> None:
    """Refuse two different receipts of one signer under one number. Both must have been verified, and be of one wallet.

    Raises:
        AuditError: `receipt-fork`.
    """
    if (known.signer, known.number) == (shown.signer, shown.number) and known != shown:
        raise _fork(known.signer, known.number)


@dataclass(frozen=True, slots=True)
class ReceiptMark:
    """The last receipt of a signer that the coordinator holds: its number and digest; number 0 and None when it holds none."""

    signer: str
    number: int
    digest: str | None


def check_own_past(
    claims: Sequence[ReceiptMark], last_number: int, digest_of: Callable[[int], str | None]
) -> int:
    """What a signer makes of the coordinator's memory of it: the number of its latest receipts that the coordinator lacks.

    `claims` are `CheckedRequest.claims_about` this signer; `last_number` is the last receipt in its own state (0: none), and
    `digest_of` gives the digest of one by number.

    Raises:
        AuditError: `receipt-ahead` when the coordinator holds a later one, so that this state lost some of its past (A128);
            `receipt-fork` when it holds another one under that number.
    """
    for mark in claims:
        if mark.number > last_number:
            raise AuditError(
                "receipt-ahead",
                f"the coordinator holds receipt {mark.number} of {mark.signer}, and this machine remembers {last_number}",
                held=mark.number,
                remembered=last_number,
                remedy="this state was restored or copied: treat all limits as used up until administrators resume it",
            )
        if mark.number and digest_of(mark.number) != mark.digest:
            raise _fork(mark.signer, mark.number)
    return last_number - max((mark.number for mark in claims), default=0)


def _fork(signer: str, number: int) -> AuditError:
    return AuditError(
        "receipt-fork",
        f"there are two different receipts {number} of {signer}",
        signer=signer,
        number=number,
        remedy="two copies of this machine's state are in use, or its key is: stop signing and find out",
    )
