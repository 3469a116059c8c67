"""One way to say which refusal a test expects: by its id, which is the interface."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pytest

from falconer_shared.errors import FalconerError

T = TypeVar("T")


@contextmanager
def refused(
    rule: str, kind: type[FalconerError] = FalconerError
) -> Iterator[pytest.ExceptionInfo[FalconerError]]:
    """The block must raise a refusal of class `kind` (exactly, where one is given) with this id."""
    with pytest.raises(kind) as caught:
        yield caught
    assert caught.value.rule == rule, f"refused as {caught.value.rule}: {caught.value.message}"
    if kind is not FalconerError:
        assert type(caught.value) is kind
    message = caught.value.message
    assert message
    assert message.isascii()
    assert "\n" not in message


def outcome(call: Callable[[], T]) -> tuple[T | None, str | None]:
    """What a call gives, or the id of its refusal: for properties that hold either way. Any other exception is a failure."""
    try:
        return call(), None
    except FalconerError as refusal:
        return None, refusal.rule
