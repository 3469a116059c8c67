"""Files of many payments: CSV lines `address,sats[,label]`.

All of a file is read, or nothing of it: the first thing that is not right is refused with its line and column.
A first line that names the columns is passed over.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Final

from falconer_online.build import Payee
from falconer_online.labels import MAX_LABEL
from falconer_online.paying import AddressBook, parse_sats
from falconer_shared.approval.intent import MAX_PAYMENTS
from falconer_shared.errors import FalconerError, UsageError
from falconer_shared.text import safe

MAX_BATCH_FILE: Final = 128 * 1024
"""Bytes: more than the longest lines of as many payments as a proposal holds."""

_HEADERS: Final = (["address", "sats"], ["address", "sats", "label"])


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A payment and its label, which may be empty."""

    payee: Payee
    label: str


def parse(data: bytes, book: AddressBook) -> tuple[BatchLine, ...]:
    """Read a batch file.

    Raises:
        UsageError: `batch-malformed`, with line and column; `payments-too-many`.
    """
    try:
        # utf-8-sig: spreadsheets put a mark before the first byte
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong(data.count(b"\n", 0, error.start) + 1, 1, "the file is not UTF-8 text") from None
    if "\0" in text:
        raise wrong(text[: text.index("\0")].count("\n") + 1, 1, "the file holds a NUL character")
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    found: list[BatchLine] = []
    lines: dict[bytes, int] = {}
    try:
        for fields in reader:
            if not fields or (reader.line_num == 1 and fields in _HEADERS):
                continue
            if len(found) == MAX_PAYMENTS:
                raise UsageError(
                    "payments-too-many",
                    f"line {reader.line_num}: one proposal holds {MAX_PAYMENTS} payments",
                    remedy="split the file",
                    limit=MAX_PAYMENTS,
                )
            line = _line(fields, reader.line_num, book)
            if line.payee.script in lines:
                raise wrong(
                    reader.line_num,
                    1,
                    f"the same destination as in line {lines[line.payee.script]}: add the two up",
                )
            lines[line.payee.script] = reader.line_num
            found.append(line)
    except csv.Error as error:
        raise wrong(reader.line_num, 1, f"not CSV: {safe(str(error))}") from None
    if not found:
        raise wrong(1, 1, "the file holds no payment")
    return tuple(found)


def _line(fields: list[str], number: int, book: AddressBook) -> BatchLine:
    if len(fields) not in {2, 3}:
        why = " (are they separated by semicolons?)" if len(fields) == 1 and ";" in fields[0] else ""
        raise wrong(
            number, len(fields), f"{len(fields)} columns where address,sats or address,sats,label stand{why}"
        )
    try:
        address, script = book.destination(fields[0])
    except FalconerError as problem:
        raise wrong(number, 1, problem.message) from None
    amount = parse_sats(fields[1])
    if amount is None:
        raise wrong(number, 2, f"'{safe(fields[1], 40)}' is not a whole number of satoshis above 0")
    label = fields[2] if len(fields) == 3 else ""
    if len(label) > MAX_LABEL:
        raise wrong(number, 3, f"a label has at most {MAX_LABEL} characters, this one {len(label)}")
    return BatchLine(Payee(address, script, amount), label)


def wrong(line: int, column: int, problem: str) -> UsageError:
    """A refusal that says where."""
    return UsageError(
        "batch-malformed",
        f"line {line}, column {column}: {problem}",
        remedy="nothing was proposed: correct the file and repeat",
        line=line,
        column=column,
    )
