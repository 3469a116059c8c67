"""Keys in CBOR (BCR-2020-007 and -008) and as key expressions of descriptors, both ways.

Version 1 and version 2 of the registry differ in the numbers of their tags alone (303 and 40303), and are
never mixed in one message. A key that is private in any way the format knows is refused before anything of it
is kept (A039).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cbor2

from falconer_shared.bitcoin import curve
from falconer_shared.bitcoin.bip32 import HARDENED, ExtendedPublicKey, format_path, parse_path
from falconer_shared.bitcoin.network import Network
from falconer_shared.encoding.cbor import Cbor
from falconer_shared.errors import Malformed
from falconer_shared.transport import content

MAX_STEPS: Final = 255
"""Of a path: the depth of a key is one byte."""

_MAX_FINGERPRINT: Final = 2**32 - 1

_EXPRESSION: Final = re.compile(
    r"(?:\[([0-9a-f]{8})((?:/[0-9]+[h']?)*)\])?([xt]pub[1-9A-HJ-NP-Za-km-z]+|0[23][0-9a-f]{64})((?:/[^/]+)*)\Z",
    re.ASCII,
)
_CHILD: Final = re.compile(r"(0|[1-9][0-9]{0,9})([h']?)\Z", re.ASCII)
_PAIR: Final = re.compile(r"<([^;<>]+);([^;<>]+)>\Z", re.ASCII)


@dataclass(frozen=True, slots=True)
class Version:
    """Numbers of the tags in one version of the registry."""

    hdkey: int
    keypath: int
    coin_info: int
    eckey: int
    address: int
    output: int

    @property
    def tags(self) -> frozenset[int]:
        return frozenset((self.hdkey, self.keypath, self.coin_info, self.eckey, self.address, self.output))


V1: Final = Version(303, 304, 305, 306, 307, 308)
V2: Final = Version(40303, 40304, 40305, 40306, 40307, 40308)

Step = int | None | tuple[int, int]
"""A child number; None for every child (`*`); a pair of them (`<0;1>`)."""


@dataclass(frozen=True, slots=True)
class Key:
    """A public key as a descriptor writes it.

    `fingerprint` and `path` are the origin; a path without a fingerprint is written under 00000000, which no
    wallet of ours registers. `network` tells main from test, since test networks share one spelling.
    """

    public: ExtendedPublicKey | bytes
    network: Network = Network.MAINNET
    fingerprint: bytes | None = None
    path: tuple[int, ...] = ()
    children: tuple[Step, ...] = ()

    @property
    def text(self) -> str:
        """`[fingerprint/path]xpub/children`, in our spelling."""
        public = self.public
        key = public.text(self.network) if isinstance(public, ExtendedPublicKey) else public.hex()
        return f"{self._origin()}{key}{''.join('/' + _step_text(step) for step in self.children)}"

    def _origin(self) -> str:
        if self.fingerprint is None and not self.path:
            return ""
        words = [(self.fingerprint or bytes(4)).hex(), *filter(None, (format_path(self.path),))]
        return f"[{'/'.join(words)}]"

    @classmethod
    def parse(cls, text: str) -> Key:
        """A key expression that is to be sent.

        Raises:
            Malformed: `ur-key-malformed`, and what reading the extended key raises.
        """
        match = _EXPRESSION.match(text)
        if match is None:
            raise _malformed("the text is not [fingerprint/path]xpub or a public key")
        fingerprint, origin, key, children = match.groups()
        network = Network.REGTEST if key.startswith("tpub") else Network.MAINNET
        extended = key[0] in "xt"
        return cls(
            ExtendedPublicKey.parse(key, network) if extended else bytes.fromhex(key),
            network,
            bytes.fromhex(fingerprint) if fingerprint else None,
            parse_path((origin or "").removeprefix("/")),
            tuple(_parse_step(step) for step in children.split("/")[1:]),
        )


def _step_text(step: Step) -> str:
    if step is None:
        return "*"
    if isinstance(step, tuple):
        return f"<{format_path(step[:1])};{format_path(step[1:])}>"
    return format_path((step,))


def _parse_step(text: str) -> Step:
    if text == "*":
        return None
    pair = _PAIR.match(text)
    if pair:
        return _parse_child(pair[1]), _parse_child(pair[2])
    return _parse_child(text)


def _parse_child(text: str) -> int:
    match = _CHILD.match(text)
    if match is None or int(match[1]) >= HARDENED:
        raise _malformed("a step behind the key is no child number, pair or *")
    return int(match[1]) + (HARDENED if match[2] else 0)


# --- reading ------------------------------------------------------------------------------------------------------------------


def fields(value: Cbor, known: range, what: str) -> dict[int, Cbor]:
    """The map of a registry type, with known keys only.

    Raises:
        Malformed: `ur-key-malformed`.
    """
    if not isinstance(value, dict) or not all(key in known for key in value):
        raise _malformed(f"the {what} is no map of the fields {known.start} to {known.stop - 1}")
    return value


def tagged(value: Cbor, tag: int, what: str) -> Cbor:
    """What stands under a tag.

    Raises:
        Malformed: `ur-key-malformed`.
    """
    if not isinstance(value, cbor2.CBORTag) or value.tag != tag:
        raise _malformed(f"the {what} does not stand under tag {tag}")
    inner: Cbor = value.value
    return inner


def read_hdkey(value: Cbor, version: Version) -> Key:
    """An extended public key (BCR-2020-007).

    Raises:
        Malformed: `ur-key-malformed`, `secret-in-code`, and what the key check raises.
    """
    found = fields(value, range(1, 11), "key")
    data = found.get(3)
    if _flag(found, 1) or _flag(found, 2) or (isinstance(data, bytes) and data[:1] == b"\0"):
        content.refuse_as_secret()
    chain_code = found.get(4)
    if not isinstance(data, bytes) or len(data) != curve.PUBKEY_SIZE:
        raise _malformed("the key is not one of 33 bytes")
    if not isinstance(chain_code, bytes) or len(chain_code) != 32:
        raise _malformed("the key has no chain code, so that no addresses derive from it")
    curve.check_pubkey(data, "key")
    for text in (9, 10):
        if not isinstance(found.get(text, ""), str):
            raise _malformed("the name of a key is no text")
    network = _read_network(found.get(5), version)
    fingerprint, path, depth = _read_origin(found.get(6), version)
    children = _read_steps(tagged(found[7], version.keypath, "children"), {1}) if 7 in found else ()
    parent = _fingerprint(found.get(8), "parent")
    if depth is None:
        if parent is not None:
            raise _malformed("the key names a parent, and no path that says how deep it stands")
        depth = 0
    if parent is None and depth == 1:
        parent = fingerprint  # BCR-2020-007: after one step, the source is the parent
    if depth == 0 and parent is not None:
        raise _malformed("a master key names a parent")
    public = ExtendedPublicKey(depth, parent or bytes(4), path[-1] if path and depth else 0, chain_code, data)
    return Key(public, network, fingerprint, path, children)


def _flag(found: dict[int, Cbor], field: int) -> bool:
    value = found.get(field, False)
    if not isinstance(value, bool):
        raise _malformed("a yes or no of a key is neither")
    return value


def _fingerprint(value: Cbor, what: str) -> bytes | None:
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MAX_FINGERPRINT:
        raise _malformed(f"the fingerprint of the {what} has not four bytes")
    # no key has this one; some senders write it for 'unknown'
    return value.to_bytes(4, "big") if value else None


def read_master_fingerprint(value: Cbor) -> bytes:
    """The fingerprint of an account's master key.

    Raises:
        Malformed: `ur-key-malformed`.
    """
    found = _fingerprint(value, "master key")
    if found is None:
        raise _malformed("the account does not say of which master key it is")
    return found


def _read_network(value: Cbor, version: Version) -> Network:
    if value is None:
        return Network.MAINNET
    found = fields(tagged(value, version.coin_info, "coin"), range(1, 3), "coin")
    coin, network = found.get(1, 0), found.get(2, 0)
    if coin is not False and coin == 0 and network in (0, 1) and not isinstance(network, bool):
        return Network.REGTEST if network else Network.MAINNET
    raise _malformed("the key is for another coin or network than Bitcoin's")


def _read_origin(value: Cbor, version: Version) -> tuple[bytes | None, tuple[int, ...], int | None]:
    """Fingerprint, path and depth."""
    if value is None:
        return None, (), None
    inner = tagged(value, version.keypath, "origin")
    steps = _read_steps(inner, {1, 2, 3})
    path = tuple(step for step in steps if isinstance(step, int))
    if len(path) != len(steps):
        raise _malformed("the origin of a key has a step that is no single child")
    found = fields(inner, range(1, 4), "origin")
    depth = found.get(3, len(path))
    if not isinstance(depth, int) or isinstance(depth, bool) or not len(path) <= depth <= MAX_STEPS:
        raise _malformed("the depth of a key is less than its path is long, or beyond 255")
    return _fingerprint(found.get(2), "origin"), path, depth


def _read_steps(value: Cbor, known: set[int]) -> tuple[Step, ...]:
    found = fields(value, range(1, 4), "path")
    parts = found.get(1)
    if not isinstance(parts, list) or not set(found) <= known | {2, 3} or len(parts) > 2 * MAX_STEPS:
        raise _malformed("a path is no list of steps")
    steps: list[Step] = []
    left = iter(parts)
    for part in left:
        if isinstance(part, list) and len(part) == 4:
            steps.append((_child(part[0], part[1]), _child(part[2], part[3])))
        elif part == [] and isinstance(part, list):
            if next(left, None) is not False:
                raise _malformed("a path runs over hardened children, which no public key has")
            steps.append(None)
        else:
            steps.append(_child(part, next(left, None)))
    return tuple(steps)


def _child(number: Cbor, hardened: Cbor) -> int:
    if (
        not isinstance(number, int)
        or isinstance(number, bool)
        or not isinstance(hardened, bool)
        or not 0 <= number < HARDENED
    ):
        raise _malformed("a step of a path is no child number with its yes or no for hardened")
    return number + (HARDENED if hardened else 0)


def read_eckey(value: Cbor) -> Key:
    """A single public key (BCR-2020-008).

    Raises:
        Malformed: `ur-key-malformed`, `secret-in-code`, and what the key check raises.
    """
    found = fields(value, range(1, 4), "key")
    data = found.get(3)
    if _flag(found, 2) or (isinstance(data, bytes) and len(data) == 32):
        content.refuse_as_secret()
    if found.get(1, 0) != 0 or not isinstance(data, bytes) or len(data) != curve.PUBKEY_SIZE:
        raise _malformed("the key is not one of 33 bytes on Bitcoin's curve")
    curve.check_pubkey(data, "key")
    return Key(data)


# --- writing ------------------------------------------------------------------------------------------------------------------


def write_key(key: Key, version: Version) -> cbor2.CBORTag:
    """The key under its tag."""
    public = key.public
    if isinstance(public, bytes):
        return cbor2.CBORTag(version.eckey, {3: public})
    found: dict[int, Cbor] = {3: public.pubkey, 4: public.chain_code}
    if key.network is not Network.MAINNET:
        found[5] = cbor2.CBORTag(version.coin_info, {2: 1})
    origin: dict[int, Cbor] = {1: _write_steps(key.path)}
    if key.fingerprint is not None and any(key.fingerprint):
        origin[2] = int.from_bytes(key.fingerprint, "big")
    if public.depth != len(key.path) or not key.path:
        origin[3] = public.depth
    found[6] = cbor2.CBORTag(version.keypath, origin)
    if key.children:
        found[7] = cbor2.CBORTag(version.keypath, {1: _write_steps(key.children)})
    if any(public.parent_fingerprint):
        found[8] = int.from_bytes(public.parent_fingerprint, "big")
    return cbor2.CBORTag(version.hdkey, found)


def _write_steps(steps: Sequence[Step]) -> list[Cbor]:
    parts: list[Cbor] = []
    for step in steps:
        if step is None:
            parts += [[], False]
        elif isinstance(step, tuple):
            parts.append([part for child in step for part in _write_child(child)])
        else:
            parts += _write_child(step)
    return parts


def _write_child(child: int) -> list[Cbor]:
    return [child % HARDENED, child >= HARDENED]


def _malformed(message: str) -> Malformed:
    return Malformed("ur-key-malformed", message)
