"""The commands that run campaigns: what a kill loses, what the ledger keeps, and that a case is the same wherever it runs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.campaigns import ledger, ranges
from tests.campaigns.__main__ import report
from tests.campaigns.campaign import Campaign, Finding, FreeCampaign, find, random_of
from tests.campaigns.ledger import HEAD, RULE, Entry
from tests.campaigns.version import ROOT

PAGE = f"# Page\n\n{HEAD}\n{RULE}\n\nWords after the table.\n"

ENTRY = Entry(
    "2025-01-02 03:04:05", "differential", "0123abcd", "89abcdef", 7, ((0, 99),), 100, "50", "none", "2 cores, X"
)  # fmt: skip


class Desk:
    """A ledger and a state folder of a test's own, and the command that uses them."""

    def __init__(self, folder: Path) -> None:
        self.page = folder / "campaigns.md"
        self.page.write_text(PAGE)
        self.state = folder / "state"

    def environment(self, seconds: float = 0) -> dict[str, str]:
        return {
            **os.environ,
            "FALCONER_CAMPAIGNS_LEDGER": str(self.page),
            "FALCONER_CAMPAIGNS_STATE": str(self.state),
            "FALCONER_SELFTEST_SECONDS": str(seconds),
        }

    def start(self, *words: str, seconds: float = 0) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "tests.campaigns", *words],
            cwd=ROOT, env=self.environment(seconds), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, *words: str) -> tuple[int, str]:
        process = self.start(*words)
        output, errors = process.communicate(timeout=120)
        assert "Traceback" not in errors, errors
        return process.returncode, output

    def entries(self) -> list[Entry]:
        return ledger.read(self.page)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def expected(seed: int, last: int) -> set[int]:
    return {case for case in range(last + 1) if random_of("selftest", seed, case).randrange(100) < 3}


def found(output: str) -> set[int]:
    return {
        int(line.split(":")[0].removeprefix("case "))
        for line in output.splitlines()
        if line.startswith("case ")
    }


def test_a_run_goes_on_where_the_last_one_ended_and_finds_what_any_division_of_the_cases_finds(
    desk: Desk,
) -> None:
    status, first = desk.run("selftest", "--seed", "3", "--cases", "130", "--jobs", "2")
    assert status == 1
    _, second = desk.run("selftest", "--seed", "3", "--cases", "70")
    assert found(first) | found(second) == expected(3, 199)
    assert not found(first) & found(second)
    assert [entry.ranges for entry in desk.entries()] == [((0, 129),), ((130, 199),)]
    assert sum(entry.found for entry in desk.entries()) == len(expected(3, 199))
    assert list(desk.state.iterdir()) == []
    # another seed begins at its own first case
    desk.run("selftest", "--seed", "4", "--cases", "5")
    assert desk.entries()[-1].ranges == ((0, 4),)


def test_a_case_that_raises_or_kills_its_process_is_found_alone(desk: Desk) -> None:
    _, output = desk.run("selftest", "--seed", "1", "--cases", "120")
    assert "case 107: the process ended with status -11" in output
    assert "case 21: ArithmeticError: this one raises | always" in output
    assert desk.entries()[0].cases == 120


def test_one_case_runs_again_alone(desk: Desk) -> None:
    assert random_of("selftest", 1, 120).randrange(100) == 2
    assert desk.run("selftest", "--seed", "1", "--again", "120") == (1, "case 120: drew 2\n")
    assert desk.run("selftest", "--seed", "1", "--again", "0") == (0, "")
    assert desk.entries() == []


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda how: how.name)
def test_what_was_done_before_a_kill_is_kept(desk: Desk, how: signal.Signals) -> None:
    process = desk.start("selftest", "--seed", "5", "--cases", "1000000", seconds=0.005)
    file = desk.state / "selftest 5.jsonl"
    while not (file.exists() and file.read_text().count("\n") > 4):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, how)
    process.communicate(timeout=30)
    killed = how is signal.SIGKILL
    assert len(desk.entries()) == (0 if killed else 1)
    if killed:
        # the kill may fall into the writing of a line
        file.write_text(file.read_text() + '{"first": 9')
    desk.run("selftest", "--seed", "5", "--cases", "20")
    first, second = desk.entries()
    assert first.cases > 4
    assert second.ranges[0][0] == first.ranges[-1][1] + 1 or ranges.size(first.ranges) == first.cases
    assert not set(numbers(first)) & set(numbers(second))
    assert set(numbers(first)) | set(numbers(second)) >= set(range(20))


def numbers(entry: Entry) -> list[int]:
    return [case for first, last in entry.ranges for case in range(first, last + 1)]


def test_workers_do_not_outlive_a_killed_run(desk: Desk) -> None:
    process = desk.start("selftest", "--seed", "5", "--cases", "1000000", "--jobs", "2", seconds=0.005)
    file = desk.state / "selftest 5.jsonl"
    while not (file.exists() and file.read_text().count("\n") > 2):
        time.sleep(0.01)
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    children = [pid for pid in listed if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(children) == 2
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=30)
    for _ in range(500):
        if not any(alive(pid) for pid in children):
            return
        time.sleep(0.01)
    pytest.fail("a worker goes on without anybody to report to")


def alive(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_seed_is_run_by_one_process_at_a_time(desk: Desk) -> None:
    process = desk.start("selftest", "--seed", "5", "--cases", "1000000", seconds=0.005)
    file = desk.state / "selftest 5.jsonl"
    while not (file.exists() and file.read_text().count("\n") > 1):
        time.sleep(0.01)
    other = desk.start("selftest", "--seed", "5", "--cases", "1")
    _, errors = other.communicate(timeout=30)
    assert other.returncode == 1
    assert "is running already" in errors
    process.terminate()
    process.communicate(timeout=30)
    assert len(desk.entries()) == 1


def test_a_campaign_that_runs_by_itself_reports_executions(desk: Desk) -> None:
    status, output = desk.run("selftest-free", "--seed", "2", "--cases", "7")
    assert status == 1
    assert found(output) == {2}
    (entry,) = desk.entries()
    assert (entry.cases, entry.ranges, entry.findings) == (7, (), "1: case 2: found")
    assert (desk.state / "selftest-free" / "last").read_text() == "6"


def test_other_code_begins_anew(desk: Desk) -> None:
    desk.run("selftest", "--cases", "3")
    (entry,) = desk.entries()
    desk.page.write_text(desk.page.read_text().replace(entry.code, "00000000"))
    desk.run("selftest", "--cases", "2")
    assert desk.entries()[1].ranges == ((0, 1),)


def test_the_ledger_grows_by_one_line_and_keeps_what_people_wrote(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    ledger.append(page, ENTRY)
    by_hand = (
        page.read_text()
        .replace("| none |", "| 1: case 4: x; fixed in 0badcafe |")
        .replace("Words", "More words")
    )
    page.write_text(by_hand)
    later = replace(
        ENTRY, date="2025-01-02 03:04:06", ranges=((100, 100), (102, 109)), cases=9, findings="none"
    )
    ledger.append(page, later)
    lines = by_hand.splitlines()
    assert page.read_text().splitlines() == [*lines[:5], later.line(), *lines[5:]]
    assert [entry.found for entry in ledger.read(page)] == [1, 0]
    # the same run again, as after a kill between writing the line and forgetting the run
    ledger.append(page, later)
    assert len(ledger.read(page)) == 2


def test_a_line_reads_back_as_it_was_written() -> None:
    findings = [Finding(9, "two\nlines | and a bar"), *(Finding(n, "x" * 500) for n in range(6))]
    entry = replace(ENTRY, findings=ledger.told(findings).replace("|", "¦"))
    assert Entry.parse(entry.line()) == entry
    assert entry.found == 7
    assert "\n" not in entry.line()
    assert "and 2 more" in entry.line()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("| 2025 | x |", "10 cells"),
        (ENTRY.line().replace("| 100 |", "| 101 |"), "101 cases are not"),
        (ENTRY.line().replace("| none |", "| some |"), "some"),
        (ENTRY.line().replace("| 7 |", "| seven |"), "seven"),
    ],
)
def test_a_line_that_does_not_add_up_is_an_error(tmp_path: Path, line: str, why: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(PAGE.replace(RULE, f"{RULE}\n{line}"))
    with pytest.raises(ValueError, match=why):
        ledger.read(page)


def test_the_committed_ledger_can_be_read_and_summed_up() -> None:
    entries = ledger.read(ROOT / "docs" / "campaigns.md")
    assert not [entry for entry in entries if entry.campaign.startswith("selftest")]
    assert "differential" in report(entries)


def test_cases_run_twice_count_once() -> None:
    entries = [
        ENTRY,
        replace(ENTRY, code="00000000", ranges=((50, 149),)),
        replace(ENTRY, seed=8),
        replace(ENTRY, campaign="fuzz-psbt", ranges=(), cases=1_000),
        replace(ENTRY, campaign="fuzz-psbt", ranges=(), cases=500, findings="2: case 1: x"),
    ]
    assert ledger.totals(entries) == {"differential": (3, 300, 250, 0), "fuzz-psbt": (2, 1_500, 1_500, 2)}
    assert "1,500" in report(entries)


def test_ranges() -> None:
    assert ranges.merged([(5, 9), (0, 3), (4, 4), (20, 21), (8, 12)]) == ((0, 12), (20, 21))
    assert list(ranges.holes(((2, 3), (7, 7)))) == [(0, 1), (4, 6), (8, None)]
    assert list(ranges.holes(((0, 3),))) == [(4, None)]
    assert ranges.read(ranges.written(((0, 3), (5, 5)))) == ((0, 3), (5, 5))
    assert ranges.read(ranges.written(())) == ()


def test_chance_depends_on_name_seed_and_case_alone() -> None:
    drawn = random_of("differential", 1, 2).getrandbits(64)
    assert drawn == random_of("differential", 1, 2).getrandbits(64)
    others = [random_of("hostile", 1, 2), random_of("differential", 2, 2), random_of("differential", 1, 3)]
    assert drawn not in {other.getrandbits(64) for other in others}
    # the same on every machine and version: a ledger would be worth nothing otherwise
    assert random_of("differential", 1, 2).getrandbits(32) == 2_792_249_465


def test_names_lead_to_campaigns() -> None:
    assert isinstance(find("selftest"), Campaign)
    assert isinstance(find("selftest-free"), FreeCampaign)
    with pytest.raises(KeyError):
        find("nothing")
