"""The signing request: the coordinator's own account of one transaction, signed by its key.

    falconer-request 1
    id <request id>
    created <time>
    network <network>
    wallet <wallet id>
    unsigned <hash of the unsigned transaction>
    intent <digest>
    policy <version> <digest>
    coordinator <key hash>
    audit <size> <root>             head of the coordinator's audit log
    receipt <signer> <n> <digest or ->   * the last receipt that it holds of each signer; 0 and - for none
    rule <name> pass|fail|unseen <value or -> <limit or ->   * as the coordinator judged

Nothing in it is believed. It ties the parts of an envelope together, so that a signer can say what it judged, and it
lets both sides compare notes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from falconer_shared.bitcoin.network import Network
from falconer_shared.canonical import Reader, Writer, digest, format_time
from falconer_shared.exchange.lines import RuleLine, check_ascending, read_rules, write_rules
from falconer_shared.exchange.receipt import MAX_NUMBER, ReceiptMark
from falconer_shared.policy.parts import MAX_SIGNERS, MAX_VERSION
from falconer_shared.sshsig.key import SshPublicKey, parse_key_hash
from falconer_shared.sshsig.signature import SshSignature, make

NAMESPACE = "falconer-request@1"
"""The SSHSIG namespace of requests."""

MAX_REQUEST_BYTES = 8 * 1024
"""Bytes of the text (field 0x00): 25 rules and 20 signers with their longest values take 6.3 kB."""

MAX_AUDIT = 2**53
"""Records of an audit log: exact in every program that might read them."""

_KIND = "falconer-request"
_NONE = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningRequest:
    """What the text says: claims.

    `created` is in seconds since 1970; digests, hashes and roots are hex; `coordinator` is a key hash.
    """

    id: str
    created: int
    network: Network
    wallet_id: str
    unsigned_hash: str
    intent_digest: str
    policy_version: int
    policy_digest: str
    coordinator: str
    audit_size: int
    audit_root: str
    receipts: tuple[ReceiptMark, ...]
    rules: tuple[RuleLine, ...]

    @classmethod
    def parse(cls, text: bytes) -> SigningRequest:
        """Read the canonical text; exact inverse of `text`.

        Raises:
            Malformed: `request-malformed`, `network-unknown`, and `ssh-key-malformed` for the key hash.
        """
        reader = Reader(text, _KIND, where="request", rule="request-malformed", max_bytes=MAX_REQUEST_BYTES)
        request_id = reader.token(reader.one("id"))
        created = reader.time(reader.one("created"))
        network = Network.parse(reader.one("network"))
        wallet_id = reader.hex(reader.one("wallet"), 32).hex()
        unsigned_hash = reader.hex(reader.one("unsigned"), 32).hex()
        intent_digest = reader.hex(reader.one("intent"), 32).hex()
        policy_version, policy_digest = reader.words("policy", 2)
        coordinator = reader.one("coordinator")
        parse_key_hash(coordinator)
        audit_size, audit_root = reader.words("audit", 2)
        request = cls(
            id=request_id,
            created=created,
            network=network,
            wallet_id=wallet_id,
            unsigned_hash=unsigned_hash,
            intent_digest=intent_digest,
            policy_version=reader.number(policy_version, 1, MAX_VERSION),
            policy_digest=reader.hex(policy_digest, 32).hex(),
            coordinator=coordinator,
            audit_size=reader.number(audit_size, 0, MAX_AUDIT),
            audit_root=reader.hex(audit_root, 32).hex(),
            receipts=_read_marks(reader),
            rules=read_rules(reader),
        )
        reader.end(request.text)
        return request

    @property
    def text(self) -> bytes:
        """The canonical text."""
        writer = Writer(_KIND)
        writer.line("id", self.id)
        writer.line("created", format_time(self.created))
        writer.line("network", self.network.label)
        writer.line("wallet", self.wallet_id)
        writer.line("unsigned", self.unsigned_hash)
        writer.line("intent", self.intent_digest)
        writer.line("policy", self.policy_version, self.policy_digest)
        writer.line("coordinator", self.coordinator)
        writer.line("audit", self.audit_size, self.audit_root)
        for mark in self.receipts:
            writer.line("receipt", mark.signer, mark.number, mark.digest or _NONE)
        write_rules(writer, self.rules)
        return writer.text()

    @property
    def digest(self) -> str:
        """SHA-256 of the text, lower-case hex: what receipts name."""
        return digest(self.text)

    def mark(self, signer: str) -> ReceiptMark:
        """What the coordinator holds of a signer; a mark of nothing where it says nothing."""
        return next((mark for mark in self.receipts if mark.signer == signer), ReceiptMark(signer, 0, None))


def sign_request(
    request: SigningRequest, sign: Callable[[bytes], bytes], coordinator: SshPublicKey
) -> SshSignature:
    """Sign a request with the coordinator's key; `sign` is its Ed25519 operation on bytes.

    Raises:
        Malformed: `request-malformed` when the other side could not read it.
        VerificationError: `ssh-signature-invalid` when `sign` is not of that key.
    """
    if SigningRequest.parse(request.text) != request:
        raise ValueError("a request that does not come back from its text as it was")
    return SshSignature.parse(make(sign, coordinator, request.text, NAMESPACE))


def _read_marks(reader: Reader) -> tuple[ReceiptMark, ...]:
    marks: list[ReceiptMark] = []
    for line in reader.many("receipt", MAX_SIGNERS):
        name, number_text, held = reader.split(line, 3)
        number = reader.number(number_text, 0, MAX_NUMBER)
        if (held == _NONE) != (number == 0):
            raise reader.error("a line 'receipt' with a number and no digest, or the other way round")
        marks.append(ReceiptMark(reader.token(name), number, reader.hex(held, 32).hex() if number else None))
    check_ascending(reader, "receipt", [mark.signer for mark in marks])
    return tuple(marks)
