"""Transactions, PSBT maps and SSH signatures as bytes, for the attacker and for the oracle.

Plain Python that shares no code with the product and checks nothing: the attacker must be able to write what no honest program
would, and the oracle must read it its own way.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

OURS = b"\xfc\x08falconer"
"""How the key of each of Falconer's own PSBT fields begins; the subtype follows."""

REQUEST, INTENT, APPROVAL, SIGNATURE, RECEIPT = b"\x00", b"\x01", b"\x02", b"\x03", b"\x10"

APPROVALS = b"falconer-approval@1"
REQUESTS = b"falconer-request@1"
RECEIPTS = b"falconer-receipt@1"

Map = list[tuple[bytes, bytes]]


def size(value: int) -> bytes:
    """CompactSize."""
    if value < 0xFD:
        return bytes((value,))
    if value < 0x10000:
        return b"\xfd" + struct.pack("<H", value)
    return b"\xfe" + struct.pack("<I", value)


def u32(value: int) -> bytes:
    """Four bytes, little endian; of a number that does not fit, what is left of it."""
    return struct.pack("<I", value & 0xFFFFFFFF)


def sized(data: bytes) -> bytes:
    return size(len(data)) + data


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def double_sha256(data: bytes) -> bytes:
    return sha256(sha256(data))


def transaction(
    version: int,
    inputs: Iterable[tuple[bytes, int, int]],
    outputs: Iterable[tuple[int, bytes]],
    locktime: int,
) -> bytes:
    """Without witnesses and with empty scriptSigs; inputs are (txid as hashed, vout, sequence), outputs (satoshis, script)."""
    spends = [txid + u32(vout) + b"\x00" + u32(seq) for txid, vout, seq in inputs]
    pays = [struct.pack("<Q", sats & (1 << 64) - 1) + sized(script) for sats, script in outputs]
    return b"".join(
        (
            u32(version), size(len(spends)), *spends,
            size(len(pays)), *pays, u32(locktime),
        )
    )  # fmt: skip


def psbt(maps: Iterable[Map]) -> bytes:
    parts = [b"psbt\xff"]
    for entries in maps:
        for key, value in entries:
            parts += (size(len(key)), key, size(len(value)), value)
        parts.append(b"\x00")
    return b"".join(parts)


def maps_of(data: bytes) -> list[Map]:
    """The maps of a PSBT that a strict parser has taken."""
    if data[:5] != b"psbt\xff":
        raise ValueError("no PSBT")
    at, maps, current = 5, [], []
    while at < len(data):
        length, at = _read_size(data, at)
        if not length:
            maps.append(current)
            current = []
            continue
        key, at = data[at : at + length], at + length
        length, at = _read_size(data, at)
        current.append((key, data[at : at + length]))
        at += length
    if current:
        raise ValueError("a map without an end")
    return maps


def _read_size(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 0xFD:
        return first, at + 1
    width = {0xFD: 2, 0xFE: 4, 0xFF: 8}[first]
    return int.from_bytes(data[at + 1 : at + 1 + width], "little"), at + 1 + width


def ours(entries: Map, subtype: bytes) -> list[tuple[bytes, bytes]]:
    """Key data and value of Falconer's fields of that subtype."""
    start = OURS + subtype
    return [(key[len(start) :], value) for key, value in entries if key.startswith(start)]


# SSH signatures (PROTOCOL.sshsig)


def string(data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + data


def ed25519_blob(point: bytes) -> bytes:
    return string(b"ssh-ed25519") + string(point)


def _to_sign(message: bytes, namespace: bytes, hash_name: str) -> bytes:
    digest = hashlib.new(hash_name, message).digest()
    return b"SSHSIG" + string(namespace) + string(b"") + string(hash_name.encode()) + string(digest)


def ssh_signature(
    sign: Callable[[bytes], bytes], point: bytes, message: bytes, namespace: bytes, hash_name: str = "sha512"
) -> bytes:
    """A raw SSHSIG that claims to be by `point`, made with whatever `sign` is."""
    made = sign(_to_sign(message, namespace, hash_name))
    inner = string(string(b"ssh-ed25519") + string(made))
    return b"".join(
        (b"SSHSIG", struct.pack(">I", 1), string(ed25519_blob(point)), string(namespace), string(b""),
         string(hash_name.encode()), inner)
    )  # fmt: skip


@dataclass(frozen=True)
class Sshsig:
    """A raw SSHSIG in its parts."""

    point: bytes
    namespace: bytes
    hash_name: str
    signature: bytes

    @classmethod
    def parse(cls, data: bytes) -> Sshsig:
        if data[:6] != b"SSHSIG" or data[6:10] != struct.pack(">I", 1):
            raise ValueError("no SSHSIG")
        key, namespace, reserved, hash_name, inner = _strings(data[10:])
        kind, point = _strings(key)
        algorithm, signature = _strings(inner)
        if (kind, algorithm, reserved) != (b"ssh-ed25519", b"ssh-ed25519", b""):
            raise ValueError("another kind of signature")
        return cls(point, namespace, hash_name.decode(), signature)

    def signed(self, message: bytes) -> bytes:
        return _to_sign(message, self.namespace, self.hash_name)


def _strings(data: bytes) -> Sequence[bytes]:
    found, at = [], 0
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        found.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return found
