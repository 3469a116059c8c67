"""Run a campaign, go on with it, run one of its cases again, or say how far they all are (docs/campaigns.md).

    .venv/bin/python -m tests.campaigns differential --seed 1 --minutes 30
    .venv/bin/python -m tests.campaigns hostile --seed 7 --cases 100000 --jobs 2
    .venv/bin/python -m tests.campaigns fuzz-psbt --seed 1 --minutes 60
    .venv/bin/python -m tests.campaigns differential --seed 1 --again 4711
    .venv/bin/python -m tests.campaigns --report

A run goes on at the first case of its seed that was not run at this state of the code. It may be ended at any time, by Ctrl-C,
SIGTERM or kill -9: what is lost is the batches under way.
"""

from __future__ import annotations

import argparse
import itertools
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

from tests.campaigns import ledger, ranges
from tests.campaigns.campaign import Campaign, Finding, FreeCampaign, Limit, find
from tests.campaigns.progress import Busy, RunFile, recover
from tests.campaigns.version import ROOT, fingerprint
from tests.campaigns.workers import Workers, once

PAGE = Path(os.environ.get("FALCONER_CAMPAIGNS_LEDGER", ROOT / "docs" / "campaigns.md"))
STATE = Path(os.environ.get("FALCONER_CAMPAIGNS_STATE", ROOT / ".campaigns"))

AIMS = {"differential": 1_000_000, "fuzz": 100_000_000, "hostile": 3_000_000}
"""By campaign; all fuzz targets together."""


class Stopped(BaseException):
    """Ctrl-C or SIGTERM."""


def main() -> None:
    given = _arguments()
    if given.report:
        print(report(ledger.read(PAGE)))
        return
    campaign = find(given.campaign)
    if given.again is not None:
        raise SystemExit(_again(campaign, given.seed, given.again))
    for entry in recover(STATE, PAGE):
        print(
            f"a run of {entry.campaign} had been killed; now in the ledger: {entry.cases} cases",
            file=sys.stderr,
        )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        run = RunFile(STATE, campaign.name, given.seed, isinstance(campaign, Campaign))
    except Busy as busy:
        raise SystemExit(str(busy)) from None
    limit = Limit(given.cases, given.minutes * 60 if given.minutes is not None else None)
    if isinstance(campaign, Campaign):
        done = _numbered(campaign, given.seed, limit, given.jobs, run)
    else:
        done = _free(campaign, given.seed, limit, given.jobs, run)
    found = 0
    try:
        for finding in done:
            found += 1
            print(f"case {finding.case}: {finding.summary}", flush=True)
    except Stopped:
        print("stopped; batches under way are not counted", file=sys.stderr)
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        line = run.close(PAGE)
    print(line.line() if line else "no batch was finished")
    raise SystemExit(1 if found else 0)


def _again(campaign: Campaign | FreeCampaign, seed: int, case: int) -> int:
    if not isinstance(campaign, Campaign):
        raise SystemExit(
            f"{campaign.name} keeps what it found in {STATE / campaign.name}; give that to the target"
        )
    findings = once(campaign, seed, case)
    for finding in findings:
        print(f"case {finding.case}: {finding.summary}")
    return 1 if findings else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns", description=__doc__.split("\n")[0])
    parser.add_argument("campaign", nargs="?", help="differential, hostile, or fuzz-TARGET")
    parser.add_argument("--seed", type=int, default=1, help="cases are numbered anew for each seed (1)")
    parser.add_argument("--cases", type=int, help="how many to run now")
    parser.add_argument("--minutes", type=float, help="how long to run now")
    parser.add_argument("--jobs", type=int, default=1, help="processes (1)")
    parser.add_argument("--again", type=int, metavar="CASE", help="run this case alone; nothing is written")
    parser.add_argument("--report", action="store_true", help="print totals beside the aims")
    given = parser.parse_args()
    if not given.report and not given.campaign:
        parser.error("say which campaign, or --report")
    if not given.report and given.again is None and given.cases is None and given.minutes is None:
        parser.error("say --cases or --minutes")
    return given


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise Stopped


def _numbered(campaign: Campaign, seed: int, limit: Limit, jobs: int, run: RunFile) -> Iterator[Finding]:
    code = fingerprint(campaign.name)
    done = ranges.merged(
        pair
        for entry in ledger.read(PAGE)
        if (entry.campaign, entry.seed, entry.code) == (campaign.name, seed, code)
        for pair in entry.ranges
    )
    until = None if limit.seconds is None else time.monotonic() + limit.seconds
    workers = Workers(campaign, seed, jobs)
    try:
        for batch in workers.run(_at_most(ranges.holes(done), limit.cases), until):
            run.batch(batch.first, batch.last, batch.findings)
            yield from batch.findings
    finally:
        workers.close()


def _at_most(holes: Iterator[tuple[int, int | None]], cases: int | None) -> Iterator[tuple[int, int | None]]:
    """The first so many cases of those holes."""
    left = cases
    for first, last in holes:
        if left is None:
            yield first, last
        elif left > 0:
            end = first + left - 1 if last is None else min(last, first + left - 1)
            left -= end - first + 1
            yield first, end


def _free(campaign: FreeCampaign, seed: int, limit: Limit, jobs: int, run: RunFile) -> Iterator[Finding]:
    folder = STATE / campaign.name
    folder.mkdir(parents=True, exist_ok=True)
    reports = campaign.explore(seed, limit, jobs, folder)
    try:
        for report_ in reports:
            run.progress(report_)
            yield from report_.findings
    finally:
        close = getattr(reports, "close", None)
        if close is not None:
            close()


def report(entries: list[ledger.Entry]) -> str:
    """Totals by campaign beside the aims; only different cases count."""
    lines = [
        f"{'campaign':<28}{'runs':>6}{'cases run':>14}{'different':>14}{'findings':>10}{'aim':>14}{'reached':>9}"
    ]
    totals = ledger.totals(entries)

    def group(name: str) -> str:
        return "fuzz" if name.startswith("fuzz-") else name

    for kind, names in itertools.groupby(
        sorted({*totals, *(AIMS.keys() - {group(n) for n in totals})}, key=group), key=group
    ):
        own = [(name, totals.get(name, (0, 0, 0, 0))) for name in names]
        if kind == "fuzz":
            lines += [
                f"  {name:<26}{row[0]:>6}{row[1]:>14,}{row[2]:>14,}{row[3]:>10}"
                for name, row in own
                if name in totals
            ]
        runs, cases, different, found = (sum(row[n] for _, row in own) for n in range(4))
        aim = AIMS.get(kind)
        reached = f"{aim:>14,}{100 * different / aim:>8.1f}%" if aim else ""
        lines.append(f"{kind:<28}{runs:>6}{cases:>14,}{different:>14,}{found:>10}{reached}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
