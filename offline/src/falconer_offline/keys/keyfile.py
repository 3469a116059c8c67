"""What a stored key is: a canonical text `falconer-key 1` inside a sealed file.

    falconer-key 1
    network <network>
    machine <key hash of the machine that keeps it>
    seed <64 bytes>

It holds the BIP 39 seed and not the words: a stolen file that was opened shows neither the words nor their
passphrase.

It names its machine because whoever can write to the medium, and knows what a file must be sealed to (an age
recipient is no secret), can put a machine key and a signed state of his own there, with a policy of his own: he
can then not have our keys signed with under it.
"""

from __future__ import annotations

from falconer_offline.keys.private import PrivateNode
from falconer_offline.keys.sealed import Secret, seal, unseal
from falconer_shared.bitcoin.network import Network
from falconer_shared.canonical import Reader, Writer
from falconer_shared.errors import Malformed, SecretError
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.text import safe

SEED_SIZE = 64
MAX_KEY_TEXT = 1024
"""Bytes of the text: it takes 250."""


def seal_seed(seed: bytes, network: Network, machine: SshPublicKey, secret: Secret) -> bytes:
    """A new sealed key file for the machine with this key."""
    return seal(_text(seed, network, machine), secret)


def open_seed(
    sealed: bytes, network: Network, machine: SshPublicKey, fingerprint: str, secret: Secret, what: str
) -> PrivateNode:
    """The master key in a sealed file, which must be the one that the state names, kept for the machine that signs the state.

    Raises:
        SecretError: `passphrase-wrong`, `identity-wrong`, `key-other-fingerprint`, `key-other-network`,
            `key-other-machine`.
        Malformed: `key-file-malformed`, `sealed-malformed`, `sealed-too-much-work`.
    """
    data = unseal(sealed, secret, what)
    label, kept_by, seed = _read(data, what)
    if label != network.label:
        raise SecretError(
            "key-other-network", f"{what} is a key for {safe(label, 20)}, not for {network.label}"
        )
    if kept_by != machine.key_hash:
        raise SecretError(
            "key-other-machine",
            f"{what} was kept by the machine {safe(kept_by, 60)}, and this state is signed by {machine.key_hash}",
            remedy="sign nothing with this state: somebody may have put another machine in the place of yours",
        )
    if _text(seed, network, machine) != data:
        raise _malformed(what)
    node = PrivateNode.from_seed(seed)
    check_fingerprint(node, fingerprint, what)
    return node


def check_fingerprint(node: PrivateNode, fingerprint: str, what: str) -> None:
    """Accept only the key that was registered: another passphrase or another word gives another key without
    any error (A092).

    Raises:
        SecretError: `key-other-fingerprint`.
    """
    found = node.public().fingerprint().hex()
    if found != fingerprint:
        raise SecretError(
            "key-other-fingerprint",
            f"{what} has fingerprint {fingerprint}, and this gives {found}",
            remedy="check the words and their BIP 39 passphrase",
        )


def _read(data: bytes, what: str) -> tuple[str, str, bytes]:
    """Network, machine and seed of a key text."""
    try:
        reader = Reader(data, "falconer-key", where=what, rule="key-file-malformed", max_bytes=MAX_KEY_TEXT)
        return reader.one("network"), reader.one("machine"), reader.hex(reader.one("seed"), SEED_SIZE)
    except Malformed:
        # the reader quotes the line at fault: here that may be the seed
        raise _malformed(what) from None


def _malformed(what: str) -> Malformed:
    return Malformed(
        "key-file-malformed",
        f"what is sealed as {what} is not the text of a key as this version writes it",
        remedy="take the key off with key remove, and import its words again",
    )


def _text(seed: bytes, network: Network, machine: SshPublicKey) -> bytes:
    writer = Writer("falconer-key").line("network", network.label).line("machine", machine.key_hash)
    return writer.line("seed", seed.hex()).text()
