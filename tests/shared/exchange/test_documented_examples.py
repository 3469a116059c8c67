"""docs/formats.md does not lie: its examples are read, belong together, and verify, here and with ssh-keygen."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from falconer_shared.approval import intent as intents
from falconer_shared.approval.intent import Intent
from falconer_shared.approval.quorum import Approval, identify
from falconer_shared.exchange import receipt as receipts
from falconer_shared.exchange import request as requests
from falconer_shared.exchange.lines import differing_rules
from falconer_shared.exchange.receipt import Receipt, SignedReceipt, verify_receipt
from falconer_shared.exchange.request import SigningRequest
from falconer_shared.psbt.fields import OUR_PREFIX, PROPRIETARY_FIELDS, ProprietaryType
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import SshSignature, verify
from tests.support.ssh_keygen import accepts

PAGE = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
EXAMPLES = {
    name: text.encode()
    for name, text in re.findall(r"^```text ([a-z_-]+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
}
SIGNERS = {
    name: (namespace, SshPublicKey.parse(key))
    for name, namespace, key in re.findall(
        r'^(\S+) namespaces="(\S+)" (.*)$', EXAMPLES["allowed_signers"].decode(), re.MULTILINE
    )
}

SIGNED = [
    ("intent", "approval", "ann", intents.NAMESPACE),
    ("request", "request-signature", "coordinator", requests.NAMESPACE),
    ("receipt", "receipt-signature", "vault-1", receipts.NAMESPACE),
]


def test_the_texts_are_read_and_belong_together():
    intent = Intent.parse(EXAMPLES["intent"])
    request = SigningRequest.parse(EXAMPLES["request"])
    receipt = Receipt.parse(EXAMPLES["receipt"])
    assert request.intent_digest == intent.digest
    assert (request.policy_version, request.policy_digest) == (intent.policy_version, intent.policy_digest)
    assert request.coordinator == SIGNERS["coordinator"][1].key_hash
    assert receipt.request == request.digest
    assert receipt.number == request.mark(receipt.signer).number + 1
    assert differing_rules(request.rules, receipt.rules) == ()


@pytest.mark.parametrize(("text", "signature", "who", "namespace"), SIGNED)
def test_the_signatures_verify_here_and_with_stock_ssh_keygen(tmp_path, text, signature, who, namespace):
    assert SIGNERS[who][0] == namespace
    key = SIGNERS[who][1]
    verify(SshSignature.parse(EXAMPLES[signature]), EXAMPLES[text], namespace, key)
    assert accepts(tmp_path, key.text(), EXAMPLES[signature], EXAMPLES[text], namespace)
    assert not accepts(tmp_path, key.text(), EXAMPLES[signature], EXAMPLES[text] + b"\n", namespace)


def test_the_approval_and_the_receipt_are_what_our_own_types_make_of_them():
    approval = Approval.parse(EXAMPLES["approval"])
    assert identify(Intent.parse(EXAMPLES["intent"]), {"ann": SIGNERS["ann"][1]}, [approval]) == ("ann",)
    signed = SignedReceipt(
        Receipt.parse(EXAMPLES["receipt"]), SshSignature.parse(EXAMPLES["receipt-signature"])
    )
    assert verify_receipt(SignedReceipt.parse(signed.value), SIGNERS["vault-1"][1]).signer == "vault-1"


def test_the_table_of_fields_lists_every_field():
    assert f"fc 08 {OUR_PREFIX[2:].hex()} <subtype>" in PAGE
    listed = {
        int(subtype, 16)
        for subtype in re.findall(r"^\| (?:global|input) \| `([0-9a-f]{2})` \|", PAGE, re.MULTILINE)
    }
    assert listed == {int(kind) for kind in ProprietaryType} == {int(kind) for kind in PROPRIETARY_FIELDS}
