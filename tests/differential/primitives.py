"""Transactions, digests, addresses, extended keys and descriptors: right ones, and right ones with something changed."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from functools import lru_cache

import bdkpython as bdk
import wallycore as wally
from embit.script import Script
from embit.transaction import Transaction as EmbitTransaction

from falconer_offline.keys.private import PrivateNode
from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.bip32 import HARDENED, ExtendedPublicKey
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.sighash import SIGHASH_ALL, SIGHASH_DEFAULT, Bip143, Bip341, Legacy
from falconer_shared.bitcoin.transaction import OutPoint, Transaction, TxInput, TxOutput
from falconer_shared.descriptor.checksum import with_checksum
from falconer_shared.errors import FalconerError
from falconer_shared.units import MAX_MONEY, Amount
from falconer_shared.wallet.registration import RegisteredWallet
from tests.differential import explained, keys, peers
from tests.differential.peers import Refusal

NETWORKS = tuple(Network)


def _judged(
    subject: str, peer: str, given: bytes | str, mine: object, theirs: object, what: str = ""
) -> Iterator[str]:
    """A difference over whether to accept, or over what was read, that the table does not explain."""
    seen = explained.Seen(subject, peer, given, mine, theirs)
    if isinstance(mine, Refusal) and isinstance(theirs, str):
        return
    if isinstance(mine, Refusal) or isinstance(theirs, str):
        if explained.why(seen) is None:
            yield f"{subject}, {peer}: {seen.told()}"
    elif mine != theirs:
        yield f"{subject}, {peer}: {what or 'another reading'} of {given!r}: {mine!r} and {theirs!r}"


# transactions


def _data(chance: random.Random, most: int) -> bytes:
    return chance.randbytes(chance.randrange(most + 1))


def _transaction(chance: random.Random, most: int = 4, *, witness: bool = True) -> Transaction:
    inputs = tuple(
        TxInput(
            OutPoint(chance.randbytes(32), chance.choice((0, 1, 7, 0xFFFFFFFF))),
            _data(chance, 30) if witness and chance.randrange(2) else b"",
            chance.choice((0, 1, 0xFFFFFFFD, 0xFFFFFFFF)),
            tuple(_data(chance, 40) for _ in range(chance.randrange(3)))
            if witness and chance.randrange(2)
            else (),
        )
        for _ in range(chance.randint(1, most))
    )
    outputs = tuple(
        TxOutput(
            Amount(chance.choice((0, 546, MAX_MONEY // 8, chance.randrange(MAX_MONEY // 8)))),
            _data(chance, 40),
        )
        for _ in range(chance.randint(0 if witness else 1, most))
    )
    return Transaction(
        chance.choice((1, 2, 2, 3, -1, 0)), inputs, outputs, chance.choice((0, 800_000, 2**32 - 1))
    )


def _changed(chance: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    at = chance.randrange(len(changed))
    act = chance.randrange(4)
    if act == 0:
        changed[at] = chance.choice((0, 1, 0xFC, 0xFD, 0xFE, 0xFF, chance.randrange(256)))
    elif act == 1:
        del changed[at]
    elif act == 2:
        changed.insert(at, chance.choice((0, 1, 0xFD)))
    else:
        changed += chance.randbytes(chance.randint(1, 4))
    return bytes(changed)


def transactions(chance: random.Random) -> Iterator[str]:
    """Bytes of a transaction: taken or not, written again, both ids, weight."""
    data = _transaction(chance).serialize()
    for _ in range(chance.choice((0, 1, 1, 2))):
        data = _changed(chance, data)
    yield from read_transaction(data)


def read_transaction(data: bytes) -> Iterator[str]:
    """What everybody makes of the bytes of a transaction."""
    mine: object
    try:
        tx = Transaction.parse(data)
        mine = (tx.serialize(), tx.txid(), tx.wtxid(), int(tx.weight()))
    except FalconerError as refused:
        mine = Refusal(refused.rule, refused.message)
    yield from _judged("transaction", explained.LIBWALLY, data, mine, peers.wally_transaction(data))
    yield from _judged("transaction", explained.RUST, data, mine, peers.rust_transaction(data))


# digests


def digests(chance: random.Random) -> Iterator[str]:
    """The three digests of every input of a transaction that spends anything at all."""
    tx = _transaction(chance, 5, witness=False)
    # OP_CODESEPARATOR, which no template of ours has, is cut out of legacy scripts by consensus
    codes = [_data(chance, 120).replace(b"\xab", b"") or b"\x51" for _ in tx.inputs]
    spent = [TxOutput(Amount(chance.randrange(1, MAX_MONEY // 8)), _spent_script(chance)) for _ in tx.inputs]
    raw = tx.serialize_stripped()
    theirs = wally.tx_from_bytes(raw, 0)
    scripts = wally.map_init(len(spent), None)
    for number, output in enumerate(spent):
        wally.map_add_integer(scripts, number, output.script)
    values = [int(output.value) for output in spent]
    embits = EmbitTransaction.parse(raw)
    bip143, legacy, bip341 = Bip143(tx), Legacy(tx), Bip341(tx, spent)
    for index, (code, output) in enumerate(zip(codes, spent, strict=True)):
        value = int(output.value)
        ours = {
            "original": legacy.digest(index, code),
            "BIP 143": bip143.digest(index, code, output.value),
            "BIP 341 DEFAULT": bip341.digest(index, SIGHASH_DEFAULT),
            "BIP 341 ALL": bip341.digest(index, SIGHASH_ALL),
        }
        libwally = {
            "original": wally.tx_get_btc_signature_hash(theirs, index, code, 0, 1, 0),
            "BIP 143": wally.tx_get_btc_signature_hash(
                theirs, index, code, value, 1, wally.WALLY_TX_FLAG_USE_WITNESS
            ),
        }
        if output.script[:2] == b"\x51\x20":
            # of other scripts it computes none, as consensus would not
            for name, sighash in (("BIP 341 DEFAULT", 0), ("BIP 341 ALL", 1)):
                libwally[name] = _wally_taproot(theirs, index, scripts, values, sighash)
        previous = [Script(each.script) for each in spent]
        embit = {
            "original": embits.sighash_legacy(index, Script(code), 1),
            "BIP 143": embits.sighash_segwit(index, Script(code), value, 1),
            "BIP 341 DEFAULT": embits.sighash_taproot(index, previous, values, 0),
            "BIP 341 ALL": embits.sighash_taproot(index, previous, values, 1),
        }
        for name, digest in ours.items():
            for peer, found in ((explained.LIBWALLY, libwally), ("embit", embit)):
                if name in found and bytes(found[name]) != digest:
                    yield f"digest, {peer}: another {name} digest of input {index} of {raw.hex()}"


def _spent_script(chance: random.Random) -> bytes:
    return b"\x51\x20" + chance.randbytes(32) if chance.randrange(3) else _data(chance, 40) or b"\x51"


def _wally_taproot(tx: object, index: int, scripts: object, values: Sequence[int], sighash: int) -> bytes:
    return bytes(
        wally.tx_get_btc_taproot_signature_hash(
            tx, index, scripts, values, None, 0, 0xFFFFFFFF, None, sighash, 0
        )
    )


# addresses


def addresses(chance: random.Random) -> Iterator[str]:
    """The address of a script, the script of an address, and texts that are almost one."""
    network = chance.choice(NETWORKS)
    script = _template(chance)
    address = address_of(script, network)
    for text in (address, _misspelt(chance, address)):
        mine: object
        try:
            mine = script_of(text, network)
        except FalconerError as refused:
            mine = Refusal(refused.rule, refused.message)
        yield from _judged("address", explained.LIBWALLY, text, mine, peers.wally_address(text, network))
        yield from _judged("address", explained.RUST, text, mine, peers.rust_address(text, network))
    if script_of(address, network) != script:
        yield f"address: {address} is not the script that it was made of"


def _template(chance: random.Random) -> bytes:
    data = chance.randbytes(32)
    point = bytes(wally.ec_public_key_from_private_key(hashlib.sha256(data).digest()))[1:]
    return chance.choice(
        (
            b"\x76\xa9\x14" + data[:20] + b"\x88\xac", b"\xa9\x14" + data[:20] + b"\x87", b"\0\x14" + data[:20],
            b"\0\x20" + data, b"\x51\x20" + point,
        )
    )  # fmt: skip


def _misspelt(chance: random.Random, text: str) -> str:
    at = chance.randrange(len(text))
    script = script_of(text, next(network for network in NETWORKS if _reads(text, network)))
    return chance.choice(
        (
            text[:at] + chance.choice("qpzry9x8gf2tvdw0s3jn54khce6mua7lBIO1") + text[at + 1 :],
            text[:at] + text[at + 1 :],
            text[:at] + chance.choice("q1x") + text[at:],
            text.upper(),
            text[:at] + text[at:].swapcase(),
            text[:at] + text[at : at + 2][::-1] + text[at + 2 :],
            # the same script under another network's prefix
            address_of(script, chance.choice(NETWORKS)),
        )
    )


def _reads(text: str, network: Network) -> bool:
    try:
        script_of(text, network)
    except FalconerError:
        return False
    return True


# BIP 32


def extended_keys(chance: random.Random) -> Iterator[str]:
    """Children of a key, by its private and by its public half, and its text; and texts that are almost one."""
    seed = chance.randbytes(chance.choice((16, 32, 64)))
    path = [chance.randrange(2**31) | chance.choice((0, HARDENED)) for _ in range(chance.randrange(4))]
    node = PrivateNode.from_seed(seed).derive_path(path)
    theirs = wally.bip32_key_from_seed(seed, wally.BIP32_VER_TEST_PRIVATE, 0)
    if path:
        theirs = wally.bip32_key_from_parent_path(theirs, path, wally.BIP32_FLAG_KEY_PRIVATE)
    text = node.public().text(Network.REGTEST)
    if wally.bip32_key_to_base58(theirs, wally.BIP32_FLAG_KEY_PUBLIC) != text:
        yield f"xpub, {explained.LIBWALLY}: another key at {path} of seed {seed.hex()}"
    tail = [chance.randrange(2**31) for _ in range(chance.randint(1, 3))]
    mine = node.public()
    for index in tail:
        mine = mine.derive(index)
    child = wally.bip32_key_from_parent_path(theirs, tail, wally.BIP32_FLAG_KEY_PUBLIC)
    if wally.bip32_key_to_base58(child, wally.BIP32_FLAG_KEY_PUBLIC) != mine.text(Network.REGTEST):
        yield f"xpub, {explained.LIBWALLY}: another public child {tail} of {text}"
    rust = bdk.DescriptorPublicKey.from_string(text).derive(
        bdk.DerivationPath("m/" + "/".join(map(str, tail)))
    )
    if str(rust).split("]")[-1].split("/")[0] != mine.text(Network.REGTEST):
        yield f"xpub, {explained.RUST}: another public child {tail} of {text}: {rust}"
    yield from _almost_xpub(chance, text)


def _almost_xpub(chance: random.Random, text: str) -> Iterator[str]:
    data = bytearray(wally.base58_to_bytes(text, wally.BASE58_FLAG_CHECKSUM))
    data[chance.choice((0, 1, 2, 3, 4, 5, 9, 13, 45, 46, 77))] ^= 1 << chance.randrange(8)
    if not chance.randrange(4):
        data = data[: chance.randrange(1, len(data))]
    changed = wally.base58_from_bytes(bytes(data), wally.BASE58_FLAG_CHECKSUM)
    mine: object
    try:
        mine = ExtendedPublicKey.parse(changed, Network.REGTEST).pubkey
    except FalconerError as refused:
        mine = Refusal(refused.rule, refused.message)
    theirs = peers.wally_xpub(changed)
    found = theirs if isinstance(theirs, str) else bytes(wally.bip32_key_get_pub_key(theirs))
    yield from _judged("xpub", explained.LIBWALLY, changed, mine, found)
    rust = peers.rust_xpub(changed)
    yield from _judged("xpub", explained.RUST, changed, mine, rust if isinstance(rust, str) else mine)


# descriptors


def descriptors(chance: random.Random) -> Iterator[str]:
    """Scripts of a random wallet at random places; and its descriptor with something changed."""
    wallet = keys.wallet_number(chance.randrange(keys.WALLETS))
    branch, index = chance.randrange(2), chance.choice((chance.randrange(100), chance.randrange(2**31 - 1)))
    text = wallet.descriptor_text
    if not chance.randrange(3):
        text = _edited(chance, wallet)
    yield from read_descriptor(text, branch, index)


def read_descriptor(text: str, branch: int, index: int) -> Iterator[str]:
    """What everybody makes of a descriptor at a place."""
    mine: object
    try:
        mine = _registered(text).scripts(branch, index).script_pubkey
    except FalconerError as refused:
        mine = Refusal(refused.rule, refused.message)
    theirs = peers.wally_script(text, Network.REGTEST, branch, index)
    again = peers.rust_script(text, Network.REGTEST, branch, index)
    yield from _judged("descriptor", explained.LIBWALLY, text, mine, theirs)
    yield from _judged("descriptor", explained.RUST, text, mine, again)


@lru_cache(maxsize=512)
def _registered(text: str) -> RegisteredWallet:
    return RegisteredWallet.register("read", Network.REGTEST, text)


def _edited(chance: random.Random, wallet: RegisteredWallet) -> str:
    body = wallet.descriptor_text.split("#")[0]
    act = chance.randrange(6)
    if act == 0:
        # a wrong letter under the old checksum
        at = chance.randrange(len(body))
        return body[:at] + chance.choice("0123456789abcdef()/,h*") + wallet.descriptor_text[at + 1 :]
    if act == 1:
        body = body.replace("h/", "'/")
    elif act == 2:
        body = (
            body.replace("sortedmulti", "multi")
            if "sortedmulti" in body
            else body.replace("multi", "sortedmulti")
        )
    elif act == 3:
        at = chance.randrange(len(body))
        body = body[:at] + chance.choice("0123456789abcdef()/,h*") + body[at + 1 :]
    elif act == 4:
        body = body.replace("<0;1>", chance.choice(("<1;0>", "<0;2>", "0", "<0;1;2>", "<0;0>")))
    else:
        body = chance.choice(("sh({})", "wsh({})", "{}", "sh(wsh({}))", "tr({})")).format(body)
    return with_checksum(body)
