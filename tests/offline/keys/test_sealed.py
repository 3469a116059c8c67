from __future__ import annotations

import pyrage
import pytest

from falconer_offline.keys import sealed
from falconer_offline.keys.keyfile import open_seed, seal_seed
from falconer_offline.keys.private import PrivateNode
from falconer_offline.state.machine import MachineKey
from falconer_shared.bitcoin.network import Network
from falconer_shared.canonical import Writer
from falconer_shared.errors import Malformed, SecretError
from falconer_shared.sshsig.signature import SshSignature, verify
from tests.support.policies import SshKey
from tests.support.refusal import refused

SEED = bytes(range(64))
FINGERPRINT = PrivateNode.from_seed(SEED).public().fingerprint().hex()
MACHINE = SshKey.of("machine").public


def _key_text(version: int = 1) -> Writer:
    writer = Writer("falconer-key", version)
    return writer.line("network", "regtest").line("machine", MACHINE.key_hash)


@pytest.fixture(scope="module")
def identity():
    return sealed.Identity(pyrage.x25519.Identity.generate())


@pytest.fixture(scope="module")
def with_passphrase():
    return sealed.seal(b"content", sealed.Passphrase("correct horse"))


def test_a_passphrase_file_opens_with_its_passphrase_alone(with_passphrase, identity):
    assert sealed.needs_passphrase(with_passphrase)
    assert sealed.unseal(with_passphrase, sealed.Passphrase("correct horse"), "it") == b"content"
    with refused("passphrase-wrong", SecretError):
        sealed.unseal(with_passphrase, sealed.Passphrase("correct house"), "it")
    with refused("identity-wrong", SecretError):
        sealed.unseal(with_passphrase, identity, "it")


def test_an_identity_file_opens_with_its_identity_alone(identity):
    made = sealed.seal(b"content", identity)
    assert not sealed.needs_passphrase(made)
    assert sealed.unseal(made, identity, "it") == b"content"
    with refused("identity-wrong", SecretError):
        sealed.unseal(made, sealed.Identity(pyrage.x25519.Identity.generate()), "it")
    with refused("passphrase-wrong", SecretError):
        sealed.unseal(made, sealed.Passphrase("correct horse"), "it")


def _asking(work: int) -> bytes:
    return (
        b"age-encryption.org/v1\n-> scrypt "
        + b"A" * 22
        + b" %d\n" % work
        + b"A" * 43
        + b"\n--- "
        + b"A" * 43
        + b"\n"
    )


def test_work_is_bounded_before_it_is_done():
    """A136: 2^40 would take a thousand years and a petabyte."""
    assert sealed.needs_passphrase(_asking(sealed.MAX_WORK_FACTOR))
    for work in (sealed.MAX_WORK_FACTOR + 1, 40, 99):
        with refused("sealed-too-much-work", Malformed):
            sealed.unseal(_asking(work), sealed.Passphrase("correct horse"), "it")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"age-encryption.org/v2\n-> scrypt " + b"A" * 22 + b" 18\n",
        b"age-encryption.org/v1\n-> scrypt AAAA 18\n",
        b"age-encryption.org/v1\n-> scrypt " + b"A" * 22 + b" 018\n",
        b"age-encryption.org/v1\n-> scrypt " + b"A" * 22 + b" 100\n",
        b"age-encryption.org/v1\n-> ssh-rsa AAAA\n",
        b"-----BEGIN AGE ENCRYPTED FILE-----\n",
        b"age-encryption.org/v1\n" + b"A" * sealed.MAX_SEALED,
    ],
)
def test_what_is_no_age_file_of_ours(data):
    with refused("sealed-malformed", Malformed):
        sealed.needs_passphrase(data)


def test_the_size_is_bounded_whatever_the_first_line_says():
    head = _asking(sealed.MAX_WORK_FACTOR)
    assert sealed.needs_passphrase(head.ljust(sealed.MAX_SEALED, b"A"))
    with refused("sealed-malformed", Malformed):
        sealed.needs_passphrase(head.ljust(sealed.MAX_SEALED + 1, b"A"))


def test_an_identity_is_read_strictly(identity):
    assert sealed.Identity.parse(str(identity.value).encode() + b"\n")
    for text in (b"", b"AGE-SECRET-KEY-1QQQ", b"\xff", str(identity.value.to_public()).encode()):
        with refused("identity-malformed", SecretError):
            sealed.Identity.parse(text)
    assert str(identity.value) not in repr(identity)
    assert "horse" not in repr(sealed.Passphrase("correct horse"))


def test_a_key_file_gives_the_key_it_was_made_from(identity):
    made = seal_seed(SEED, Network.REGTEST, MACHINE, identity)
    node = open_seed(made, Network.REGTEST, MACHINE, FINGERPRINT, identity, "key a")
    assert node.public() == PrivateNode.from_seed(SEED).public()


def test_a_key_file_of_another_key_or_network_is_refused(identity):
    made = seal_seed(SEED, Network.REGTEST, MACHINE, identity)
    with refused("key-other-fingerprint", SecretError):
        open_seed(made, Network.REGTEST, MACHINE, "00000000", identity, "key a")
    with refused("key-other-network", SecretError):
        open_seed(made, Network.MAINNET, MACHINE, FINGERPRINT, identity, "key a")
    with refused("key-other-machine", SecretError):
        open_seed(made, Network.REGTEST, SshKey.of("another").public, FINGERPRINT, identity, "key a")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        _key_text().line("seed", SEED.hex()).line("more", 1).text(),
        _key_text().line("seed", SEED.hex()[2:]).text(),
        _key_text().line("seed", SEED.hex().upper()).text(),
        _key_text(version=2).line("seed", SEED.hex()).text(),
        Writer("falconer-key").line("network", "regtest").line("seed", SEED.hex()).text(),
        Writer("falconer-key").line("seed", SEED.hex()).text(),
        _key_text().line("seed", "x" + SEED.hex()).text(),
    ],
)
def test_a_key_text_has_one_spelling(identity, text):
    with refused("key-file-malformed", Malformed) as caught:
        open_seed(sealed.seal(text, identity), Network.REGTEST, MACHINE, FINGERPRINT, identity, "key a")
    told = str(caught.value.as_json()).lower() + repr(caught.value.__cause__)
    assert not any(SEED.hex()[start : start + 6] in told for start in range(len(SEED.hex()) - 5))


def test_the_machine_key_opens_and_signs(identity):
    machine = MachineKey.generate()
    opened = MachineKey.open(machine.sealed(identity), identity, machine.public)
    verify(SshSignature.parse(opened.sign(b"text", "test@1")), b"text", "test@1", machine.public)
    assert machine.public.key_hash in repr(machine)


def test_the_machine_key_is_in_openssh_format_and_ssh_keygen_reads_it(identity, tmp_path):
    from tests.support.ssh_keygen import _run

    machine = MachineKey.generate()
    (tmp_path / "key").write_bytes(pyrage.decrypt(machine.sealed(identity), [identity.value]))
    (tmp_path / "key").chmod(0o600)
    done = _run("-y", "-f", str(tmp_path / "key"))
    assert done.stdout.decode().strip() == machine.public.text()


def test_another_machine_key_is_refused(identity):
    machine = MachineKey.generate()
    with refused("machine-key-other", SecretError):
        MachineKey.open(machine.sealed(identity), identity, MachineKey.generate().public)


@pytest.mark.parametrize("kind", ["garbage", "ecdsa"])
def test_what_is_no_ed25519_key_is_refused(identity, kind, tmp_path):
    from tests.support.ssh_keygen import KeyFile

    text = b"garbage" if kind == "garbage" else KeyFile.make(tmp_path, "k", "ecdsa").path.read_bytes()
    with refused("machine-key-damaged", SecretError):
        MachineKey.open(sealed.seal(text, identity), identity, MachineKey.generate().public)
