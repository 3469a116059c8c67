"""How one module alone may make a trusted type.

A `Seal` belongs to the module that creates it. A trusted dataclass takes it as `seal: InitVar[Seal]` and
calls `MINT.check(seal)` in `__post_init__`, so code elsewhere cannot construct the type without importing a
private name, which the linter sees, and `dataclasses.replace` fails because an `InitVar` has no value to
copy.

This guards against mistakes. It is no defence against hostile code inside the process: Python has none.
"""

from __future__ import annotations


class Seal:
    """The right to mint trusted types, held by one module as a private constant."""

    __slots__ = ("_owner",)

    def __init__(self, owner: str) -> None:
        self._owner = owner

    def check(self, presented: object) -> None:
        """Accept only this very seal.

        Raises:
            TypeError: another seal, or something else: a programmer's mistake, never a refusal.
        """
        if presented is not self:
            raise TypeError(f"this type is made by {self._owner} alone")

    def __copy__(self) -> Seal:
        raise TypeError("a seal cannot be copied")

    def __deepcopy__(self, _memo: object) -> Seal:
        raise TypeError("a seal cannot be copied")

    def __reduce__(self) -> str:
        raise TypeError("a seal cannot be pickled")
