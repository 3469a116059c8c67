"""SSH public keys: one spelling, and no key that signs without a secret."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from falconer_shared.errors import FalconerError, Malformed
from falconer_shared.sshsig.key import ED25519, SshPublicKey, parse_key_hash
from falconer_shared.sshsig.point import MAX_REMEMBERED, check_point
from falconer_shared.sshsig.wire import MAX_OBJECT, strict_base64, string
from tests.support.ssh_keygen import KeyFile

P = 2**255 - 19

# RFC 8032 section 7.1, test 1
GOOD = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

# The eight points of small order, as every survey of Ed25519 lists them: neutral, order 2, two of order 4, four of order 8.
ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
SMALL = [
    (number | sign << 255).to_bytes(32, "little")
    for number, sign in [
        (1, 0), (P - 1, 0), (0, 0), (0, 1), (ORDER_8_Y, 0), (ORDER_8_Y, 1), (P - ORDER_8_Y, 0), (P - ORDER_8_Y, 1),
    ]
]  # fmt: skip


def blob(algorithm: bytes = b"ssh-ed25519", point: bytes = GOOD, tail: bytes = b"") -> bytes:
    return string(algorithm) + string(point) + tail


def line(data: bytes, outside: str = "ssh-ed25519") -> str:
    return f"{outside} {base64.b64encode(data).decode()}"


def refused(text: str) -> str:
    with pytest.raises(Malformed) as caught:
        SshPublicKey.parse(text)
    return caught.value.rule


def test_reads_what_ssh_keygen_writes_and_names_it_alike(tmp_path):
    made = KeyFile.make(tmp_path, "someone")
    key = SshPublicKey.parse(made.public_line)
    assert made.public_line == key.text() + " someone@tests\n"
    assert key.key_hash == made.fingerprint()
    assert parse_key_hash(made.fingerprint()) == key.key_id
    assert (
        SshPublicKey.parse(key.text())
        == key
        == SshPublicKey.from_blob(key.blob)
        == SshPublicKey.ed25519(key.point)
    )


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_algorithms_of_ssh_keygen_are_refused_by_name(tmp_path, kind):
    assert refused(KeyFile.make(tmp_path, "someone", kind).public_line) == "ssh-key-unsupported"


def test_security_keys_are_refused_by_name():
    name = b"sk-ssh-ed25519@openssh.com"
    data = string(name) + string(GOOD) + string(b"ssh:")
    assert refused(line(data, name.decode())) == "ssh-key-unsupported"
    with pytest.raises(Malformed) as caught:
        SshPublicKey.from_blob(data)
    assert caught.value.rule == "ssh-key-unsupported"


def test_a_comment_may_hold_spaces_and_is_dropped():
    assert SshPublicKey.parse(line(blob()) + " Ann of Operations") == SshPublicKey.ed25519(GOOD)
    assert SshPublicKey.parse(line(blob()) + "\r\n") == SshPublicKey.ed25519(GOOD)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 ",
        " " + line(blob()),
        line(blob()).replace(" ", "  "),
        line(blob()).replace(" ", "\t"),
        line(blob()) + "\n\n",
        line(blob()) + "\n" + line(blob()),
        line(blob()) + "\rx",
        "ssh-ed25519 AAAA",
        line(blob(tail=b"\0")),
        line(blob(point=GOOD[:31])),
        line(blob(point=GOOD + b"\0")),
        line(blob()[:-1]),
        line(string(b"ssh-ed25519")),
        line(string(b"")),
        line(string(b"ssh ed25519") + string(GOOD)),
        line(b"\xff\xff\xff\xff" + blob()[4:]),
        line(blob(tail=b"\0" * 3000)),
        line(blob())[:-1],
        line(blob()) + "=",
        "ssh-ed25519 ä",
    ],
)
def test_any_other_spelling_is_refused(text):
    assert refused(text) == "ssh-key-malformed"


def test_algorithm_named_differently_inside_is_refused(monkeypatch):
    # With one supported algorithm only a second table entry can show it
    from falconer_shared.sshsig import key as module

    monkeypatch.setattr(module, "_PARSERS", {ED25519: module._ed25519, "ssh-other": module._ed25519})
    assert SshPublicKey.parse(line(blob(b"ssh-other"), "ssh-other")).algorithm == "ssh-other"
    assert refused(line(blob(b"ssh-other"), "ssh-ed25519")) == "ssh-key-malformed"


def test_stray_bits_under_the_padding_are_refused():
    # 51 bytes need no padding, so a key hash shows it: its last character carries 4 bits and 2 that must be zero
    good = SshPublicKey.ed25519(GOOD).key_hash
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = good[:-1] + alphabet[alphabet.index(good[-1]) + 1]
    assert base64.b64decode(good[7:] + "=") == base64.b64decode(other[7:] + "=")
    with pytest.raises(Malformed) as caught:
        parse_key_hash(other)
    assert caught.value.rule == "ssh-key-malformed"


@pytest.mark.parametrize(
    "text", ["", "SHA256:", "MD5:00:11", "SHA256:" + "A" * 42, "SHA256:" + "A" * 44, "sha256:" + "A" * 43]
)
def test_other_key_hashes_are_refused(text):
    with pytest.raises(Malformed) as caught:
        parse_key_hash(text)
    assert caught.value.rule == "ssh-key-malformed"
    assert parse_key_hash("SHA256:" + "A" * 43) == bytes(32)


@pytest.mark.parametrize("point", SMALL, ids=[p.hex()[:8] for p in SMALL])
def test_small_order_points_are_refused(point):
    assert refused(line(blob(point=point))) == "ssh-key-invalid-point"


def test_the_library_would_have_taken_a_small_order_key():
    # Why point.py exists: this signature was made without any secret, by arithmetic on the neutral element
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    neutral = (1).to_bytes(32, "little")
    Ed25519PublicKey.from_public_bytes(neutral).verify(neutral + bytes(32), b"pay everything to the attacker")


@pytest.mark.parametrize(
    "number",
    [
        P,  # y = 0 again
        P + 1,  # y = 1 again
        2**255 - 1,
        1 | 1 << 255,  # x = 0 with a sign
        (P - 1) | 1 << 255,
        2,  # no x belongs to this y
    ],
)
def test_what_names_no_point_or_names_it_again_is_refused(number):
    assert refused(line(blob(point=number.to_bytes(32, "little")))) == "ssh-key-invalid-point"
    with pytest.raises(Malformed):
        SshPublicKey.ed25519(number.to_bytes(32, "little"))


def test_both_signs_of_a_good_point_are_taken():
    check_point(GOOD)
    check_point(GOOD[:31] + bytes((GOOD[31] ^ 0x80,)))


@given(st.binary(min_size=32, max_size=32))
def test_every_key_that_can_be_made_is_taken(secret):
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    check_point(Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw())


@given(st.binary(min_size=32, max_size=32))
def test_about_half_of_random_points_are_on_the_curve_and_agree_with_the_equation(data):
    number = int.from_bytes(data, "little")
    y = number & (2**255 - 1)
    d = -121665 * pow(121666, -1, P) % P
    square = (y * y - 1) * pow(d * y * y + 1, -1, P) % P
    on_curve = y < P and pow(square, (P - 1) // 2, P) == 1
    if on_curve and y not in {int.from_bytes(small, "little") & (2**255 - 1) for small in SMALL}:
        check_point(data)
    else:
        with pytest.raises(Malformed):
            check_point(data)


@given(st.binary(max_size=120))
def test_parse_is_the_exact_inverse_of_blob(tail):
    for data in (tail, blob()[:19] + tail):
        try:
            key = SshPublicKey.from_blob(data)
        except FalconerError as refusal:
            assert isinstance(refusal, Malformed)  # noqa: PT017
        else:
            assert key.blob == data


def test_base64_is_bounded_before_it_is_decoded():
    assert strict_base64("A" * 2 * MAX_OBJECT, "it", "ssh-key-malformed") == bytes(3 * MAX_OBJECT // 2)
    with pytest.raises(Malformed) as caught:
        strict_base64("A" * (2 * MAX_OBJECT + 4), "it", "ssh-key-malformed")
    assert caught.value.rule == "ssh-key-malformed"


def test_what_is_refused_is_refused_again():
    # good points are remembered, by their bytes; a refusal never is
    small = bytes((1,)) + bytes(31)
    for _ in range(2):
        check_point(GOOD)
        with pytest.raises(Malformed) as caught:
            check_point(small)
        assert caught.value.rule == "ssh-key-invalid-point"
    assert check_point.cache_info().maxsize == MAX_REMEMBERED
