"""What a target is: a function that takes any bytes, and may say yes or no, but never anything else.

`check` gives True when the product took the input and False when it refused it with one of the errors of errors.py. Everything
else that a target demands of an input it accepts is an assertion; an assertion, or any other exception, is a finding.

Seeds are made by the tests' own builders whenever they are needed, always the same. So nothing binary lies in the repository that
could fall behind the formats; what libFuzzer adds to them stays in a folder that is not committed.
"""

from __future__ import annotations

import hashlib
import importlib
import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from falconer_shared.errors import FalconerError

T = TypeVar("T")

Check = Callable[[bytes], bool]
Mutate = Callable[[bytes, random.Random], bytes]

REGRESSIONS = Path(__file__).parent / "regressions"
"""One folder for each target: inputs that once broke something, for ever."""


@dataclass(frozen=True)
class Target:
    """`mutate` knows the structure; None where changing bytes at random gets far enough. `max_len` in bytes."""

    name: str
    check: Check
    seeds: Callable[[], Mapping[str, bytes]]
    mutate: Mutate | None
    max_len: int


NAMES = (
    "address",
    "audit",
    "canonical",
    "cbor",
    "codes",
    "descriptor",
    "envelope",
    "judge",
    "lists",
    "policy",
    "private",
    "psbt",
    "registry",
    "sshsig",
    "transaction",
    "ur",
    "wallet",
)
"""Every target, by the name of its module in `targets`."""


def load(name: str) -> Target:
    """The target of that name."""
    if name not in NAMES:
        raise KeyError(f"no target is called {name}; there are {', '.join(NAMES)}")
    module = importlib.import_module(f"tests.fuzz.targets.{name}")
    return Target(name, module.check, module.seeds, getattr(module, "mutate", None), module.MAX_LEN)


def corpus(target: Target) -> Iterator[tuple[str, bytes]]:
    """Seeds and regressions, by name."""
    yield from target.seeds().items()
    for path in sorted((REGRESSIONS / target.name).glob("*")):
        yield path.name, path.read_bytes()


def write_corpus(target: Target, folder: Path) -> None:
    """Seeds and regressions as files that libFuzzer takes."""
    folder.mkdir(parents=True, exist_ok=True)
    for _, data in corpus(target):
        (folder / hashlib.sha1(data).hexdigest()).write_bytes(data)  # noqa: S324 - libFuzzer's own way to name files


def attempt(call: Callable[[], T]) -> T | None:
    """What a call gives, or None where it refuses; a refusal must be one that a person can read on any terminal."""
    try:
        return call()
    except FalconerError as refusal:
        check_refusal(refusal)
        return None


def check_refusal(refusal: FalconerError) -> None:
    """Untrusted bytes in a refusal are escaped and short, and it has an id."""
    assert type(refusal) is not FalconerError
    assert refusal.rule
    assert refusal.rule.replace("-", "").isalnum()
    for text in (refusal.message, refusal.remedy, *refusal.details.values()):
        assert (
            text is None
            or isinstance(text, int)
            or (text.isascii() and text.isprintable() and len(text) < 2_000)
        ), refusal
