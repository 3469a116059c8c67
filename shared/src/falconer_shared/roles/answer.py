"""What a signer sent back, in any of its shapes, as a PSBT whose signatures can be taken out.

A PSBT, whole or trimmed to signatures (SeedSigner, Specter, Krux), of either version, or the finished transaction itself
(`.txn` files: bytes or hexadecimal). Nothing is proven here: `verify.signatures` compares the transaction with ours and
checks each signature, and what is final is rebuilt from those (A083).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from falconer_shared.bitcoin.transaction import Transaction, TxInput
from falconer_shared.encoding.reader import compact_size, prefixed
from falconer_shared.psbt.build import new_psbt
from falconer_shared.psbt.envelope import MAGIC
from falconer_shared.psbt.fields import InputType, field_key
from falconer_shared.psbt.parse import UntrustedPsbt

_VERSIONS: Final = (b"\1\0\0\0", b"\2\0\0\0")
"""What a transaction of ours begins with. A PSBT begins otherwise, and so do both of its texts."""

_HEX: Final = re.compile(rb"[0-9a-fA-F]+")
_SPACE: Final = b" \t\r\n"


def read_answer(data: bytes) -> UntrustedPsbt:
    """An answer of any signer.

    Raises:
        Malformed: what `UntrustedPsbt.parse` and `Transaction.parse` refuse.
    """
    raw = _transaction(data)
    return UntrustedPsbt.parse(data) if raw is None else _as_psbt(Transaction.parse(raw, "answer"))


def _transaction(data: bytes) -> bytes | None:
    """The bytes of a transaction, where the answer is one."""
    if data.startswith(_VERSIONS):
        return data
    text = data.strip(_SPACE)
    # told by the first bytes, as PSBTs are: hexadecimal of anything else is refused for what it is
    if _HEX.fullmatch(text) and len(text) % 2 == 0 and not text.lower().startswith(MAGIC.hex().encode()):
        return bytes.fromhex(text.decode("ascii"))
    return None


def _as_psbt(tx: Transaction) -> UntrustedPsbt:
    """A version 0 PSBT of the same transaction: what its inputs hold as final fields."""
    unsigned = replace(tx, inputs=tuple(replace(each, script_sig=b"", witness=()) for each in tx.inputs))
    return new_psbt(unsigned).with_fields(
        input_add={index: _final_fields(each) for index, each in enumerate(tx.inputs)}
    )


def _final_fields(spent: TxInput) -> Sequence[tuple[bytes, bytes]]:
    fields = []
    if spent.script_sig:
        fields.append((field_key(InputType.FINAL_SCRIPTSIG), spent.script_sig))
    if spent.witness:
        stack = compact_size(len(spent.witness)) + b"".join(prefixed(item) for item in spent.witness)
        fields.append((field_key(InputType.FINAL_SCRIPTWITNESS), stack))
    return fields
