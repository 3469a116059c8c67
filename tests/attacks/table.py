"""docs/attacks.md, written from the catalogue and from what the cases declare: `python -m tests.attacks.table` writes it."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from pathlib import Path

from tests.attacks.catalogue import GROUPS, PENDING, TITLES
from tests.attacks.trial import Case
from tests.conftest import PROJECT

PAGE = PROJECT / "docs" / "attacks.md"
MODULES = sorted(path.stem for path in Path(__file__).parent.glob("test_*.py") if path.stem != "test_table")

HEAD = """# Attacks

Attacks on signers of Bitcoin that were documented somewhere, by number, and what comes of each here. A case takes a valid
thing (a payment, a file, a text, frames, a state), shows that it is accepted, makes one change, and shows that the change is
refused under exactly the named id of [rules.md](rules.md). Where no refusal is needed because the attack finds nothing to
hold on to, the table says what prevents it, and the case tests that.

This page is written by `python -m tests.attacks.table` from what the cases declare, and a test compares it. The cases are in
`tests/attacks/`; `pytest tests/attacks -k A001` runs those of one attack.
"""


def cases() -> dict[str, list[tuple[str, Case]]]:
    """By attack: the module and the case."""
    found: dict[str, list[tuple[str, Case]]] = {}
    for module in MODULES:
        for case in importlib.import_module(f"tests.attacks.{module}").attack.cases:
            found.setdefault(case.attack, []).append((module, case))
    return found


def render() -> str:
    """The whole page."""
    tried = cases()
    lines = [HEAD, f"{len(tried)} of {len(TITLES)} are tried, in {sum(map(len, tried.values()))} cases.", ""]
    for attack, title in TITLES.items():
        if attack in GROUPS:
            lines += [
                "",
                f"## {GROUPS[attack]}",
                "",
                "| id | attack | refused by, or prevented by | cases |",
                "|---|---|---|---|",
            ]
        if attack in PENDING:
            component, reason = PENDING[attack]
            lines.append(f"| {attack} | {title} | *pending: {component}*: {reason} | - |")
        else:
            lines.append(f"| {attack} | {title} | {_against(tried[attack])} | {_named(tried[attack])} |")
    return "\n".join(lines) + "\n"


def _against(found: Iterable[tuple[str, Case]]) -> str:
    rules = sorted({rule for _, case in found for rule in case.rules})
    words = [f"`{rule}`" for rule in rules]
    sentences = list(dict.fromkeys(case.prevented for _, case in found if case.prevented))
    return "; ".join([", ".join(words), *sentences] if words else sentences)


def _named(found: Iterable[tuple[str, Case]]) -> str:
    by_module: dict[str, list[str]] = {}
    for module, case in found:
        by_module.setdefault(module, []).append(case.name)
    return "; ".join(f"{module}: {', '.join(names)}" for module, names in by_module.items())


if __name__ == "__main__":
    PAGE.write_text(render())
