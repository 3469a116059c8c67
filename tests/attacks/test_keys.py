"""Keys, nonces, entropy: A088 to A094."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
from dataclasses import replace
from typing import Any

import wallycore
from coincurve import PrivateKey as CurveKey
from embit import bip39

from falconer_offline.keys import randomness, seedqr, words
from falconer_offline.keys.keyfile import check_fingerprint, open_seed, seal_seed
from falconer_offline.keys.private import PrivateNode
from falconer_offline.session import sign_session
from falconer_offline.state import records
from falconer_shared.approval.intent import Intent
from falconer_shared.bitcoin.address import script_of
from falconer_shared.bitcoin.curve import ORDER, verify_ecdsa
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.parse import with_checksum
from falconer_shared.policy.signed import install
from falconer_shared.wallet.registration import RegisteredWallet
from tests.attacks.mutations import proven, raw, resealed, with_input
from tests.attacks.sources import shipped
from tests.attacks.trial import Attacks, Trial
from tests.offline.office import NOW, Ring, Willing, seed_bytes
from tests.support import psbts
from tests.support.descriptors import full_key, parse, xpub
from tests.support.policies import PolicyDraft
from tests.support.policies import signed as signed_policy
from tests.support.treasury import (
    Payment,
    key_expression,
    private_key,
    root,
    signature_of,
    stranger_address,
    wallet_of,
    wpkh_wallet,
)

attack = Attacks()

WALLET = wpkh_wallet()
SEED = bytes(range(64))


def test_attack(case, request):
    case.run(request)


def with_nonce(secret: bytes, digest: bytes, k: int) -> bytes:
    """A valid low-S signature with a nonce of the signer's choice, in plain integers."""
    r = int.from_bytes(CurveKey(k.to_bytes(32, "big")).public_key.format()[1:], "big") % ORDER
    s = pow(k, -1, ORDER) * (int.from_bytes(digest, "big") + r * int.from_bytes(secret, "big")) % ORDER
    compact = r.to_bytes(32, "big") + min(s, ORDER - s).to_bytes(32, "big")
    return bytes(wallycore.ec_sig_to_der(compact))


@attack(
    "A088",
    prevented="nonces follow from key and message alone, so that another program computes every signature again",
)
def chosen_nonces(trial: Trial) -> None:
    """A signature with one bit of its nonce flipped is valid, and no verifier could tell; made again, it is another one."""
    for form in ("wpkh", "pkh", "tr"):
        office_wallet = wallet_of(form)
        item = proven(Payment(office_wallet)).inputs[0]
        secret = private_key(1, office_wallet.keys[0].origin, item.place)
        node = PrivateNode.from_seed(seed_bytes(1)).derive_path(
            [*office_wallet.keys[0].origin, item.place.branch, item.place.index]
        )
        again = signature_of(secret, item)
        ours = node.sign_taproot(item.digest) if form == "tr" else node.sign(item.digest) + b"\x01"
        trial.passes(lambda again=again, ours=ours: _same(again, ours))
        assert node.sign(item.digest) == node.sign(item.digest)
    secret, digest = hashlib.sha256(b"key").digest(), hashlib.sha256(b"message").digest()
    public = CurveKey(secret).public_key.format()
    honest = bytes(
        wallycore.ec_sig_to_der(wallycore.ec_sig_from_bytes(secret, digest, wallycore.EC_FLAG_ECDSA))
    )
    for k in (2, 3, 2**200 + 1, 2**200):
        leaking = with_nonce(secret, digest, k)
        verify_ecdsa(public, leaking, digest)
        trial.fires(lambda leaking=leaking: _same(honest, leaking))


def _same(one: bytes, other: bytes) -> None:
    assert one == other


@attack("A088", prevented="every signature of a whole session is what libwally computes from the same key")
def a_whole_session_computed_again(trial: Trial) -> None:
    office = trial.office()
    judged = office.judge(office.request())
    answer = trial.passes(lambda: sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW))
    for view, item in zip(answer.psbt.inputs, judged.verified.inputs, strict=True):
        ((key, found),) = view.partial_sigs.items()
        assert key == item.scripts.pubkeys[0]
        assert found == signature_of(private_key(1, office.wallet.keys[0].origin, item.place), item)


@attack("A089", "nonce-repeated")
def one_nonce_for_two_inputs(trial: Trial) -> None:
    """A library that always takes the same nonce: both signatures are valid, and neither leaves the machine."""
    office = trial.office()
    data = office.request()
    trial.passes(
        lambda: sign_session(
            trial.office("other").state(), office.judge(data), Willing(), Ring(office), lambda: NOW
        )
    )
    judged = office.judge(data)
    trial.monkeypatch.setattr(PrivateNode, "sign", lambda self, digest: with_nonce(self._secret, digest, 7))
    refusal = trial.refused(
        "nonce-repeated", lambda: sign_session(office.state(), judged, Willing(), Ring(office), lambda: NOW)
    )
    assert refusal
    # what was written down before stays: nobody knows from outside what was computed
    assert [outcome for _, outcome in records.spends(office.state(), office.wallet.wallet_id)] == [
        records.RESERVED
    ]


@attack(
    "A090",
    "psbt-needs-unsupported",
    "descriptor-form-unsupported",
    prevented="there is no session whose nonce could be kept: MuSig2 is not spoken",
)
def nonce_of_an_earlier_session(trial: Trial) -> None:
    trial.passes(lambda: parse(f"tr({full_key(1)})"))
    both = f"{key_expression(1)},{key_expression(2)}"
    for body in (
        f"tr(musig({both})/<0;1>/*)",
        f"tr(musig({full_key(1)},{full_key(2)}))",
        f"wsh(musig({both}))",
        f"musig({both})",
    ):
        trial.refused_as({"descriptor-form-unsupported"}, lambda body=body: parse(body))
    data = raw(Payment(wallet_of("tr")))
    trial.passes(lambda: proven(data, wallet_of("tr")))
    for kind in (0x1A, 0x1B, 0x1C):
        key, value = psbts.EXAMPLES["input", kind]
        asked = with_input(data, 0, bytes((kind,)) + key, value)
        trial.refused("psbt-needs-unsupported", lambda asked=asked: proven(asked, wallet_of("tr")))


@attack(
    "A091",
    "random-source-unhealthy",
    "dice-malformed",
    prevented="keys are made of the kernel's generator and of dice: where they are made, no other source is imported",
)
def weak_seeds(trial: Trial) -> None:
    drawn = {trial.passes(lambda: randomness.draw(32)) for _ in range(20)}
    assert len(drawn) == 20
    honest = os.getrandom
    noise = b"".join(hashlib.sha256(number.to_bytes(4, "big")).digest() for number in range(256))
    trial.passes(lambda: randomness.check(noise))
    stuck = noise[:1_000] + b"\x00" * randomness.REPETITIONS + noise[1_000:]
    biased = bytes(each if place % 20 else 0x55 for place, each in enumerate(noise))
    for bad in (bytes(4_096), stuck, biased, b"\x01\x02" * 2_048):
        trial.refused("random-source-unhealthy", lambda bad=bad: randomness.check(bad))
    for broken in (
        lambda size, flags=0: bytes(size),
        lambda size, flags=0: noise[:size],
        lambda size, flags=0: b"",
    ):
        trial.monkeypatch.setattr(os, "getrandom", broken)
        trial.refused("random-source-unhealthy", words.Mix.start)
    trial.monkeypatch.setattr(os, "getrandom", honest)
    mix = trial.passes(words.Mix.start)
    assert len({mix.entropy(rolls, 24) for rolls in ("", "1", "2", "11")}) == 4
    assert words.Mix.start().entropy("123456", 24) != mix.entropy("123456", 24)
    for rolls in ("0", "7", "1 2", "1" * 1_001, "\u0661", "-1", "1\n"):
        trial.refused("dice-malformed", lambda rolls=rolls: mix.entropy(rolls, 12))
    trial.fires(
        lambda: _no_other_randomness({"falconer_offline/keys/planted.py": ast.parse("import random")})
    )
    trial.fires(
        lambda: _no_other_randomness({"falconer_offline/planted.py": ast.parse("import numpy.random")})
    )
    trial.fires(
        lambda: _no_other_randomness(
            {"falconer_offline/keys/planted.py": ast.parse("from uuid import uuid4")}
        )
    )
    _no_other_randomness(shipped())
    callers = {
        name
        for name, tree in shipped().items()
        if "getrandom" in {getattr(n, "attr", "") for n in ast.walk(tree)}
    }
    assert callers == {"falconer_offline/keys/randomness.py"}


def _no_other_randomness(sources: dict[str, ast.Module]) -> None:
    refused = {"random", "uuid", "time", "secrets", "numpy"}
    found = []
    for name, tree in sources.items():
        wanted = refused if "/keys/" in name else {"random", "uuid"}
        for node in ast.walk(tree):
            modules = [each.name for each in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [
                f"{name}: {module}"
                for module in modules
                if module.split(".")[0] in wanted or module.endswith(".random")
            ]
    assert not found, found


@attack(
    "A092",
    "key-other-fingerprint",
    prevented="a passphrase has no other way in than a prompt or a file descriptor: no option of either program takes a secret",
)
def altered_passphrase(trial: Trial) -> None:
    """Each letter of it, and white space, case and look-alikes: another wallet, which is not the one that was registered."""
    phrase = tuple(("abandon " * 11 + "about").split())
    right = "correct horse"
    fingerprint = PrivateNode.from_seed(words.seed_of(phrase, right)).public().fingerprint().hex()

    def node(passphrase: str) -> PrivateNode:
        return PrivateNode.from_seed(words.seed_of(phrase, passphrase))

    trial.passes(lambda: check_fingerprint(node(right), fingerprint, "the key"))
    for other in (
        "",
        "correct horse ",
        " correct horse",
        "Correct horse",
        "correct  horse",
        "correct hors\u0435",
        "correct horse\n",
        "correct\u00a0horse2",
    ):
        trial.refused(
            "key-other-fingerprint", lambda o=other: check_fingerprint(node(o), fingerprint, "the key")
        )
    # and a sealed key of another seed under the registered name
    office = trial.office()
    machine = office.machine.public
    sealed = {
        number: seal_seed(seed_bytes(number), Network.REGTEST, machine, office.identity) for number in (1, 66)
    }
    registered = root(1).my_fingerprint.hex()
    arguments: Any = (Network.REGTEST, machine, registered, office.identity, "key 1")
    trial.passes(lambda: open_seed(sealed[1], *arguments))
    trial.refused("key-other-fingerprint", lambda: open_seed(sealed[66], *arguments))
    from tests.attacks.commands import options

    named = [
        (command, option.name)
        for command, option in options()
        if re.search(r"pass|secret|seed|word|mnemonic|key$|identity", option.name or "")
        and option.is_flag is False
    ]
    # a number of a descriptor, or the file of a public or sealed key
    assert {name for _, name in named} <= {"machine_passphrase_fd", "identity_fd", "key", "words", "count"}, (
        named
    )


@attack("A093", "words-checksum", "words-unknown", "words-count", "seedqr-malformed")
def words_with_a_mistake(trial: Trial) -> None:
    """Nothing is corrected, nothing guessed, and nothing of what was typed is repeated; SLIP-39 shares are no words of BIP 39."""
    document = json.loads((trial.vectors / "raw" / "trezor_python-mnemonic" / "vectors.json").read_text())
    assert len(document["english"]) >= 24
    for entropy, phrase, seed, _ in document["english"]:
        found = trial.passes(lambda phrase=phrase: words.check_words(phrase))
        assert words.words_of(bytes.fromhex(entropy)) == found
        assert words.seed_of(found, "TREZOR").hex() == seed
        mistaken = list(found)
        mistaken[0], mistaken[1] = ("zoo", "abandon") if mistaken[0] != "zoo" else ("abandon", "ability")
        if not bip39.mnemonic_is_valid(" ".join(mistaken)):
            trial.refused("words-checksum", lambda m=mistaken: words.check_words(" ".join(m)))
        trial.refused("words-count", lambda f=found: words.check_words(" ".join(f[:-1])))
        for odd in (found[0] + "s", found[0][:3] + "\u0430", found[0].upper(), "satoshy", found[0][:2]):
            said = trial.refused(
                "words-unknown", lambda f=found, o=odd: words.check_words(" ".join([o, *f[1:]]))
            )
            assert found[1] not in said.message.split()
    shares = json.loads(
        (trial.vectors / "raw" / "trezor_python-shamir-mnemonic" / "vectors.json").read_text()
    )
    tried = 0
    for case in shares:
        for share in case[1]:
            trial.refused_as({"words-count", "words-unknown"}, lambda share=share: words.check_words(share))
            tried += 1
    assert len(shares) == 45
    assert tried > 45
    # NFKD: one passphrase in its two Unicode forms is one passphrase (BIP 39)
    phrase = words.check_words(document["english"][0][1])
    assert (
        words.seed_of(phrase, "caf\u00e9")
        == words.seed_of(phrase, "cafe\u0301")
        == bip39.mnemonic_to_seed(" ".join(phrase), "cafe\u0301")
    )
    assert words.seed_of(phrase, "cafe") != words.seed_of(phrase, "caf\u00e9")
    for entry in json.loads((trial.vectors / "json" / "seedqr_vectors.json").read_text()):
        digits = entry["standard"][0]
        compact = ast.literal_eval(re.findall(r"^(b['\"].*['\"])$", entry["text"], re.MULTILINE)[0])
        found = trial.passes(lambda digits=digits: seedqr.read_digits(digits))
        assert (
            seedqr.read_code(digits.encode()) == found == trial.passes(lambda c=compact: seedqr.read_code(c))
        )
        swapped = digits[4:8] + digits[:4] + digits[8:]
        if not bip39.mnemonic_is_valid(
            " ".join(bip39.WORDLIST[int(swapped[at : at + 4])] for at in range(0, len(swapped), 4))
        ):
            trial.refused("words-checksum", lambda s=swapped: seedqr.read_digits(s))
        for bent in (
            digits[:-1],
            digits + "0",
            "9999" + digits[4:],
            digits[:-1] + "x",
            "",
            digits.replace("0", "\u0660"),
        ):
            trial.refused_as(
                {"seedqr-malformed", "words-checksum"}, lambda bent=bent: seedqr.read_digits(bent)
            )
        for bent in (compact[:-1], compact + b"\x00", b"", compact * 3, digits.encode() + b"\n\n0"):
            trial.refused_as({"seedqr-malformed", "words-count"}, lambda bent=bent: seedqr.read_code(bent))


@attack(
    "A094",
    "wallet-coin-type-mismatch",
    "xpub-other-network",
    "address-other-network",
    "intent-other-network",
    "policy-other-network",
    "request-other-network-here",
    "key-other-network",
)
def real_money_under_a_test_label(trial: Trial) -> None:
    def descriptor(network: str, coin: int) -> str:
        origin = f"[{root(1).my_fingerprint.hex()}/84h/{coin}h/0h]"
        return with_checksum(f"wpkh({origin}{xpub(1, f'84h/{coin}h/0h', network=network)}/<0;1>/*)")

    def register(network: Network, text: str) -> RegisteredWallet:
        return RegisteredWallet.register("w", network, text)

    trial.passes(lambda: register(Network.REGTEST, descriptor("regtest", 1)))
    trial.passes(lambda: register(Network.MAINNET, descriptor("main", 0)))
    trial.refused("wallet-coin-type-mismatch", lambda: register(Network.MAINNET, descriptor("main", 1)))
    trial.refused("wallet-coin-type-mismatch", lambda: register(Network.REGTEST, descriptor("regtest", 0)))
    for network in (Network.REGTEST, Network.SIGNET, Network.TESTNET4):
        trial.refused("xpub-other-network", lambda n=network: register(n, descriptor("main", 0)))
    trial.refused("xpub-other-network", lambda: register(Network.MAINNET, descriptor("regtest", 1)))
    mine = wallet_of("wpkh").address(0, 0)
    trial.passes(lambda: script_of(mine, Network.REGTEST))
    for text, network in (
        (mine, Network.MAINNET),
        (mine, Network.SIGNET),
        ("bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", Network.REGTEST),
        ("1BgGZ9tcN4rm9KBzDn7KprQz87SZ26SAMH", Network.REGTEST),
        ("3P14159f73E4gFr7JterCCQh9QjiTjiZrG", Network.SIGNET),
        ("tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx", Network.MAINNET),
    ):
        trial.refused("address-other-network", lambda t=text, n=network: script_of(t, n))
    office = trial.office()
    data = office.request()
    judged = trial.passes(lambda: office.judge(data))
    other = replace(
        judged.approved.intent,
        network=Network.MAINNET,
        pays=((judged.total, "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),),
    )
    assert isinstance(other, Intent)
    trial.refused("intent-other-network", lambda: office.judge(resealed(data, intent=other)))
    elsewhere = resealed(data, request=lambda each: replace(each, network=Network.MAINNET))
    trial.refused("request-other-network-here", lambda: office.judge(elsewhere))
    draft = replace(PolicyDraft(), addresses={})
    text = signed_policy(draft.text(), "admin-a", "admin-b", "admin-c")
    trial.passes(lambda: install(text, draft.pinned(), network=Network.REGTEST, wallet_id=draft.wallet_id))
    trial.refused(
        "policy-other-network",
        lambda: install(text, draft.pinned(), network=Network.MAINNET, wallet_id=draft.wallet_id),
    )
    sealed = seal_seed(seed_bytes(1), Network.MAINNET, office.machine.public, office.identity)
    right = seal_seed(seed_bytes(1), Network.REGTEST, office.machine.public, office.identity)
    arguments: Any = (
        Network.REGTEST,
        office.machine.public,
        root(1).my_fingerprint.hex(),
        office.identity,
        "key 1",
    )
    trial.passes(lambda: open_seed(right, *arguments))
    trial.refused("key-other-network", lambda: open_seed(sealed, *arguments))
    assert stranger_address().startswith("bcrt1")
