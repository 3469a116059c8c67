"""The type of what is reported as JSON."""

from __future__ import annotations

from typing import TypeAlias

Json: TypeAlias = "bool | int | str | list[Json] | dict[str, Json] | None"
"""One JSON value; no floats, since amounts are whole satoshis."""
