"""The transactions that BitBox's makers try their devices with: whole PSBTs for the accounts of one published test seed.

Our side of it is real: words to seed, seed to account, account to descriptor, registered wallet, proof of inputs and outputs,
digests, signatures by our signer, the Finalizer's own check. What the device takes and we do not says so by its rule.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from falconer_offline.keys.private import PrivateNode
from falconer_offline.keys.words import check_words, seed_of
from falconer_shared.bitcoin.bip32 import format_path, parse_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import DescriptorKey, InputKind
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.encoding import base58
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.psbt.views import signature_field
from falconer_shared.roles.evaluate import evaluate
from falconer_shared.verify.digests import with_digests
from falconer_shared.verify.inputs import VerifiedInput, prove_inputs
from falconer_shared.verify.outputs import prove_outputs
from falconer_shared.verify.partial import check_partial_signatures
from falconer_shared.verify.signatures import signed_by
from falconer_shared.verify.transaction import verify
from falconer_shared.wallet.registration import RegisteredWallet
from tests.official.cases import Case, Part, bad, good, same, skip
from tests.official.psbts import take
from tests.support.treasury import NOTHING_KNOWN

FILE = "raw/BitBoxSwiss_bitbox02-firmware/src/rust/bitbox-test-vectors/testdata/btc-transaction-test-vectors.json"
TAIL = "/<0;1>/*"
FORMS = {44: "pkh({})", 49: "sh(wpkh({}))", 84: "wpkh({})", 86: "tr({})"}
BESIDE = "asked beside the PSBT"
LITECOIN = "litecoin"
SKIPS = {
    BESIDE: "the device's answer rests on data beside the PSBT: payment requests, silent payments, an account to be registered",
    LITECOIN: "another coin",
}
SCOPE = {
    "descriptor-form-unsupported": "a policy of miniscript or with a script tree, which is not read",
    "descriptor-multipath": "a policy with other branches than <0;1>",
    "input-not-ours": "inputs of several accounts in one transaction: here every input is of one registered wallet",
    "output-carries-data": "an output that carries data (OP_RETURN), which pays nobody",
    "output-dust": "an output below what nodes relay",
}
FEES = {
    "fee-above-cap": "the vectors' fees are up to 1 BTC; the caps of `verify` have no switch",
    "fee-rate-above-cap": "the same, by its rate",
}


def root_of(document: dict[str, Any]) -> PrivateNode:
    return PrivateNode.from_seed(seed_of(check_words(document["simulator_seed"]), ""))


def parse_all(folder: Path) -> Iterator[Case]:
    for vector in json.loads((folder / FILE).read_text())["vectors"]:
        yield good(vector["id"], functools.partial(take, bytes.fromhex(vector["psbt"]["transaction"])))


def wallet_for(root: PrivateNode, vector: dict[str, Any], psbt: UntrustedPsbt) -> RegisteredWallet:
    """The wallet that the vector registers, or else the account that the first input names; raises what `register` refuses."""
    network = Network.MAINNET if vector["coin"] == "btc" else Network.TESTNET4
    registered = vector.get("registrations")
    if registered:
        return _registered(root, registered[0], network)
    first = psbt.inputs[0]
    paths = [path for _, path in first.bip32_derivations.values()]
    paths += [path for _, _, path in first.tap_bip32_derivations.values()]
    account = paths[0][:3]
    form = FORMS[account[0] - 0x80000000]
    return RegisteredWallet.register(
        "device", network, with_checksum(form.format(_expression(root, account, network) + TAIL))
    )


def _expression(root: PrivateNode, path: tuple[int, ...], network: Network) -> str:
    node = root.derive_path(path)
    return f"[{root.public().fingerprint().hex()}/{format_path(path)}]{node.public().text(network)}"


def _policy(root: PrivateNode, config: dict[str, Any], network: Network) -> RegisteredWallet:
    """A BIP 388 policy as the descriptor that it stands for."""
    text = config["policy"].replace("/**", TAIL)
    for place, key in enumerate(config["keys"]):
        path = parse_path(key.get("keypath", "").removeprefix("m/").replace("'", "h"))
        ours = key.get("root_fingerprint") == root.public().fingerprint().hex()
        expression = _expression(root, path, network) if ours else _foreign(key["xpub"], network)
        text = text.replace(f"@{place}/", f"{expression}/")
    return RegisteredWallet.register("device", network, with_checksum(text))


def _registered(root: PrivateNode, registration: dict[str, Any], network: Network) -> RegisteredWallet:
    config = registration["script_config"]
    if config["type"] == "policy":
        return _policy(root, config, network)
    ours = parse_path(registration["keypath"].removeprefix("m/").replace("'", "h"))
    keys = []
    for place, xpub in enumerate(config["xpubs"]):
        if place == config["our_xpub_index"]:
            keys.append(_expression(root, ours, network) + TAIL)
        else:
            keys.append(_foreign(xpub, network) + TAIL)
    shape = {"p2wsh": "wsh({})", "p2wsh_p2sh": "sh(wsh({}))"}[config["script_type"]]
    inner = f"sortedmulti({config['threshold']},{','.join(keys)})"
    return RegisteredWallet.register("device", network, with_checksum(shape.format(inner)))


def _foreign(xpub: str, network: Network) -> str:
    """The vectors give others' keys without origin. The depth and last step stand in the key; the rest is made up here, since a
    wallet cannot be registered without, and no derivation depends on it."""
    data = base58.decode_check(xpub)
    steps = [0x80000000] * (data[4] - 1) + [int.from_bytes(data[9:13], "big")]
    fingerprint = data[5:9] if data[4] == 1 else b"\xfe\xed" + data[5:7]
    text = base58.encode_check(network.xpub_version + data[4:])
    return f"[{fingerprint.hex()}/{format_path(steps)}]{text}"


def _prove(wallet: RegisteredWallet, psbt: UntrustedPsbt) -> tuple[VerifiedInput, ...]:
    """All that `verify` proves but for what the fee may be: the vectors' fees are absurd, and its caps have no switch."""
    proven = prove_inputs(psbt, wallet)
    prove_outputs(psbt, wallet, NOTHING_KNOWN.extended(item.place for item in proven))
    return with_digests(psbt.tx, wallet.descriptor, proven)


def _sign(root: PrivateNode, wallet: RegisteredWallet, vector: dict[str, Any], psbt: UntrustedPsbt) -> None:
    """Prove, sign what the device signs and nothing else, verify all signatures, fill the inputs, and check what came out."""
    inputs = _prove(wallet, psbt)
    added: dict[int, dict[bytes, bytes]] = {}
    for item in inputs:
        for key, pubkey, signing in _own_keys(root, wallet, item):
            node = root.derive_path(key.path(item.place.branch, item.place.index))
            same(node.public().pubkey, pubkey)
            _check_expected(vector, item, pubkey)
            taproot = item.kind is InputKind.TAPROOT
            signature = node.sign_taproot(item.digest) if taproot else node.sign(item.digest)
            whole = signature + (bytes((item.sighash,)) if item.sighash else b"")
            added.setdefault(item.index, {}).update([signature_field(signing, whole)])
    answer = psbt.with_fields({}, added)
    for item, signatures in zip(inputs, check_partial_signatures(inputs, answer), strict=True):
        plan = wallet.descriptor.plan(signed_by(item, signatures), psbt.tx.locktime, item.sequence)
        evaluate(item, *plan.satisfy(signatures, item.scripts))


def _own_keys(
    root: PrivateNode, wallet: RegisteredWallet, item: VerifiedInput
) -> Iterator[tuple[DescriptorKey, bytes, bytes]]:
    ours = root.public().fingerprint()
    for key, pubkey, signing in zip(
        wallet.keys, item.scripts.pubkeys, item.scripts.signing_keys, strict=True
    ):
        if key.fingerprint == ours:
            yield key, pubkey, signing


def _check_expected(vector: dict[str, Any], item: VerifiedInput, pubkey: bytes) -> None:
    expected = [each for each in vector["expected_signatures"] if each["input_index"] == item.index]
    taproot = item.kind is InputKind.TAPROOT
    same({each["pubkey"] for each in expected}, {(pubkey[1:] if taproot else pubkey).hex()})


Run = Callable[[PrivateNode, RegisteredWallet, dict[str, Any], UntrustedPsbt], None]


def _verify(
    _root: PrivateNode, wallet: RegisteredWallet, _vector: dict[str, Any], psbt: UntrustedPsbt
) -> None:
    verify(psbt, wallet, NOTHING_KNOWN)


def each_payment(run: Run, folder: Path) -> Iterator[Case]:
    document = json.loads((folder / FILE).read_text())
    root = root_of(document)
    for vector in document["vectors"]:
        takes = vector["expectations"][-1]["outcome"] == "success"
        psbt = UntrustedPsbt.parse(bytes.fromhex(vector["psbt"]["transaction"]))
        options = vector["psbt"].get("options", {}).keys() - {"force_script_config", "format_unit"}
        if vector["coin"] == "ltc":
            yield skip(vector["id"], LITECOIN)
        elif options or _beside(vector):
            yield skip(vector["id"], BESIDE)
        else:
            call = functools.partial(_with_wallet, run, root, vector, psbt)
            yield good(vector["id"], call) if takes else bad(vector["id"], call)


def _with_wallet(run: Run, root: PrivateNode, vector: dict[str, Any], psbt: UntrustedPsbt) -> None:
    run(root, wallet_for(root, vector, psbt), vector, psbt)


def _beside(vector: dict[str, Any]) -> bool:
    """Whether the device refuses for what it was asked with: an account never registered, or registered under another path."""
    if vector["expectations"][-1]["outcome"] == "success":
        return False
    forced = vector["psbt"].get("options", {}).get("force_script_config", {})
    registered = vector.get("registrations", [{}])[0].get("script_config")
    paths = [key["keypath"] for key in forced.get("script_config", {}).get("keys", ()) if "keypath" in key]
    return bool(forced) and (registered is None or forced["keypath"] not in paths)


PARTS = (
    Part(FILE, "parse", parse_all),
    Part(FILE, "sign", functools.partial(each_payment, _sign), SCOPE, SKIPS),
    Part(FILE, "judge", functools.partial(each_payment, _verify), {**SCOPE, **FEES}, SKIPS),
)
