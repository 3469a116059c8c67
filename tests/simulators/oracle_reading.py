"""What the oracle reads out of requests and answers: texts line by line, and transactions as libwally understands them."""

from __future__ import annotations

from dataclasses import dataclass

import wallycore

from tests.simulators import wire


@dataclass(frozen=True)
class Text:
    """A canonical text as lines of key and rest."""

    raw: bytes
    lines: list[tuple[str, str]]

    @classmethod
    def read(cls, raw: bytes) -> Text:
        parts = [line.partition(" ") for line in raw.decode("ascii").split("\n")[:-1]]
        return cls(raw, [(key, rest) for key, _, rest in parts])

    def one(self, key: str) -> str:
        found = self.all(key)
        return found[0] if len(found) == 1 else ""

    def all(self, key: str) -> list[str]:
        return [rest for name, rest in self.lines if name == key]


@dataclass(frozen=True)
class Tx:
    """The transaction that a request asks to sign."""

    raw: bytes
    wally: object
    version: int
    locktime: int
    inputs: list[tuple[bytes, int, int]]
    outputs: list[tuple[int, bytes]]

    @classmethod
    def read(cls, raw: bytes) -> Tx:
        tx = wallycore.tx_from_bytes(raw, 0)
        inputs = [
            (
                bytes(wallycore.tx_get_input_txhash(tx, n)),
                wallycore.tx_get_input_index(tx, n),
                wallycore.tx_get_input_sequence(tx, n),
            )
            for n in range(wallycore.tx_get_num_inputs(tx))
        ]
        outputs = [
            (wallycore.tx_get_output_satoshi(tx, n), bytes(wallycore.tx_get_output_script(tx, n)))
            for n in range(wallycore.tx_get_num_outputs(tx))
        ]
        return cls(raw, tx, wallycore.tx_get_version(tx), wallycore.tx_get_locktime(tx), inputs, outputs)


def transaction_of(psbt: bytes) -> Tx:
    """What a PSBT of version 0 or 2 asks to sign, as libwally understands it.

    It is given only the fields that make up the transaction: it refuses some fields that BIP 174 allows, an unknown one without a
    value among them. Nor does it take a PSBT of version 2 for a transaction of version 1 (BIP 370: a Creator sets 2 or more): it
    reads that as version 2, and the version is put right afterwards.
    """
    maps = wire.maps_of(psbt)
    first = [each for each in maps[0] if each[0] in _GLOBAL]
    if any(key == b"\x00" for key, _ in first):
        rest: list[wire.Map] = [[] for _ in maps[1:]]
    else:
        inputs = int.from_bytes(dict(first)[b"\x04"][-2:].removeprefix(b"\xfd"), "little")
        rest = [
            [each for each in entries if each[0] in (_INPUT if number < inputs else _OUTPUT)]
            for number, entries in enumerate(maps[1:])
        ]
    version = dict(first).get(b"\x02", b"")
    told = [(key, wire.u32(2) if key == b"\x02" and value == wire.u32(1) else value) for key, value in first]
    read = wallycore.psbt_from_bytes(wire.psbt([told, *rest]), 0)
    if wallycore.psbt_get_version(read):
        tx = wallycore.psbt_extract(read, wallycore.WALLY_PSBT_EXTRACT_NON_FINAL)
    else:
        tx = wallycore.psbt_get_global_tx(read)
    raw = bytes(wallycore.tx_to_bytes(tx, 0))
    return Tx.read(version + raw[4:] if version == wire.u32(1) else raw)


_GLOBAL = frozenset({b"\x00", b"\x02", b"\x03", b"\x04", b"\x05", b"\xfb"})
_INPUT = frozenset({b"\x0e", b"\x0f", b"\x10", b"\x11", b"\x12"})
_OUTPUT = frozenset({b"\x03", b"\x04"})
"""The keys that say what is spent, what is paid, and which version of PSBT says so (BIP 174, BIP 370)."""
