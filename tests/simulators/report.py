"""What a campaign provoked: which refusals by id, what was signed, and which check's absence it would notice.

    .venv/bin/python -m tests.simulators.report --seed 1 --cases 20000
    .venv/bin/python -m tests.simulators.report --blind                  each check of test_oracle taken out, against all edits

Ids are those that can be met on the way from the bytes of a request to a signature: raised in the packages below.
"""

from __future__ import annotations

import argparse
import importlib.machinery
import importlib.util
import sys
import time
from pathlib import Path
from types import ModuleType

import pytest

from tests.simulators.campaign import Hostile

ROOT = Path(__file__).resolve().parents[2]

_JUDGING = (
    "psbt/", "verify/", "wallet/ownership", "approval/", "policy/engine", "policy/rules/", "exchange/envelope",
    "exchange/lines", "exchange/receipt", "exchange/request", "sshsig/", "canonical", "bitcoin/transaction", "bitcoin/address",
    "bitcoin/network", "encoding/base58", "encoding/bech32", "encoding/reader", "falconer_offline/review",
)  # fmt: skip


def catalogue() -> dict[str, list[str]]:
    """Every such id, with the places that raise it, as scripts/check_rules reads them out of the sources."""
    loader = importlib.machinery.SourceFileLoader("check_rules", str(ROOT / "scripts" / "check_rules"))
    spec = importlib.util.spec_from_loader("check_rules", loader)
    if spec is None:
        raise RuntimeError("scripts/check_rules cannot be loaded")
    module: ModuleType = importlib.util.module_from_spec(spec)
    sys.modules["check_rules"] = module
    loader.exec_module(module)
    found = module.read_sources(ROOT)
    return {
        rule: places
        for rule, places in found.places.items()
        if any(part in place for place in places for part in _JUDGING)
    }


def report(seed: int, cases: int) -> None:
    game = Hostile()
    begun = time.process_time()
    findings = game.run(seed, 0, cases)
    seconds = time.process_time() - begun
    tally = game.tally
    print(
        f"{cases} cases of seed {seed}: {cases / seconds:.0f} a second of one core, {len(findings)} findings"
    )
    print(
        f"signed {tally.signed} ({tally.void} of them worthless), honest {dict(tally.honest)}, harmless {dict(tally.harmless)}"
    )
    known = catalogue()
    met = {rule: count for rule, count in tally.refusals.most_common() if rule in known}
    print(f"refusals: {len(tally.refusals)} ids; of {len(known)} that a request can meet, {len(met)}")
    print("  " + " ".join(f"{rule}={count}" for rule, count in tally.refusals.most_common()))
    print("not met: " + " ".join(sorted(known.keys() - met.keys())))
    print(
        "edits in signed requests: "
        + " ".join(f"{n}={c}/{tally.edited[n]}" for n, c in tally.signed_with.most_common())
    )
    for finding in findings:
        print(f"case {finding.case}: {finding.summary}")


def blind(most: int) -> None:
    from tests.simulators.test_oracle import DISABLED, first_finding

    for name, (patch, wanted, _, _) in DISABLED.items():
        with pytest.MonkeyPatch.context() as context:
            patch(context)
            found = first_finding(wanted, most=most)
        print(f"{name}: {f'case {found[0]}: {found[1][:140]}' if found else 'NOT FOUND'}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--blind", action="store_true")
    given = parser.parse_args()
    blind(60_000) if given.blind else report(given.seed, given.cases)
