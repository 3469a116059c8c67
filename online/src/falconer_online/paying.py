"""Whom to pay and how much, as people write it: addresses, names of the address book, URIs, files of many.

Every way ends in the same `Payee`. A name stands for what the administrators signed under it, so it is the way
that no malware on a clipboard reaches (A122).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from falconer_online.build import Payee
from falconer_shared.bitcoin.address import address_of, script_of
from falconer_shared.bitcoin.network import Network
from falconer_shared.descriptor.ast import RECEIVE, Node
from falconer_shared.descriptor.derive import Deriver
from falconer_shared.errors import UsageError
from falconer_shared.policy.destinations import REACH
from falconer_shared.policy.parts import NamedAddress
from falconer_shared.text import safe
from falconer_shared.units import MAX_MONEY, Amount

NAME_MARK = "@"
"""Begins a name of the address book; no address does."""


@dataclass(frozen=True, slots=True)
class AddressBook:
    """The address lines of a policy. `paid` are scripts that were paid before, or are to be paid already."""

    network: Network
    entries: Sequence[NamedAddress] = ()
    paid: Collection[bytes] = field(default_factory=frozenset)

    def destination(self, text: str) -> tuple[str, bytes]:
        """The address, in its one spelling, and the script of an address or of `@name`.

        Raises:
            UsageError: `address-book-unknown`, `address-book-exhausted`. What reading the address raises.
        """
        if not text.startswith(NAME_MARK):
            script = script_of(text, self.network)
            return address_of(script, self.network), script
        name = text.removeprefix(NAME_MARK)
        for entry in self.entries:
            if entry.name == name:
                chosen = entry.script if entry.descriptor is None else self._fresh(name, entry.descriptor)
                if chosen is not None:
                    return address_of(chosen, self.network), chosen
        names = ", ".join(entry.name for entry in self.entries[:20]) or "none"
        raise UsageError(
            "address-book-unknown",
            f"the policy has no address called '{safe(name, 64)}'",
            remedy=f"its names: {names}",
        )

    def _fresh(self, name: str, descriptor: Node) -> bytes:
        """The first receive address of a descriptor that nobody here paid: each of its addresses is used once."""
        deriver = Deriver(descriptor)
        for index in range(REACH):
            script = deriver.scripts(RECEIVE, index).script_pubkey
            if script not in self.paid:
                return script
        raise UsageError(
            "address-book-exhausted",
            f"all {REACH} addresses of '{safe(name, 64)}' were paid",
            remedy="the administrators give it a new account in the policy",
        )


def parse_sats(text: str) -> Amount | None:
    """A whole number of satoshis above 0 without sign, point or separator; None where it is none."""
    if not text.isascii() or not text.isdigit() or len(text) > 16 or not 0 < int(text) <= MAX_MONEY:
        return None
    return Amount(int(text))


def parse_payment(text: str, book: AddressBook) -> Payee:
    """`ADDRESS=SATS` or `@NAME=SATS`.

    Raises:
        UsageError: `payment-malformed`, and what `AddressBook.destination` raises.
    """
    destination, _, sats = text.partition("=")
    amount = parse_sats(sats)
    if amount is None:
        raise UsageError(
            "payment-malformed",
            f"'{safe(text, 120)}' is not a payment like bcrt1q...=250000 or @supplier=250000 (whole satoshis)",
        )
    address, script = book.destination(destination)
    return Payee(address, script, amount)
