"""From a descriptor to the scripts of its places, quickly.

The keys of both branches are derived once; after that a place costs one point addition per key. The last
places are remembered, because verification asks for the same ones again (input, change, window).
"""

from __future__ import annotations

from falconer_shared.bitcoin.bip32 import ChildKeys
from falconer_shared.descriptor.ast import BRANCHES, MAX_INDEX, Node, Scripts

MAX_REMEMBERED = 4096
"""Places kept: a few megabytes, more than the inputs of any standard transaction (A064)."""


class Deriver:
    """The scripts of one descriptor. A cache and nothing else: it says the same as `node.script`."""

    __slots__ = ("_branch_keys", "_indexes", "_node", "_places", "_searched")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._branch_keys = {
            branch: tuple(ChildKeys(key.xpub.derive(branch)) for key in node.keys) for branch in BRANCHES
        }
        self._places: dict[tuple[int, int], Scripts] = {}
        # of each branch: a range whose places were all looked at, and the indexes of their scripts
        self._searched = dict.fromkeys(BRANCHES, range(0))
        self._indexes: dict[int, dict[bytes, int]] = {branch: {} for branch in BRANCHES}

    def scripts(self, branch: int, index: int) -> Scripts:
        """The scripts of a place.

        Raises:
            ValueError: no such branch or index: a caller checks what comes from outside first.
        """
        place = (branch, index)
        scripts = self._places.get(place)
        if scripts is None:
            if branch not in BRANCHES or not 0 <= index <= MAX_INDEX:
                raise ValueError(f"no place {branch}/{index}")
            scripts = self._node.assemble([keys.pubkey(index) for keys in self._branch_keys[branch]])
            if len(self._places) >= MAX_REMEMBERED:
                self._places.clear()
            self._places[place] = scripts
        return scripts

    def find(self, script_pubkey: bytes, branch: int, indexes: range) -> int | None:
        """The index of these whose script that is; None where there is none.

        The scripts of the last range are kept: verification asks for ranges that hardly move.
        """
        found, searched = self._indexes[branch], self._searched[branch]
        if indexes != searched:
            found = {script: index for script, index in found.items() if index in indexes}
            for index in indexes:
                if index not in searched:
                    found[self.scripts(branch, index).script_pubkey] = index
            self._searched[branch], self._indexes[branch] = indexes, found
        return found.get(script_pubkey)

    def derivations(self, branch: int, index: int) -> dict[bytes, tuple[bytes, tuple[int, ...]]]:
        """Public key to (master fingerprint, whole path) of a place: what PSBT derivation fields say (BIP
        174).
        """
        pubkeys = self.scripts(branch, index).pubkeys
        return {
            pubkey: (key.fingerprint, key.path(branch, index))
            for pubkey, key in zip(pubkeys, self._node.keys, strict=True)
        }
