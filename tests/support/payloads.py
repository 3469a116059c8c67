"""One payload of each kind, and every way to spell them: what `qr show` is asked for, and what `qr scan --what` must say."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from pathlib import Path

from tests.support import frames
from tests.support.treasury import Payment, key_expression, wpkh_descriptor, wpkh_wallet

PSBT = frames.psbt(420)
TRANSACTION = Payment(wpkh_wallet()).psbt().tx.serialize()
DESCRIPTOR = wpkh_descriptor(1)
KEY = key_expression(1)

FILES: dict[str, bytes] = {
    "x.psbt": PSBT,
    "base64.psbt": base64.b64encode(PSBT) + b"\n",
    "hex.psbt": PSBT.hex().encode(),
    "x.txn": TRANSACTION.hex().encode(),
    "raw.txn": TRANSACTION,
    "descriptor.txt": f"{DESCRIPTOR}\n".encode(),
    "key.txt": KEY.encode(),
    "coldcard.txt": b"Name: vault\nPolicy: 2 of 3\nDerivation: m/48'/1'/0'/2'\nFormat: P2WSH\n\n0F056943: tpub\n",
    "invoice.txt": b"bitcoin:bcrt1qw508d6qejxtdg4y5r3zarvary0c5xw7kygt080?amount=0.1",
    "x.json": b'{"label": "vault"}',
    "note.txt": b"nothing that is known\n",
    "x.bin": bytes(range(1, 200)),
}


@dataclass(frozen=True)
class Said:
    """What is shown of a file with these options, and as what it comes out again."""

    file: str
    options: str
    dialect: str
    type: str
    kind: str

    @property
    def words(self) -> list[str]:
        return self.options.split()

    @property
    def payload(self) -> bytes:
        """What arrives: of texts, some dialects leave out the end of the line; of descriptors, some the checksum."""
        data = {"base64.psbt": PSBT, "hex.psbt": PSBT, "x.txn": TRANSACTION}.get(self.file, FILES[self.file])
        if self.dialect in {"plain", "pmofn"} and self.kind not in {"psbt", "transaction"}:
            return data.strip()
        return data.partition(b"#")[0] if self.type in {"crypto-output", "output-descriptor"} else data


SAID = (
    *(Said(file, "", "ur", "crypto-psbt", "psbt") for file in ("x.psbt", "base64.psbt", "hex.psbt")),
    Said("x.psbt", "--ur-type psbt", "ur", "psbt", "psbt"),
    Said("x.psbt", "--ur-type bytes", "ur", "bytes", "psbt"),
    Said("x.psbt", "--dialect ur1", "ur1", "bytes", "psbt"),
    Said("x.psbt", "--dialect bbqr", "bbqr", "psbt", "psbt"),
    Said("x.psbt", "--dialect pmofn --density 8", "pmofn", "base64", "psbt"),
    Said("x.psbt", "--dialect base64", "plain", "base64", "psbt"),
    Said("x.psbt", "--dialect hex", "plain", "hex", "psbt"),
    Said("x.psbt", "--dialect base43", "plain", "base43", "psbt"),
    *(Said(file, "", "bbqr", "transaction", "transaction") for file in ("x.txn", "raw.txn")),
    Said("x.txn", "--dialect hex", "plain", "hex", "transaction"),
    Said("x.txn", "--dialect base43", "plain", "base43", "transaction"),
    Said("descriptor.txt", "", "ur", "bytes", "descriptor"),
    Said("descriptor.txt", "--ur-type crypto-output", "ur", "crypto-output", "descriptor"),
    Said("descriptor.txt", "--ur-type output-descriptor", "ur", "output-descriptor", "descriptor"),
    Said("descriptor.txt", "--ur-type account-descriptor", "ur", "account-descriptor", "account"),
    Said("descriptor.txt", "--dialect text", "plain", "text", "descriptor"),
    Said("descriptor.txt", "--dialect addwallet", "plain", "addwallet", "descriptor"),
    Said("descriptor.txt", "--dialect bbqr", "bbqr", "text", "descriptor"),
    Said("key.txt", "--ur-type crypto-hdkey", "ur", "crypto-hdkey", "key"),
    Said("key.txt", "--ur-type hdkey", "ur", "hdkey", "key"),
    Said("key.txt", "--dialect text", "plain", "text", "key"),
    Said("coldcard.txt", "--dialect ur1", "ur1", "bytes", "wallet"),
    Said("coldcard.txt", "", "ur", "bytes", "wallet"),
    Said("invoice.txt", "--dialect text", "plain", "text", "uri"),
    Said("x.json", "--dialect bbqr", "bbqr", "json", "json"),
    Said("coldcard.txt", "--dialect pmofn --density 3", "pmofn", "text", "wallet"),
    Said("note.txt", "--dialect text", "plain", "text", "text"),
    Said("x.bin", "--dialect bbqr", "bbqr", "binary", "bytes"),
    Said("x.bin", "", "ur", "bytes", "bytes"),
)


def write_files(folder: Path) -> None:
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
