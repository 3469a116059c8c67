"""Types of the UR registry: keys, outputs, accounts, both versions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import cbor2
import pytest

from falconer_shared.bitcoin.bip32 import ExtendedPublicKey
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.encoding import cbor
from falconer_shared.errors import Malformed
from falconer_shared.transport import bytewords
from falconer_shared.transport.parts import Kind, Received
from falconer_shared.transport.receive import Receiver
from falconer_shared.transport.registry.keys import V1, V2, Key, write_key
from falconer_shared.transport.registry.types import TYPES
from falconer_shared.transport.send import Way, send
from tests.support.refusal import refused

# --- our own statement of the vectors -----------------------------------------------------------------------------------------

TPUB = "tpubDHW3GtnVrTatx38EcygoSf9UhUd9Dx1rht7FAL8unrMo8r2NWhJuYNqDFS7cZFVbDaxJkV94MLZAr86XFPsAPYcoHWJ7sWYsrmHDw5sKQ2K"
HDKEY = (
    "a5035821026fe2355745bb2db3630bbc80ef5d58951c963c841f54170ba6e5c12be7fc12a6045820ced155c72456255881793514edc5bd9447e7f74abb88c6d6"
    "b6480fd016ee8c8505d99d71a1020106d99d70a1018a182cf501f501f500f401f4081ae9181cf3"
)
"""BCR-2020-007, test vector 2: a public key of a test network, of which only the path is known."""

OUTPUTS = {
    "pkh(02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5)": (
        "d90193d90132a103582102c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5"
    ),
    "sh(wpkh(03fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a1460297556))": (
        "d90190d90194d90132a103582103fff97bd5755eeea420453a14355235d382f6472f8568a18b2f057a1460297556"
    ),
    "sh(multi(2,022f01e5e15cca351daff3843fb70f3c2f0a1bdd05e5af888a67784ef3e10a2a01,"
    "03acd484e2f0c7f65309ad178a9f559abde09796974c57e714c35f110dfc27ccbe))": (
        "d90190d90196a201020282d90132a1035821022f01e5e15cca351daff3843fb70f3c2f0a1bdd05e5af888a67784ef3e10a2a01d90132a103582103acd484e2f0"
        "c7f65309ad178a9f559abde09796974c57e714c35f110dfc27ccbe"
    ),
}
"""BCR-2020-010, test vectors 1 to 3: they come back byte for byte."""

HD_OUTPUT = (
    "d90193d9012fa503582102d2b36900396c9282fa14628566582f206a5dd0bcc8d5e892611806cafb0301f0045820637807030d55d01f9a0cb3a7839515d796"
    "bd07706386a6eddf06cc29a65a0e2906d90130a30186182cf500f500f5021ad34db33f030407d90130a1018401f480f4081a78412e3a"
)
"""BCR-2020-010, test vector 4. Its text names a key of depth 4 with child number 4294967294 under an origin of
three steps; the CBOR carries depth and parent, and no such child number.
"""

MULTI_TEXT = (
    "wsh(multi(1,xpub661MyMwAqRbcFW31YEwpkMuc5THy2PSt5bDMsktWQcFF8syAmRUapSCGu8ED9W6oDMSgv6Zz8idoc4a6mr8BDzTJY47LJhkJ8UB7WEGuduB/1/0/*,"
    "[bd16bee5/0]"
    "xpub69H7F5d8KSRgmmdJg2KhpAK8SR3DjMwAdkxj3ZuxV27CprR9LgpeyGmXUbC6wb7ERfvrnKZjXoUmmDznezpbZb7ap6r1D3tgFxHmwMkQTPH/0/0/*))"
)
MULTI = (
    "d90191d90196a201010282d9012fa403582103cbcaa9c98c877a26977d00825c956a238e8dddfbd322cce4f74b0b5bd6ace4a704582060499f801b896d83179a"
    "4374aeb7822aaeaceaa0db1f85ee3e904c4defbd968906d90130a20180030007d90130a1018601f400f480f4d9012fa403582102fc9e5af0ac8d9b3cecfe2a88"
    "8e2117ba3d089d8585886c9c826b6b22a98d12ea045820f0909affaa7ee7abe5dd4e100598d4dc53cd709d5a5c2cac40e7412f232f7c9c06d90130a2018200f4"
    "021abd16bee507d90130a1018600f400f480f4"
)
"""BCR-2020-010, test vector 5."""

STASH_KEYS = (
    "[dc567276/48h/0h/0h/2h]xpub6DiYrfRwNnjeX4vHsWMajJVFKrbEEnu8gAW9vDuQzgTWEsEHE16sGWeXXUV1LBWQE1yCTmeprSNcqZ3W74hqVdgDbtYHUv3eM4W2TEUhpan",
    "[f245ae38/48h/0h/0h/2h]xpub6DnT4E1fT8VxuAZW29avMjr5i99aYTHBp9d7fiLnpL5t4JEprQqPMbTw7k7rh5tZZ2F5g8PJpssqrZoebzBChaiJrmEvWwUTEMAbHsY39Ge",
    "[c5d87297/48h/0h/0h/2h]xpub6DjrnfAyuonMaboEb3ZQZzhQ2ZEgaKV2r64BFmqymZqJqviLTe1JzMr2X2RfQF892RH7MyYUbcy77R7pPu1P71xoj8cDUMNhAMGYzKR4noZ",
)
STASH = "wsh(sortedmulti(2," + ",".join(f"{key}/<0;1>/*" for key in STASH_KEYS) + "))"
STASH_CBOR = (
    "a301781c77736828736f727465646d756c746928322c40302c40312c403229290283d99d6fa5035821021c0b479ecf6e67713ddf0c43b634592f51c037b6f951"
    "fb1dc6361a98b1e5735e0458206b3a4cfb6a45f6305efe6e0e976b5d26ba27f7c344d7fc7abef7be2d06d52dfd06d99d70a201881830f500f500f502f5021adc"
    "56727607d99d70a101838400f401f480f4081a18f8c2e7d99d6fa50358210397fcf2274abd243d42d42d3c248608c6d1935efca46138afef43af08e971289604"
    "5820c887c72d9d8ac29cddd5b2b060e8b0239039a149c784abe6079e24445db4aa8a06d99d70a201881830f500f500f502f5021af245ae3807d99d70a1018384"
    "00f401f480f4081a221eb5a0d99d6fa5035821028342f5f7773f6fab374e1c2d3ccdba26bc0933fc4f63828b662b4357e4cc37910458205afed56d755c088320"
    "ec9bc6acd84d33737b580083759e0a0ff8f26e429e0b7706d99d70a201881830f500f500f502f5021ac5d8729707d99d70a101838400f401f480f4081a1c0ae9"
    "06036f5361746f7368692773205374617368"
)
"""BCR-2023-010, test vector 4, without the tag that it shows at the top and that no UR carries."""

ACCOUNT = (
    "pkh([37b5eed4/44h/0h/0h]xpub6CnQkivUEH9bSbWVWfDLCtigKKgnSWGaVSRyCbN2QNBJzuvHT1vUQpgSpY1NiVvoeNEuVwk748Cn9G3NtbQB1aGGsEL7aYEnjVWgjj9tefu)",
    "sh(wpkh([37b5eed4/49h/0h/0h]xpub6CtR1iF4dZPkEyXDwVf3HE74tSwXNMcHtBzX4gwz2UnPhJ54Jz5unHx2syYCCDkvVUmsmoYTmcaHXe1wJppvct4GMMaN5XAbRk7yGScRSte))",
    "wpkh([37b5eed4/84h/0h/0h]xpub6BkU445MSEBXbPjD3g2c2ch6mn8yy1SXXQUM7EwjgYiq6Wt1NDwDZ45npqWcV8uQC5oi2gHuVukoCoZZyT4HKq8EpotPMqGqxdZRuapCQ23)",
    "sh(cosigner([37b5eed4/45h]xpub68JFLJTH96GUqC6SoVw5c2qyLSt776PGu5xde8ddVACuPYyarvSL827TbZGavuNbKQ8DG3VP9fCXPhQRBgPrS4MPG3zaZgwAGuPHYvVuY9X))",
    (
        "sh(wsh(cosigner([37b5eed4/48h/0h/0h/1h]"
        "xpub6EC9f7mLFJQoPaqDJ72Zbv67JWzmpXvCYQSecER9GzkYy5eWLsVLbHnxoAZ8NnnsrjhMLduJo9dG6fNQkmMFL3Qedj2kf5bEy5tptHPApNf)))"
    ),
    (
        "wsh(cosigner([37b5eed4/48h/0h/0h/2h]"
        "xpub6EC9f7mLFJQoRQ6qiTvWQeeYsgtki6fBzSUgWgUtAujEMtAfJSAn3AVS4KrLHRV2hNX77YwNkg4azUzuSwhNGtcq4r2J8bLGMDkrQYHvoed))"
    ),
    "tr([37b5eed4/86h/0h/0h]xpub6DAvL2L5bgGSpDygSQUDpjwE47saoMk2rSRtYhN7Dma7HvnFLTXNrcSC1AmEN8G2SCD958bUwgc6Bew4sAFa2kqYynF8Rmu6P5jMt2FDPtm)",
)
"""BCR-2020-015 and BCR-2023-019: what both say, in our spelling."""


STRUCTURED = sorted({name for name in TYPES if "psbt" not in name} - {"bytes"})


def unwrap(name: str, message: str | bytes) -> Received:
    return TYPES[name].unwrap(bytes.fromhex(message) if isinstance(message, str) else message)


def wrap(name: str, payload: str, label: str = "") -> str:
    return TYPES[name].wrap(payload.encode(), label).hex()


def text(name: str, message: str | bytes) -> str:
    return unwrap(name, message).data.decode()


def test_a_key() -> None:
    found = unwrap("hdkey", HDKEY)
    assert (found.kind, found.data.decode()) == (Kind.KEY, f"[00000000/44h/1h/1h/0/1]{TPUB}")
    assert wrap("hdkey", found.data.decode()) == HDKEY
    old = HDKEY.replace("d99d71", "d90131").replace("d99d70", "d90130")
    assert text("crypto-hdkey", old) == found.data.decode()
    assert wrap("crypto-hdkey", found.data.decode()) == old


@pytest.mark.parametrize("descriptor", OUTPUTS)
def test_outputs_of_single_keys(descriptor: str) -> None:
    assert text("crypto-output", OUTPUTS[descriptor]) == descriptor
    assert wrap("crypto-output", descriptor) == OUTPUTS[descriptor]


def test_an_output_of_a_derived_key() -> None:
    found = text("crypto-output", HD_OUTPUT)
    match = re.fullmatch(r"pkh\(\[d34db33f/44h/0h/0h\](xpub\w+)/1/\*\)", found)
    assert match
    key = ExtendedPublicKey.parse(match[1], Network.MAINNET)
    assert (key.depth, key.parent_fingerprint.hex(), key.child_number) == (4, "78412e3a", 0x80000000)
    assert wrap("crypto-output", found) == HD_OUTPUT


def test_an_output_of_several_keys() -> None:
    assert text("crypto-output", MULTI) == MULTI_TEXT
    # ours names the parent of a key of depth 1 too, as BCR-2020-015 does
    assert text("crypto-output", wrap("crypto-output", MULTI_TEXT)) == MULTI_TEXT


def test_a_descriptor() -> None:
    found = unwrap("output-descriptor", STASH_CBOR)
    assert (found.kind, found.data.decode(), found.label) == (Kind.DESCRIPTOR, STASH, "Satoshi's Stash")
    assert wrap("output-descriptor", STASH, "Satoshi's Stash") == STASH_CBOR
    assert wrap("output-descriptor", with_checksum(STASH) + "\n", "Satoshi's Stash") == STASH_CBOR


@pytest.mark.parametrize("name", ["crypto-account", "account-descriptor"])
def test_an_account(name: str) -> None:
    message = TYPES[name].wrap("\n".join(ACCOUNT).encode())
    assert text(name, message) == "".join(f"{line}\n" for line in ACCOUNT)


@pytest.mark.parametrize("wrapped", [True, False])
def test_an_account_of_a_cosigner_as_seedsigner_shows_it(wrapped: bool) -> None:
    """The key stands in `wsh` without the function `cosigner`, and the output may stand without its tag."""
    account: Any = cbor2.loads(TYPES["crypto-account"].wrap("\n".join(ACCOUNT).encode()))
    for number, line in enumerate(ACCOUNT):
        if "cosigner" not in line:
            continue
        tags, output = [], account[2][number].value
        while output.tag != V1.hdkey:
            tags, output = [*tags, output.tag], output.value
        for tag in reversed(tags[:-1]):  # the last one is cosigner
            output = cbor2.CBORTag(tag, output)
        message = cbor.encode({1: account[1], 2: [cbor2.CBORTag(V1.output, output) if wrapped else output]})
        assert text("crypto-account", message).strip() == line.replace("cosigner(", "").replace("))", ")", 1)
        with refused("ur-output-malformed", Malformed):
            # as a wallet it is none
            unwrap("crypto-output", cbor.encode(output))


# --- the same, from the documents ---------------------------------------------------------------------------------------------


@pytest.fixture
def documents(vectors: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((vectors / "vectors/json/bcr_registry_vectors.json").read_text())
    return found


def urs(documents: dict[str, Any], name: str) -> list[str]:
    return [ur for entry in documents[name] for ur in entry["ur"]]


def read(ur: str) -> Received:
    received = Receiver().feed(ur.upper()).received
    assert received is not None
    return received


def back(received: Received) -> str:
    return f"ur:{received.type}/{bytewords.encode(TYPES[received.type].wrap(received.data, received.label))}"


def test_documents_key(documents: dict[str, Any]) -> None:
    private, public, *_ = urs(documents, "bcr-2020-007-hdkey.md")
    refusal = Receiver().feed(private).refusal
    assert refusal is not None
    assert refusal.rule == "secret-in-code"
    assert back(read(public)) == public
    assert read(public).data.decode().endswith(TPUB)


def test_documents_outputs(documents: dict[str, Any]) -> None:
    found = urs(documents, "bcr-2020-010-output-desc.md")
    assert len(found) == 5
    for ur in found[:4]:
        assert back(read(ur)) == ur
    assert [read(ur).data.decode() for ur in (*found[:3], found[4])] == [*OUTPUTS, MULTI_TEXT]


def test_documents_accounts(documents: dict[str, Any]) -> None:
    for name in ("bcr-2020-015-account.md", "bcr-2023-019-account-descriptor.md"):
        (ur,) = urs(documents, name)
        assert read(ur).data.decode().split() == list(ACCOUNT)
        assert back(read(ur)) == ur


def test_documents_descriptors(documents: dict[str, Any]) -> None:
    known = [
        "pk(03e220e776d811c44075a4a260734445c8967865f5357ba98ead3bc6a6552c36f2)",
        "addr(tb1qfm7nmm28m9n7gy3fsfpze8vymds9qwtjwn4w7y)",
        None,
        STASH,
    ]
    for entry, expected in zip(documents["bcr-2023-010-output-descriptor.md"], known, strict=True):
        (tagged,) = (block.strip() for block in entry["blocks"] if block.startswith("d99d74"))
        if expected is None:
            with refused("secret-in-code", Malformed):
                unwrap("output-descriptor", tagged[6:])
            continue
        assert text("output-descriptor", tagged[6:]) == expected


def test_the_account_of_2020_had_no_tag_around_its_outputs() -> None:
    """Wallets still write it so (urtypes in SeedSigner and Krux)."""
    message = TYPES["crypto-account"].wrap("\n".join(ACCOUNT).encode())
    bare = message.replace(bytes.fromhex("d90134"), b"")
    assert text("crypto-account", bare) == text("crypto-account", message)


# --- receive and change ------------------------------------------------------------------------------------------------------


def test_branches_are_not_said_in_version_1() -> None:
    """Sparrow's crypto-output has no children, says that the key is not private, and which coin it is for."""
    sent = TYPES["crypto-output"].wrap(with_checksum(STASH).encode())
    assert b"\xd9\x01\x30\xa1\x01\x83" not in sent
    assert text("crypto-output", sent) == STASH
    value = cbor.decode(sent, "test", max_bytes=9999, tags=V1.tags | set(range(400, 411)))
    assert isinstance(value, cbor2.CBORTag)
    keys = value.value.value[2]
    for key in keys:
        assert 7 not in key.value
        key.value[2] = False
        key.value[5] = cbor2.CBORTag(305, {1: 0, 2: 0})
        key.value[9] = "label"
        key.value[6].value[3] = 4
    assert text("crypto-output", cbor.encode(value)) == STASH


@pytest.mark.parametrize("children", ["/0/*", "/1/*", "/*", "/<0;1>/*", "/<2;3>/*", "/0"])
@pytest.mark.parametrize("name", ["crypto-output", "output-descriptor"])
def test_what_a_sender_says_of_children_stays(name: str, children: str) -> None:
    descriptor = f"wpkh({STASH_KEYS[0]}{children})"
    assert text(name, wrap(name, descriptor)) == descriptor


def test_nothing_is_added_in_version_2_or_an_account() -> None:
    descriptor = f"wpkh({STASH_KEYS[0]})"
    assert text("output-descriptor", wrap("output-descriptor", descriptor)) == descriptor
    assert text("crypto-account", wrap("crypto-account", descriptor)) == descriptor + "\n"
    assert text("crypto-output", wrap("crypto-output", descriptor)) == f"wpkh({STASH_KEYS[0]}/<0;1>/*)"


def test_children_of_some_keys_alone() -> None:
    mixed = f"wsh(sortedmulti(2,{STASH_KEYS[0]},{STASH_KEYS[1]}/0/*))"
    with refused("ur-output-branches", Malformed):
        unwrap("crypto-output", wrap("crypto-output", mixed))


@pytest.mark.parametrize(
    "form",
    [
        "wpkh({0}/<0;1>/*)",
        "pkh({0}/<0;1>/*)",
        "tr({0}/<0;1>/*)",
        "sh(wpkh({0}/<0;1>/*))",
        "wsh(pk({0}/<0;1>/*))",
        "combo({0}/<0;1>/*)",
        "sh(wsh(multi(1,{0}/<0;1>/*,{1}/<0;1>/*)))",
        "sh(sortedmulti(2,{0}/<0;1>/*,{1}/<0;1>/*))",
    ],
)
def test_every_form(form: str) -> None:
    descriptor = form.format(*STASH_KEYS)
    for name in ("crypto-output", "output-descriptor"):
        assert text(name, wrap(name, descriptor)) == descriptor


def test_what_version_1_cannot_say() -> None:
    for descriptor in (
        f"wsh(and_v(v:pk({STASH_KEYS[0]}/<0;1>/*),older(144)))",
        f"tr({STASH_KEYS[0]}/<0;1>/*,pk({STASH_KEYS[1]}/<0;1>/*))",
        "nonsense",
    ):
        with pytest.raises(ValueError, match="crypto-output"):
            TYPES["crypto-output"].wrap(descriptor.encode())
    miniscript = f"wsh(and_v(v:pk({STASH_KEYS[0]}/<0;1>/*),older(144)))"
    assert text("output-descriptor", wrap("output-descriptor", miniscript)) == miniscript
    assert text("crypto-output", bytes.fromhex("d9019842006a")) == "raw(006a)"


def test_twelve_keys_and_places_beyond_nine() -> None:
    """`@1` is not the beginning of `@10`."""
    key = Key.parse(STASH_KEYS[0])
    assert isinstance(key.public, ExtendedPublicKey)
    keys = [
        f"[{n:08x}/48h/0h/0h/2h/{n}]{key.public.derive(n).text(Network.MAINNET)}/<0;1>/*"
        for n in range(1, 13)
    ]
    descriptor = f"wsh(sortedmulti(7,{','.join(keys)}))"
    for name in ("crypto-output", "output-descriptor"):
        assert text(name, wrap(name, descriptor)) == descriptor


def test_sent_and_received_as_codes() -> None:
    for type_name in ("crypto-output", "output-descriptor", "bytes"):
        made = send(with_checksum(STASH).encode(), Kind.DESCRIPTOR, Way(version=10, type_name=type_name))
        receiver = Receiver()
        received = [receiver.feed(made.frame(number)) for number in range(1, made.n + 1)][-1].received
        assert received is not None
        assert (received.kind, received.type) == (Kind.DESCRIPTOR, type_name)
        assert received.data.decode().startswith(STASH)


# --- malformed ----------------------------------------------------------------------------------------------------------------


def hdkey(**changes: Any) -> bytes:
    """The key of the account at 48h/0h/0h/2h, with some fields changed; None takes one out."""
    names = {
        "master": 1,
        "private": 2,
        "data": 3,
        "chain": 4,
        "coin": 5,
        "origin": 6,
        "children": 7,
        "parent": 8,
        "name": 9,
    }
    value = dict(write_key(Key.parse(STASH_KEYS[0]), V1).value)
    for name, change in changes.items():
        field = names.get(name, 99)
        if change is None:
            del value[field]
        else:
            value[field] = change
    return cbor.encode(value)


def path(*components: Any, **more: Any) -> cbor2.CBORTag:
    return cbor2.CBORTag(
        304, {1: list(components), **{{"source": 2, "depth": 3}[name]: value for name, value in more.items()}}
    )


def test_the_key_that_is_changed_below() -> None:
    assert text("crypto-hdkey", hdkey()) == STASH_KEYS[0]
    assert text("crypto-hdkey", hdkey(private=False, coin=cbor2.CBORTag(305, {}))) == STASH_KEYS[0]


@pytest.mark.parametrize(
    "changes",
    [
        {"master": True},
        {"private": True},
        {"data": bytes(33)},
        {"data": b"\0" + b"\x01" * 32},
    ],
)
def test_private_keys(changes: dict[str, Any]) -> None:
    """A039: nothing of it is in what is said."""
    with refused("secret-in-code", Malformed):
        unwrap("crypto-hdkey", hdkey(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"data": None},
        {"data": b"\x02" * 32},
        {"data": "text"},
        {"chain": None},
        {"chain": bytes(31)},
        {"private": 1},
        {"coin": cbor2.CBORTag(305, {1: 60})},
        {"coin": cbor2.CBORTag(305, {2: 2})},
        {"coin": cbor2.CBORTag(305, {2: True})},
        {"coin": cbor2.CBORTag(305, {1: False})},
        {"coin": cbor2.CBORTag(304, {})},
        {"coin": {1: 0}},
        {"origin": path(48)},
        {"origin": path(48, 1)},
        {"origin": path(48, True, source=2**32)},
        {"origin": path(2**31, False)},
        {"origin": path([], False)},
        {"origin": path(48, True, [], False, depth=4)},
        {"origin": path([0, False, 1, False], 48, True, depth=4)},
        {"origin": path([0, False, 1, False])},
        {"origin": path([0, 5], False)},
        {"origin": path(48, True, depth=0)},
        {"origin": path(48, True, depth=256)},
        {"origin": path(48, True, depth=True)},
        {"origin": path(*[0, False] * 300)},
        {"origin": cbor2.CBORTag(304, {2: 5})},
        {"origin": None},
        {"origin": path(source=5, depth=0)},
        {"children": path([], True)},
        {"children": path([])},
        {"children": path([0, False, 1])},
        {"children": path(True, False)},
        {"children": path(-1, False)},
        {"children": [0, False]},
        {"parent": -1},
        {"parent": "x"},
        {"name": b"bytes"},
        {"other": 1},
    ],
)
def test_malformed_keys(changes: dict[str, Any]) -> None:
    with refused("ur-key-malformed", Malformed):
        unwrap("crypto-hdkey", hdkey(**changes))


def test_a_key_that_is_no_point() -> None:
    with refused("pubkey-not-on-curve", Malformed):
        unwrap("crypto-hdkey", hdkey(data=b"\x02" + bytes(31) + b"\x05"))


def test_tags_of_one_version_are_not_taken_in_the_other() -> None:
    for name, other in (("hdkey", V1), ("crypto-hdkey", V2)):
        message = cbor.encode(write_key(Key.parse(STASH_KEYS[0]), other).value)
        with refused("cbor-type-refused", Malformed):
            unwrap(name, message)


@pytest.mark.parametrize("value", [5, [], {1: 5}, {99: 5}, "text", b"bytes", None])
@pytest.mark.parametrize(
    "name",
    ["crypto-hdkey", "hdkey", "crypto-output", "output-descriptor", "crypto-account", "account-descriptor"],
)
def test_other_shapes(name: str, value: Any) -> None:
    with pytest.raises(Malformed) as found:
        unwrap(name, cbor.encode(value))
    assert found.value.rule in ("ur-key-malformed", "ur-output-malformed")


KEY = write_key(Key.parse(STASH_KEYS[0]), V1)
SINGLE = cbor2.CBORTag(
    306, {3: bytes.fromhex("02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5")}
)


def tag(number: int, value: Any) -> cbor2.CBORTag:
    return cbor2.CBORTag(number, value)


@pytest.mark.parametrize(
    "value",
    [
        KEY,
        tag(303, {}),
        tag(401, 5),
        tag(401, KEY),
        tag(406, {1: 3, 2: [SINGLE, SINGLE]}),
        tag(406, {1: 0, 2: [SINGLE]}),
        tag(406, {1: True, 2: [SINGLE]}),
        tag(406, {1: 1, 2: []}),
        tag(406, {1: 1}),
        tag(406, {1: 1, 2: [SINGLE] * 101}),
        tag(408, "text"),
        tag(307, {3: bytes(19)}),
        tag(307, {2: 3, 3: bytes(20)}),
        tag(307, {1: tag(305, {1: 2}), 3: bytes(20)}),
    ],
)
def test_malformed_outputs(value: Any) -> None:
    with refused("ur-output-malformed", Malformed):
        unwrap("crypto-output", cbor.encode(value))


def test_functions_without_end() -> None:
    """A104: nesting is bounded before anything is decoded."""
    with refused("cbor-too-deep", Malformed):
        unwrap("crypto-output", bytes.fromhex("d90190" * 40 + "00"))
    with refused("ur-output-malformed", Malformed):
        unwrap("crypto-output", bytes.fromhex("d90190" * 12 + "00"))


def test_addresses() -> None:
    known = {
        0: "addr(1111111111111111111114oLvT2)",
        1: "addr(31h1vYVSYuKP6AhS86fbRdMw9XHieotbST)",
        2: "addr(bc1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq9e75rs)",
    }
    for kind, expected in known.items():
        assert text("crypto-output", cbor.encode(tag(307, {2: kind, 3: bytes(20)}))) == expected


@pytest.mark.parametrize(
    "value",
    [
        {1: 5},
        {1: "wpkh(@0)"},
        {1: "wpkh(@0)", 2: 5},
        {1: "wpkh(@1)", 2: [SINGLE]},
        {1: "wpkh(@0)", 2: [SINGLE, SINGLE]},
        {1: "wpkh(@00)", 2: [SINGLE]},
        {1: "wpkh(@)", 2: []},
        {1: "wpkh(@0) ", 2: [SINGLE]},
        {1: "wpkh(@0)\u202e", 2: [SINGLE]},
        {1: "wpkh(@0)", 2: [SINGLE], 3: b"name"},
        {1: "x" * 20_000},
        {1: f"multi(1,{','.join(['@0'] * 300)})", 2: [tag(303, KEY.value)]},
    ],
)
def test_malformed_descriptors(value: Any) -> None:
    raw = json.loads("null") if value is None else value
    if isinstance(raw, dict) and isinstance(raw.get(2), list):
        raw = {**raw, 2: [renumbered(member) for member in raw[2]]}
    with refused("ur-output-malformed", Malformed):
        unwrap("output-descriptor", cbor.encode(raw))


def renumbered(value: Any) -> Any:
    """A key of version 1 under the tags of version 2."""
    if isinstance(value, cbor2.CBORTag):
        return cbor2.CBORTag(value.tag + 40_000, renumbered(value.value))
    if isinstance(value, dict):
        return {key: renumbered(inner) for key, inner in value.items()}
    return value


def test_a_private_key_in_the_text_of_a_descriptor() -> None:
    with refused("secret-in-code", Malformed):
        unwrap(
            "output-descriptor", cbor.encode({1: "pkh(Kxyjdi2KhJMBtPBJia5bmhZFfdMi1YrVYcq41QbnGToa2JXokeAu)"})
        )


def test_malformed_single_keys() -> None:
    for value, rule in (
        ({3: bytes(32)}, "secret-in-code"),
        ({2: True, 3: bytes(33)}, "secret-in-code"),
        ({1: 1, 3: b"\x02" * 33}, "ur-key-malformed"),
        ({3: b"\x02" * 34}, "ur-key-malformed"),
        ({3: b"\x04" * 33}, "pubkey-uncompressed"),
    ):
        with pytest.raises(Malformed) as found:
            unwrap("crypto-output", cbor.encode(tag(403, tag(306, value))))
        assert found.value.rule in (rule, "pubkey-malformed")


def test_an_account_whose_keys_have_another_master() -> None:
    message = TYPES["crypto-account"].wrap(f"wpkh({STASH_KEYS[0]})".encode())
    value = cbor2.loads(message)
    value[1] = 5
    with refused("ur-account-other-master", Malformed):
        unwrap("crypto-account", cbor.encode(value))
    value[1] = 0
    with refused("ur-key-malformed", Malformed):
        unwrap("crypto-account", cbor.encode(value))
    # a key that does not say whose it is belongs to the account
    del value[2][0].value.value.value[6].value[2]
    value[1] = 0xDC567276
    assert text("crypto-account", cbor.encode(value)) == f"wpkh({STASH_KEYS[0]})\n"


def test_accounts_that_cannot_be_sent() -> None:
    for lines in ("", f"wpkh({STASH_KEYS[0]})\nwpkh({STASH_KEYS[1]})", f"wpkh({TPUB})"):
        with pytest.raises(ValueError, match="master"):
            TYPES["crypto-account"].wrap(lines.encode())


def test_texts_that_are_no_keys() -> None:
    for key in ("xpub", f"{TPUB}/x", f"{TPUB}/<0;1;2>/*", f"[d34db33]{TPUB}", f"{TPUB}/2147483648"):
        with pytest.raises(Malformed):
            Key.parse(key)
