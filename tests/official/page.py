"""The ledger as a page for people: docs/official-vectors.md."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from tests.official.cases import ACCEPTED, OUT_OF_SCOPE, OUTCOMES, REFUSED, SKIPPED
from tests.official.ledger import Line
from tests.official.parts import ELSEWHERE, PARTS, UNUSED

PATH = Path(__file__).resolve().parents[2] / "docs" / "official-vectors.md"

HEAD = """# Official vectors, case by case

Every published vector that concerns what Falconer reads is run through shipped code, and every case comes to one of four ends:

* **accepted**: its authors call it valid, it is taken, and every result that it states comes out;
* **refused**: its authors call it invalid, and it is refused by one of the rules of [rules.md](rules.md);
* **out of scope**: valid, and refused here by a rule, on purpose; the reason stands below;
* **skipped**: not run; the reason stands below.

There is no fifth. An invalid case that is taken, or a valid one that is refused for no stated reason, fails the test.

This page is written by `python -m tests.official --write` from `tests/official/ledger.tsv`, which names every single case, and
`tests/official/test_vectors.py` compares all three with what happens: a case that changes its end fails, and so does a file of
the collection that is in none of the tables. The same bytes are tried in more than one part where that says more:

* `parse`: read strictly and given back byte for byte; PSBTs also converted to the other version and back;
* `judge`: a PSBT that parses is handed to `verify` with a wallet that has no part in it (BitBox: with its own), and what must not
  pass must be refused;
* `spend`: finished inputs go through the check that the Finalizer makes of its own work, which knows our templates alone;
* `text`, `scripts`: a descriptor as it is written, and the output scripts that a vector states for a form that we have.

"""


def page(lines: Sequence[Line]) -> str:
    """The whole page, from the ledger's lines and the reasons of the parts."""
    return HEAD + "\n".join(_body(lines)) + "\n"


def _body(lines: Sequence[Line]) -> Iterator[str]:
    total = _sums(lines)
    yield "| file | part | accepted | refused | out of scope | skipped |"
    yield "|---|---|---:|---:|---:|---:|"
    for part in PARTS:
        sums = _sums(line for line in lines if (line.file, line.part) == (part.file, part.name))
        yield (
            f"| `{_short(part.file)}` | {part.name} | "
            + " | ".join(str(sums[each]) for each in OUTCOMES)
            + " |"
        )
    yield "| **all** | | " + " | ".join(f"**{total[each]}**" for each in OUTCOMES) + " |"
    yield ""
    yield from _reasons("Out of scope: valid, refused on purpose", OUT_OF_SCOPE, lines)
    yield from _reasons("Skipped: not run", SKIPPED, lines)
    yield "## What invalid cases are refused by"
    yield ""
    rules = Counter[str]()
    for line in lines:
        if line.outcome == REFUSED:
            rules[line.reason] += line.count
    yield ", ".join(f"`{rule}` {rules[rule]}" for rule in sorted(rules)) + "."
    yield ""
    yield "## Files that another test reads"
    yield ""
    yield "| file | test |"
    yield "|---|---|"
    yield from (f"| `{_short(file)}` | `{test}` |" for file, test in ELSEWHERE.items())
    yield ""
    yield "## Files that nothing here could run"
    yield ""
    yield "| file | reason |"
    yield "|---|---|"
    yield from (f"| `{_short(file)}` | {reason} |" for file, reason in UNUSED.items())


def _sums(lines: Iterable[Line]) -> Counter[str]:
    sums = Counter(dict.fromkeys((ACCEPTED, REFUSED, OUT_OF_SCOPE, SKIPPED), 0))
    for line in lines:
        sums[line.outcome] += line.count
    return sums


def _reasons(title: str, outcome: str, lines: Sequence[Line]) -> Iterator[str]:
    known = {
        (part.file, part.name, key): reason
        for part in PARTS
        for key, reason in (part.scope if outcome == OUT_OF_SCOPE else part.skips).items()
    }
    yield f"## {title}"
    yield ""
    yield f"| file | part | {'rule' if outcome == OUT_OF_SCOPE else 'what'} | cases | reason |"
    yield "|---|---|---|---:|---|"
    for line in lines:
        if line.outcome == outcome:
            key = f"`{line.reason}`" if outcome == OUT_OF_SCOPE else line.reason
            reason = known[line.file, line.part, line.reason]
            yield f"| `{_short(line.file)}` | {line.part} | {key} | {line.count} | {reason} |"
    yield ""


def _short(file: str) -> str:
    """Enough of a path to know the file by: who made it, and its name."""
    first, *middle, name = file.split("/")
    if first == "json" or not middle:
        return name
    return f"{middle[0]}/{name}" if middle[0] != "bitcoin_bips" else f"{middle[1]}/{name}"
