"""SSHSIG both ways with the real ssh-keygen, and one mutation at a time."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.errors import FalconerError, Malformed, VerificationError
from falconer_shared.sshsig.key import SshPublicKey
from falconer_shared.sshsig.signature import SshSignature, armour, dearmour, make, verify
from falconer_shared.sshsig.wire import MAX_OBJECT, string
from tests.support.ssh_keygen import KeyFile, accepts

NAMESPACE = "falconer-approval@1"
MESSAGE = b"falconer-intent 1\nkind pay\n"


@pytest.fixture(scope="module")
def signer(tmp_path_factory):
    return KeyFile.make(tmp_path_factory.mktemp("keys"), "signer")


@pytest.fixture(scope="module")
def key(signer):
    return SshPublicKey.parse(signer.public_line)


@pytest.fixture(scope="module")
def armoured(signer):
    return signer.sign(MESSAGE, NAMESPACE)


def software_key(seed: bytes = bytes(range(32))) -> tuple[Ed25519PrivateKey, SshPublicKey]:
    private = Ed25519PrivateKey.from_private_bytes(seed)
    return private, SshPublicKey.ed25519(private.public_key().public_bytes_raw())


def refused_by(error, call, *arguments):
    with pytest.raises(error) as caught:
        call(*arguments)
    return caught.value.rule


@pytest.mark.parametrize("options", [(), ("-O", "hashalg=sha512"), ("-O", "hashalg=sha256")])
def test_takes_what_ssh_keygen_signs(signer, key, options):
    signature = SshSignature.parse(signer.sign(MESSAGE, NAMESPACE, *options))
    verify(signature, MESSAGE, NAMESPACE, key)
    assert signature.hash_name == ("sha256" if "hashalg=sha256" in options else "sha512")


def test_reads_and_writes_the_very_bytes_of_ssh_keygen(armoured):
    raw = dearmour(armoured)
    assert SshSignature.parse(armoured) == SshSignature.parse(raw)
    assert SshSignature.parse(raw).raw == raw
    assert armour(raw) == armoured == SshSignature.parse(raw).armoured()


def test_ssh_keygen_takes_what_we_make(tmp_path):
    private, public = software_key()
    made = make(private.sign, public, MESSAGE, NAMESPACE)
    assert accepts(tmp_path, public.text(), armour(made), MESSAGE, NAMESPACE)
    assert not accepts(tmp_path, public.text(), armour(made), MESSAGE + b"x", NAMESPACE)


@given(message=st.binary(max_size=300), seed=st.binary(min_size=32, max_size=32))
def test_made_signatures_verify_for_any_message_and_no_other(message, seed):
    private, public = software_key(seed)
    signature = SshSignature.parse(make(private.sign, public, message, NAMESPACE))
    verify(signature, message, NAMESPACE, public)
    assert (
        refused_by(VerificationError, verify, signature, message + b"\0", NAMESPACE, public)
        == "ssh-signature-invalid"
    )


def test_another_message_is_refused(armoured, key, tmp_path, signer):
    signature = SshSignature.parse(armoured)
    assert (
        refused_by(VerificationError, verify, signature, MESSAGE[:-1], NAMESPACE, key)
        == "ssh-signature-invalid"
    )
    assert not accepts(tmp_path, signer.public_line, armoured, MESSAGE[:-1], NAMESPACE)


def test_another_namespace_is_refused(armoured, key, tmp_path, signer):
    signature = SshSignature.parse(armoured)
    assert (
        refused_by(VerificationError, verify, signature, MESSAGE, "falconer-policy@1", key)
        == "ssh-signature-namespace"
    )
    assert not accepts(tmp_path, signer.public_line, armoured, MESSAGE, "falconer-policy@1")


def test_a_renamed_namespace_does_not_verify(armoured, key):
    old = SshSignature.parse(armoured)
    renamed = SshSignature(old.key, "falconer-policy@1", old.hash_name, old.signature)
    assert (
        refused_by(VerificationError, verify, renamed, MESSAGE, "falconer-policy@1", key)
        == "ssh-signature-invalid"
    )


def test_another_hash_does_not_verify(armoured, key):
    old = SshSignature.parse(armoured)
    renamed = SshSignature(old.key, old.namespace, "sha256", old.signature)
    assert refused_by(VerificationError, verify, renamed, MESSAGE, NAMESPACE, key) == "ssh-signature-invalid"


def test_another_key_is_refused(armoured):
    signature = SshSignature.parse(armoured)
    _, other = software_key()
    assert (
        refused_by(VerificationError, verify, signature, MESSAGE, NAMESPACE, other)
        == "ssh-signature-other-key"
    )
    # and naming the other key inside does not help
    claimed = SshSignature(other, signature.namespace, signature.hash_name, signature.signature)
    assert (
        refused_by(VerificationError, verify, claimed, MESSAGE, NAMESPACE, other) == "ssh-signature-invalid"
    )


def test_the_second_form_of_s_is_refused(tmp_path, signer, key, armoured):
    # RFC 8032 section 5.1.7: S + L satisfies the equation and would make a second signature out of the first
    order = 2**252 + 27742317777372353535851937790883648493
    old = SshSignature.parse(armoured)
    shifted = int.from_bytes(old.signature[32:], "little") + order
    twin = SshSignature(
        old.key, old.namespace, old.hash_name, old.signature[:32] + shifted.to_bytes(32, "little")
    )
    assert refused_by(VerificationError, verify, twin, MESSAGE, NAMESPACE, key) == "ssh-signature-invalid"


def test_every_flipped_bit_is_refused(armoured, key):
    raw = dearmour(armoured)
    for position in range(len(raw) * 8):
        changed = bytearray(raw)
        changed[position // 8] ^= 1 << position % 8
        with pytest.raises(FalconerError):
            verify(SshSignature.parse(bytes(changed)), MESSAGE, NAMESPACE, key)


def build(
    magic=b"SSHSIG", version=1, namespace=b"n", reserved=b"", hash_name=b"sha512", inner=b"ssh-ed25519", signature=bytes(64),
    inner_tail=b"", tail=b"",
):  # fmt: skip
    _, public = software_key()
    return (
        magic + version.to_bytes(4, "big") + string(public.blob) + string(namespace) + string(reserved)
        + string(hash_name) + string(string(inner) + string(signature) + inner_tail) + tail
    )  # fmt: skip


def test_the_form_built_here_is_well_formed():
    assert SshSignature.parse(build()).raw == build()


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"magic": b"SSHSIX"}, "ssh-signature-malformed"),
        ({"version": 0}, "ssh-signature-unsupported"),
        ({"version": 2}, "ssh-signature-unsupported"),
        ({"namespace": b""}, "ssh-signature-malformed"),
        ({"namespace": b"a b"}, "ssh-signature-malformed"),
        ({"namespace": b"a\n"}, "ssh-signature-malformed"),
        ({"reserved": b"x"}, "ssh-signature-malformed"),
        ({"hash_name": b"sha1"}, "ssh-signature-unsupported"),
        ({"hash_name": b"sha384"}, "ssh-signature-unsupported"),
        ({"hash_name": b"SHA512"}, "ssh-signature-unsupported"),
        ({"inner": b"ssh-rsa"}, "ssh-signature-malformed"),
        ({"signature": bytes(63)}, "ssh-signature-malformed"),
        ({"signature": bytes(65)}, "ssh-signature-malformed"),
        ({"inner_tail": b"\0"}, "ssh-signature-malformed"),
        ({"tail": b"\0"}, "ssh-signature-malformed"),
        ({"tail": bytes(3000)}, "ssh-signature-malformed"),
    ],
)
def test_one_fault_of_form_is_enough(change, rule):
    assert refused_by(Malformed, SshSignature.parse, build(**change)) == rule


def test_the_size_is_bounded_whatever_is_in_it():
    private, key = software_key()
    room = MAX_OBJECT - len(make(private.sign, key, MESSAGE, "n")) + 1
    longest = make(private.sign, key, MESSAGE, "n" * room)
    assert len(longest) == MAX_OBJECT
    verify(SshSignature.parse(longest), MESSAGE, "n" * room, key)
    longer = longest.replace(string(b"n" * room), string(b"n" * (room + 1)), 1)
    assert refused_by(Malformed, SshSignature.parse, longer) == "ssh-signature-malformed"


def test_every_truncation_is_malformed():
    whole = build()
    for length in range(len(whole)):
        assert refused_by(Malformed, SshSignature.parse, whole[:length]) == "ssh-signature-malformed"


def test_a_security_key_inside_is_refused_by_name():
    name = b"sk-ssh-ed25519@openssh.com"
    _, public = software_key()
    data = build().replace(
        string(public.blob), string(string(name) + string(public.point) + string(b"ssh:")), 1
    )
    assert refused_by(Malformed, SshSignature.parse, data) == "ssh-key-unsupported"


def test_other_signatures_of_ssh_keygen_are_refused(tmp_path):
    rsa = KeyFile.make(tmp_path, "rsa", "rsa")
    assert refused_by(Malformed, SshSignature.parse, rsa.sign(MESSAGE, NAMESPACE)) == "ssh-key-unsupported"


def test_armour_may_come_from_another_computer(armoured):
    raw = dearmour(armoured)
    body = base64.b64encode(raw).decode()
    one_line = f"-----BEGIN SSH SIGNATURE-----\n{body}\n-----END SSH SIGNATURE-----"
    assert (
        dearmour(armoured.replace(b"\n", b"\r\n"))
        == dearmour(armoured[:-1])
        == dearmour(one_line.encode())
        == raw
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[1:],
        lambda text: text.replace(b"END", b"FIN"),
        lambda text: b"-----BEGIN SSH SIGNATURE-----\n-----END SSH SIGNATURE-----\n",
        lambda text: text + b"\n",
        lambda text: text + text,
        lambda text: b"\n" + text,
        lambda text: text.replace(b"U1NI", b"U1N\xff"),
        lambda text: text.replace(b"U1NI", b"U1N "),
        lambda text: text.replace(b"U1NI", b"U1N-"),
        lambda text: text.replace(b"\n-----END", b"A\n-----END"),
        lambda text: text.replace(b"\n-----END", b"=\n-----END"),
        lambda text: text.replace(b"\n-----END", b"A" * 6200 + b"\n-----END"),
    ],
)
def test_faults_of_armour_are_malformed(armoured, change):
    assert refused_by(Malformed, dearmour, change(armoured)) == "ssh-signature-malformed"


def test_make_gives_out_nothing_that_does_not_verify():
    private, public = software_key()
    stranger, _ = software_key(bytes(32))
    assert make(private.sign, public, MESSAGE, NAMESPACE)
    for broken in (stranger.sign, lambda _: bytes(64), lambda _: b"", lambda data: private.sign(data + b"x")):
        assert (
            refused_by(VerificationError, make, broken, public, MESSAGE, NAMESPACE) == "ssh-signature-invalid"
        )


@pytest.mark.parametrize("namespace", ["", "a b", "ä", "a\n"])
def test_make_takes_no_namespace_that_parse_would_refuse(namespace):
    private, public = software_key()
    with pytest.raises(ValueError, match="namespace"):
        make(private.sign, public, MESSAGE, namespace)


@given(st.binary(max_size=200))
def test_parse_is_the_exact_inverse_of_raw(tail):
    for data in (tail, build()[:70] + tail):
        try:
            signature = SshSignature.parse(data)
        except Malformed:
            continue
        assert signature.raw == data or data.startswith(b"-----")
