"""Keys and words: BIP 32, 39, 49, 67, 84, 86, and Bitcoin Core's rpc_bip67."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from embit.bip32 import HDKey

from falconer_offline.keys.private import PrivateNode
from falconer_offline.keys.words import check_words, seed_of, words_of
from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.bip32 import ExtendedPublicKey, parse_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import hash160, multi_script, p2sh
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.wallet.registration import RegisteredWallet
from tests.official.cases import Case, Part, bad, good, same, skip

BIP39 = "raw/trezor_python-mnemonic/vectors.json"
WORDS = "raw/bitcoin_bips/bip-0039/english.txt"
TREZOR_PASSPHRASE = "TREZOR"
TAIL = "/<0;1>/*"


def bip32(folder: Path) -> Iterator[Case]:
    for vector in json.loads((folder / "json/bip32.json").read_text()):
        parents: dict[str, ExtendedPublicKey] = {}
        for chain in vector["chains"]:
            path = chain["path"].replace("H", "h").replace("'", "h")
            name = f"vector {vector['vector']}, {path}"
            yield good(f"{name}, public", functools.partial(_public, chain, path, parents))
            yield good(f"{name}, from the seed", functools.partial(_from_seed, vector, chain, path))
            yield good(
                f"{name}, private", functools.partial(ExtendedPublicKey.parse, chain["xprv"], Network.MAINNET)
            )
        for number, case in enumerate(vector["invalid"]):
            parse = functools.partial(ExtendedPublicKey.parse, case["key"], Network.MAINNET)
            yield bad(f"vector {vector['vector']}, invalid {number}: {case['reason']}", parse)


def _public(chain: dict[str, str], path: str, parents: dict[str, ExtendedPublicKey]) -> None:
    key = ExtendedPublicKey.parse(chain["xpub"], Network.MAINNET)
    same(key.text(Network.MAINNET), chain["xpub"])
    parent, _, step = path.rpartition("/")
    if parent and not step.endswith("h"):
        same(parents[parent].derive(int(step)), key)
    parents[path] = key


def _from_seed(vector: dict[str, Any], chain: dict[str, str], path: str) -> None:
    root = PrivateNode.from_seed(bytes.fromhex(vector["seed"]))
    node = root.derive_path(parse_path(path.removeprefix("m").removeprefix("/")))
    same(node.public().text(Network.MAINNET), chain["xpub"])


def bip39(folder: Path) -> Iterator[Case]:
    for language, cases in json.loads((folder / BIP39).read_text()).items():
        for number, case in enumerate(cases):
            yield good(f"{language} {number}", functools.partial(_words, case))


def _words(case: list[str]) -> None:
    entropy, phrase, seed, xprv = case
    words = check_words(phrase)
    same(words_of(bytes.fromhex(entropy)), words)
    same(seed_of(words, TREZOR_PASSPHRASE).hex(), seed)
    # the vector gives the private master key, which nothing of ours writes: embit turns it public
    same(
        PrivateNode.from_seed(bytes.fromhex(seed)).public().text(Network.MAINNET),
        HDKey.from_base58(xprv).to_public().to_base58(),
    )


def word_list(folder: Path) -> Iterator[Case]:
    """Each word, by the entropy that begins with its number."""
    for number, word in enumerate((folder / WORDS).read_text().split()):
        entropy = (number << 117).to_bytes(16, "big")
        yield good(word, functools.partial(_first_word, entropy, word))


def _first_word(entropy: bytes, word: str) -> None:
    words = words_of(entropy)
    same(words[0], word)
    same(check_words(" ".join(words)), words)


def listed(folder: Path, name: str) -> list[dict[str, str]]:
    return list(json.loads((folder / "json" / name).read_text()))


def _register(form: str, network: Network, xpub: str) -> RegisteredWallet:
    return RegisteredWallet.register("vectors", network, with_checksum(form.format(f"{xpub}{TAIL}")))


def _account(slip132: str, network: Network) -> str:
    """The same key under the version bytes that we read (SLIP 132 has its own for each script type)."""
    return str(HDKey.from_base58(slip132).to_base58(version=network.xpub_version))


OTHER_LINE = "stated beside the result"


def bip49(folder: Path) -> Iterator[Case]:
    found = {line["key"]: line["value"] for line in listed(folder, "bip49.json")}
    network = Network.TESTNET4
    upub = found["account0Xpub"].split()[0]
    wallet = _register("sh(wpkh([73c5da0a/49h/1h/0h]{}))", network, _account(upub, network))
    scripts = wallet.scripts(0, 0)
    results = {
        "account0recvPublicKeyHex": lambda text: same(f"0x{scripts.pubkeys[0].hex()}", text),
        "keyhash": lambda text: same(hash160(scripts.pubkeys[0]).hex(), text.rpartition("0x")[2]),
        "scriptSig": lambda text: same((scripts.redeem_script or b"").hex(), text.rpartition("0x")[2]),
        "addressBytes": lambda text: same(
            hash160(scripts.redeem_script or b"").hex(), text.rpartition("0x")[2]
        ),
        "address": lambda text: same(wallet.address(0, 0) in text, True),
        "account0Xpub": lambda text: ExtendedPublicKey.parse(text.split()[0], network),
        "account0Xpriv": lambda text: ExtendedPublicKey.parse(text.split()[0], network),
        "masterseed": lambda text: ExtendedPublicKey.parse(text.split()[0], network),
    }
    for line in listed(folder, "bip49.json"):
        check = results.get(line["key"])
        if check is None:
            yield skip(line["key"], OTHER_LINE)
        else:
            yield good(line["key"], functools.partial(check, line["value"]))


def _from_words(folder: Path, name: str, path: str) -> tuple[PrivateNode, str]:
    """The account of the BIP's mnemonic, and its key expression without the tail."""
    phrase = next(line["value"] for line in listed(folder, name) if line["key"] == "mnemonic")
    root = PrivateNode.from_seed(seed_of(check_words(phrase), ""))
    account = root.derive_path(parse_path(path))
    origin = f"[{root.public().fingerprint().hex()}/{path}]"
    return account, origin + account.public().text(Network.MAINNET)


def bip84(folder: Path) -> Iterator[Case]:
    """From the words to the three addresses; the zpub and zprv texts of SLIP 132 are refused by name."""
    account, expression = _from_words(folder, "bip84.json", "84h/0h/0h")
    wallet = _register("wpkh({})", Network.MAINNET, expression)
    places = iter([(0, 0), (0, 1), (1, 0)])
    place = (0, 0)
    for number, line in enumerate(listed(folder, "bip84.json")):
        name, value = f"{number} {line['key']}", line["value"]
        match line["key"]:
            case "pubkey":
                place = next(places)
                yield good(name, functools.partial(same, wallet.scripts(*place).pubkeys[0].hex(), value))
            case "address":
                yield good(name, functools.partial(same, wallet.address(*place), value))
            case "mnemonic" | "privkey":
                yield skip(name, OTHER_LINE)
            case _:
                yield good(name, functools.partial(ExtendedPublicKey.parse, value, Network.MAINNET))
    ours = _account(
        next(x["value"] for x in listed(folder, "bip84.json") if x["key"] == "xpub"), Network.MAINNET
    )
    yield good("account of the words", functools.partial(same, account.public().text(Network.MAINNET), ours))


def bip86(folder: Path) -> Iterator[Case]:
    account, expression = _from_words(folder, "bip86.json", "86h/0h/0h")
    wallet = _register("tr({})", Network.MAINNET, expression)
    steps = ((), (0, 0), (0, 1), (1, 0))
    xpubs = iter([account.public().derive_branch(path).text(Network.MAINNET) for path in steps])
    places = iter([(0, 0), (0, 1), (1, 0)])
    place = (0, 0)
    for number, line in enumerate(listed(folder, "bip86.json")):
        name, value = f"{number} {line['key']}", line["value"]
        match line["key"]:
            case "mnemonic":
                yield skip(name, OTHER_LINE)
            case "xprv" | "rootpriv":
                yield good(name, functools.partial(ExtendedPublicKey.parse, value, Network.MAINNET))
            case "rootpub":
                key = ExtendedPublicKey.parse(value, Network.MAINNET)
                yield good(name, functools.partial(same, key.fingerprint().hex(), expression[1:9]))
            case "xpub":
                yield good(name, functools.partial(same, next(xpubs), value))
            case "internal_key":
                place = next(places)
                inner = (wallet.scripts(*place).internal_key or b"").hex()
                yield good(name, functools.partial(same, inner, value))
            case "output_key":
                yield good(name, functools.partial(same, wallet.scripts(*place).signing_keys[0].hex(), value))
            case "scriptPubKey":
                yield good(name, functools.partial(same, wallet.scripts(*place).script_pubkey.hex(), value))
            case _:
                yield good(name, functools.partial(same, wallet.address(*place), value))


def _sorted(keys: list[str], in_order: list[str], script: str, address: str | None) -> None:
    ordered = sorted(bytes.fromhex(key) for key in keys)
    same([key.hex() for key in ordered], in_order)
    compiled = multi_script(2, ordered)
    same(compiled.hex(), script)
    if address is not None:
        network = Network.MAINNET if address[0] == "3" else Network.REGTEST
        same(address_of(p2sh(hash160(compiled)), network), address)
        same(script_of(address, network), p2sh(hash160(compiled)))


def bip67(folder: Path) -> Iterator[Case]:
    for number, case in enumerate(json.loads((folder / "json/bip67.json").read_text())):
        address = case["address"][0] if case.get("address") else None
        yield good(
            f"vector {number}",
            functools.partial(_sorted, case["list"], case["sorted"], case["script"][0], address),
        )


CORE_67 = "raw/bitcoin-core_gui/test/functional/data/rpc_bip67.json"


def core_bip67(folder: Path) -> Iterator[Case]:
    for number, case in enumerate(json.loads((folder / CORE_67).read_text())):
        arguments = (case["keys"], case["sorted_keys"], case["script"], case["address"])
        yield good(f"vector {number}", functools.partial(_sorted, *arguments))


PRIVATE = "an extended private key, which has no place on the public side (A039) and is imported as words, never as text"
SLIP132 = "ypub, zpub and the like: the descriptor alone says what kind of wallet it is (A042)"
SKIPPED = {
    OTHER_LINE: "the mnemonic, which the results are derived from, or a private key, which nothing of ours writes out"
}

PARTS = (
    Part("json/bip32.json", "keys", bip32, {"private-key-in-public-data": PRIVATE}),
    Part(
        BIP39,
        "words",
        bip39,
        {
            "words-unknown": "eleven other languages: words are taken in English alone, the only list that devices share (BIP 39"
            " discourages the others)",
        },
    ),
    Part(WORDS, "words", word_list),
    Part(
        "json/bip49.json",
        "wallet",
        bip49,
        {"private-key-in-public-data": PRIVATE, "xpub-slip132": SLIP132},
        SKIPPED,
    ),
    Part(
        "json/bip84.json",
        "wallet",
        bip84,
        {"private-key-in-public-data": PRIVATE, "xpub-slip132": SLIP132},
        SKIPPED,
    ),
    Part("json/bip86.json", "wallet", bip86, {"private-key-in-public-data": PRIVATE}, SKIPPED),
    Part("json/bip67.json", "scripts", bip67),
    Part(CORE_67, "scripts", core_bip67),
)
