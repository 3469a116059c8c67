"""Output descriptors and accounts in CBOR: version 1 (BCR-2020-010, -015) spells every function with a tag,
version 2 (BCR-2023-010, -019) is a text with places for keys.

Receive and change. Version 1 as wallets send it (Sparrow, SeedSigner, Keystone) says nothing of branches: its
keys have no children, and every reader takes receive and change under them. So a `crypto-output` none of whose
extended keys has children is read as `/<0;1>/*`, and a descriptor of ours with `/<0;1>/*` is sent without
children. A sender that does say children (`/0/*`, `/<0;1>/*`, `/*`) is taken at its word and nothing is added;
some keys with and some without are refused. Version 2 always says what it means, and is taken and sent so. In
an account no key gets children: it offers keys, and which wallet they make is somebody else's to say.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import cbor2

from falconer_shared.bitcoin import address
from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.script import p2pkh, p2sh, p2wpkh
from falconer_shared.encoding.cbor import MAX_DEPTH, Cbor
from falconer_shared.errors import Malformed
from falconer_shared.transport import content
from falconer_shared.transport.registry.keys import (
    V1,
    V2,
    Key,
    Version,
    fields,
    read_eckey,
    read_hdkey,
    read_master_fingerprint,
    tagged,
    write_key,
)

MAX_TEXT: Final = 16_384
"""Characters of a descriptor (DESIGN section 7)."""

MAX_KEYS: Final = 100
"""More than any script can hold."""

_BRANCHES: Final = ((0, 1), None)
"""`/<0;1>/*`"""

_FUNCTIONS: Final = {
    400: "sh", 401: "wsh", 402: "pk", 403: "pkh", 404: "wpkh", 405: "combo", 406: "multi", 407: "sortedmulti",
    409: "tr", 410: "cosigner",
}  # fmt: skip
_TAG_OF: Final = {name: tag for tag, name in _FUNCTIONS.items()}
_NESTING: Final = frozenset(("sh", "wsh"))
_MULTI: Final = frozenset(("multi", "sortedmulti"))
_RAW: Final = 408

FUNCTION_TAGS: Final = frozenset({*_FUNCTIONS, _RAW})

_CALL: Final = re.compile(r"([a-z]+)\((.*)\)\Z", re.ASCII)
_PLACE: Final = re.compile(r"@(0|[1-9][0-9]{0,2})(?![0-9])", re.ASCII)
_KEY: Final = re.compile(
    r"(?:\[[0-9a-f]{8}[0-9h'/]*\])?[xt]pub[1-9A-HJ-NP-Za-km-z]{100,112}(?:/[0-9h'*<>;/]+)?", re.ASCII
)
_CHECKSUM: Final = re.compile(r"#[02-9ac-hj-np-z]{8}\Z", re.ASCII)
_SOURCE: Final = re.compile(r"[!-~]+\Z", re.ASCII)


def plain(descriptor: bytes) -> str:
    """The text of a descriptor that is to be sent, without checksum and line ending."""
    return _CHECKSUM.sub("", descriptor.decode("ascii").strip())


# --- version 1 ----------------------------------------------------------------------------------------------------------------


def read_output(value: Cbor) -> str:
    """The text of a `crypto-output`.

    Raises:
        Malformed: `ur-output-malformed`, `ur-output-branches`, and what reading its keys raises.
    """
    keys: list[Key] = []
    pattern = _read_function(value, keys, 0)
    extended = [key for key in keys if not isinstance(key.public, bytes)]
    silent = [key for key in extended if not key.children]
    if silent and len(silent) != len(extended):
        raise Malformed(
            "ur-output-branches",
            "some keys of the wallet say which children they have and some do not",
            remedy="send it as output-descriptor, or as text",
        )
    return pattern.format(*((_with_branches(key) if key in silent else key).text for key in keys))


def _with_branches(key: Key) -> Key:
    return Key(key.public, key.network, key.fingerprint, key.path, _BRANCHES)


def _read_function(value: Cbor, keys: list[Key], level: int, *, account: bool = False) -> str:
    """The text with `{}` where a key stands; the keys are appended in order.

    In an account wallets put a cosigner's key into `sh` and `wsh` without saying `cosigner` (SeedSigner).
    """
    if not isinstance(value, cbor2.CBORTag) or level > MAX_DEPTH:
        raise _malformed("no function of a descriptor stands where one must")
    inner: Cbor = value.value
    if value.tag == V1.address:
        return f"addr({_read_address(inner, V1)})"
    if value.tag == _RAW:
        if not isinstance(inner, bytes):
            raise _malformed("a raw script that is no bytes")
        return f"raw({inner.hex()})"
    name = _FUNCTIONS.get(value.tag)
    if name is None:
        raise _malformed(f"tag {value.tag} is no function of a descriptor")
    nests = name in _NESTING and not (account and _is_key(inner))
    if nests or (name == "tr" and _is_function(inner)):
        return f"{name}({_read_function(inner, keys, level + 1, account=account)})"
    if name in _MULTI:
        return f"{name}({_read_multi(inner, keys)})"
    keys.append(_read_key(inner, V1))
    return f"{name}({{}})"


def _is_function(value: Cbor) -> bool:
    return isinstance(value, cbor2.CBORTag) and value.tag in FUNCTION_TAGS


def _is_key(value: Cbor) -> bool:
    return isinstance(value, cbor2.CBORTag) and value.tag == V1.hdkey


def _read_multi(value: Cbor, keys: list[Key]) -> str:
    found = fields(value, range(1, 3), "multisig")
    threshold, members = found.get(1), found.get(2)
    if (
        not isinstance(threshold, int)
        or isinstance(threshold, bool)
        or not isinstance(members, list)
        or not 1 <= threshold <= len(members) <= MAX_KEYS
    ):
        raise _malformed("a multisig that is not k of n keys")
    keys += (_read_key(member, V1) for member in members)
    return ",".join([str(threshold), *["{}"] * len(members)])


def _read_key(value: Cbor, version: Version) -> Key:
    if isinstance(value, cbor2.CBORTag) and value.tag == version.eckey:
        return read_eckey(value.value)
    return read_hdkey(tagged(value, version.hdkey, "key"), version)


def _read_address(value: Cbor, version: Version) -> str:
    """BCR-2020-009. Test networks share one spelling but regtest's, which this type cannot name."""
    found = fields(value, range(1, 4), "address")
    network = Network.MAINNET
    if 1 in found:
        coin = fields(tagged(found[1], version.coin_info, "coin"), range(1, 3), "coin")
        if coin.get(1, 0) != 0 or coin.get(2, 0) not in (0, 1):
            raise _malformed("the address is of another coin or network than Bitcoin's")
        network = Network.TESTNET4 if coin.get(2, 0) else Network.MAINNET
    makers = {0: p2pkh, 1: p2sh, 2: p2wpkh}
    kind, data = found.get(2, 0), found.get(3)
    if not isinstance(kind, int) or kind not in makers or not isinstance(data, bytes) or len(data) != 20:
        raise _malformed("the address is none of P2PKH, P2SH, P2WPKH")
    return address.address_of(makers[kind](data), network)


def write_output(descriptor: str) -> Cbor:
    """The CBOR of a `crypto-output`.

    Raises:
        ValueError: version 1 has no spelling for this descriptor. Malformed: it is none.
    """
    match = _CALL.match(descriptor)
    if match is None or match[1] not in _TAG_OF:
        raise ValueError("crypto-output cannot spell this descriptor")
    name, inside = match.groups()
    tag = _TAG_OF[name]
    if name in _NESTING:
        return cbor2.CBORTag(tag, write_output(inside))
    if name in _MULTI:
        threshold, *members = inside.split(",")
        return cbor2.CBORTag(tag, {1: int(threshold), 2: [_write_key(member) for member in members]})
    if name == "tr" and "," in inside:
        raise ValueError("crypto-output cannot spell a tree of scripts")
    return cbor2.CBORTag(tag, _write_key(inside))


def _write_key(text: str) -> Cbor:
    key = Key.parse(text)
    children = () if key.children == _BRANCHES else key.children
    return write_key(Key(key.public, key.network, key.fingerprint, key.path, children), V1)


# --- version 2 ----------------------------------------------------------------------------------------------------------------


def read_descriptor(value: Cbor) -> tuple[str, str]:
    """Text and name of an `output-descriptor`.

    Raises:
        Malformed: `ur-output-malformed`, `secret-in-code`, and what reading its keys raises.
    """
    found = fields(value, range(1, 5), "descriptor")
    source, members = found.get(1), found.get(2, [])
    name, note = found.get(3, ""), found.get(4, "")
    if not isinstance(source, str) or not isinstance(name, str) or not isinstance(note, str):
        raise _malformed("the text or the name of a descriptor is no text")
    if (
        not isinstance(members, list)
        or len(members) > MAX_KEYS
        or not _SOURCE.match(source)
        or len(source) > MAX_TEXT
    ):
        raise _malformed("the text of a descriptor is not plain, or has too many keys")
    texts = list(_member_texts(members))
    used = {int(place) for place in _PLACE.findall(source)}
    if used != set(range(len(texts))) or source.count("@") != len(_PLACE.findall(source)):
        raise _malformed("the places for keys in a descriptor and its keys do not fit together")
    text = _PLACE.sub(lambda place: texts[int(place[1])], source)
    if len(text) > MAX_TEXT:
        raise _malformed("the text of a descriptor is too long")
    content.refuse_secret(text)
    return text, name


def _member_texts(members: list[Cbor]) -> Iterator[str]:
    for member in members:
        if isinstance(member, cbor2.CBORTag) and member.tag == V2.address:
            yield _read_address(member.value, V2)
        else:
            yield _read_key(member, V2).text


def write_descriptor(descriptor: str, name: str = "") -> Cbor:
    """The CBOR of an `output-descriptor`; every extended key in a place of its own."""
    keys: list[Cbor] = []

    def place(match: re.Match[str]) -> str:
        keys.append(write_key(Key.parse(match[0]), V2))
        return f"@{len(keys) - 1}"

    found: dict[int, Cbor] = {1: _KEY.sub(place, descriptor)}
    if keys:
        found[2] = keys
    if name:
        found[3] = name
    return found


# --- accounts -----------------------------------------------------------------------------------------------------------------


def read_account(value: Cbor, version: Version) -> str:
    """The descriptors of an account, one line each; every key names the account's master key as its origin.

    Raises:
        Malformed: `ur-output-malformed`, `ur-account-other-master`, and what reading a descriptor raises.
    """
    found = fields(value, range(1, 3), "account")
    master, outputs = read_master_fingerprint(found.get(1)), found.get(2)
    if not isinstance(outputs, list) or not 1 <= len(outputs) <= MAX_KEYS:
        raise _malformed("an account without descriptors, or with too many")
    return "".join(f"{_account_line(output, version, master)}\n" for output in outputs)


def _account_line(output: Cbor, version: Version, master: bytes) -> str:
    if version is V1:
        # before 2021 the standard had no tag here, and wallets still leave it out
        wrapped = isinstance(output, cbor2.CBORTag) and output.tag == V1.output
        keys: list[Key] = []
        pattern = _read_function(
            tagged(output, V1.output, "descriptor") if wrapped else output, keys, 0, account=True
        )
        return pattern.format(*(_of_master(key, master).text for key in keys))
    text, _ = read_descriptor(tagged(output, V2.output, "descriptor"))
    return _KEY.sub(lambda match: _of_master(Key.parse(match[0]), master).text, text)


def _of_master(key: Key, master: bytes) -> Key:
    named = key.fingerprint if key.fingerprint and any(key.fingerprint) else master
    if named != master:
        raise Malformed(
            "ur-account-other-master",
            f"a key of the account of {master.hex()} says that it comes from {named.hex()}",
        )
    return Key(key.public, key.network, master, key.path, key.children)


def write_account(lines: str, version: Version) -> Cbor:
    """The CBOR of an account.

    Raises:
        ValueError: the lines are not descriptors of one master key.
    """
    descriptors = lines.split()
    masters = {key.fingerprint for line in descriptors for key in map(Key.parse, _KEY.findall(line))}
    if len(masters) != 1 or None in masters:
        raise ValueError("an account has one master key")
    master = int.from_bytes(masters.pop() or b"", "big")
    outputs: list[Cbor] = [
        cbor2.CBORTag(version.output, write_output(line) if version is V1 else write_descriptor(line))
        for line in descriptors
    ]
    return {1: master, 2: outputs}


def _malformed(message: str) -> Malformed:
    return Malformed("ur-output-malformed", message)
