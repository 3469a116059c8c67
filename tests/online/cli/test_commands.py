"""The command line: one sentence and one exit status for everything that goes wrong, JSON alone on standard output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from falconer_online.cli.options import parse_expiry
from falconer_online.cli.root import root, run
from falconer_shared.errors import UsageError
from tests.online.office import Office
from tests.support.node import RegtestNode
from tests.support.programs import clean_environment
from tests.support.refusal import refused
from tests.support.treasury import key_expression, stranger_address, wpkh_descriptor

FALCONER = str(Path(sys.executable).parent / "falconer")


def falconer(*arguments: str, home: Path, **extra: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [FALCONER, *arguments], env=clean_environment(FALCONER_HOME=str(home), **extra), capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


LARGE = (
    *(
        "sqlalchemy",
        "alembic",
        "cryptography",
        "coincurve",
        "embit",
        "urllib3",
        "rich",
        "segno",
        "cv2",
        "numpy",
    ),
    *(
        "zxingcpp",
        "cbor2",
        "pbk",
        "falconer_online.store",
        "falconer_shared.psbt",
        "falconer_shared.transport",
    ),
)


@pytest.mark.parametrize(
    "words",
    [
        "",
        "proposals",
        "proposals create",
        "proposals psbt",
        "proposals receive",
        "fee-brief",
        "wallet show",
        "qr scan",
    ],
)
def test_help_is_quick_since_it_loads_nothing_large(words: str, tmp_path: Path):
    program = (
        "import sys\nfrom falconer_online.cli.root import run\n"
        f"status = run({[*words.split(), '--help']!r})\n"
        "print(*sys.modules, file=sys.stderr)\nraise SystemExit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stderr.split())
    assert "click" in loaded
    assert loaded.isdisjoint(LARGE)


def test_help_names_every_command_and_imports_each(tmp_path: Path):
    groups = sorted(root.commands)
    assert {"wallet", "coin", "labels", "address-book", "policy", "proposals", "receipt", "audit"} <= set(
        groups
    )
    for group in groups:
        commands = root.commands[group].list_commands(None)  # type: ignore[arg-type, attr-defined]
        assert commands
        for command in commands:
            assert run([group, command, "--help"]) == 0
    for command in root.list_commands(None):  # type: ignore[arg-type]
        assert run([command, "--help"]) == 0
    assert run(["status", "-h"]) == run(["--version"]) == 0


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("wallet",), ("wallet", "nonsense"), ("init",), ("proposals", "create"), ("proposals", "show"),
     ("--nonsense",), ("proposals", "create", "--pay", "x", "--max-fee", "x")],
)  # fmt: skip
def test_wrong_use_is_status_2(tmp_path: Path, arguments: tuple[str, ...]):
    done = falconer(*arguments, home=tmp_path)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_wrong_use_in_json(office: Office):
    assert office.run("wallet", "nonsense", expect=2).ids == ["usage"]
    assert office.run("proposals", "approve", "x", "--out", "y", expect=2).ids == ["usage"]


@pytest.mark.parametrize(
    "arguments",
    [("status",), ("wallet", "list"), ("proposals", "list"), ("audit", "verify"), ("receipt", "list")],
)
def test_without_a_coordinator(office: Office, arguments: tuple[str, ...]):
    assert office.run(*arguments, expect=9).ids == ["not-initialised"]


def test_init_makes_a_coordinator_once(office: Office):
    made = office.init()
    assert made["coordinator"]["key"].startswith("ssh-ed25519 ")
    assert [each["name"] for each in made["administrators"]] == ["alice", "bob"]
    assert (office.home / "coordinator.key").stat().st_mode & 0o777 == 0o600
    assert (office.home / "config.toml").stat().st_mode & 0o777 == 0o600
    again = office.run("init", "--network", "regtest", "--node", "http://127.0.0.1:1", expect=9)
    assert again.ids == ["already-initialised"]
    (office.home / "config.toml").unlink()
    lost = office.run("init", "--network", "regtest", "--node", "http://127.0.0.1:1", expect=9)
    assert lost.ids == ["init-incomplete"]


def test_an_init_that_fails_can_be_repeated(office: Office, monkeypatch: pytest.MonkeyPatch):
    from falconer_online import setup

    def broken(*_: object) -> str:
        raise OSError(28, "No space left on device", "config.toml")

    with monkeypatch.context() as patch:
        patch.setattr(setup, "render", broken)
        failed = office.run("init", "--network", "regtest", "--node", "http://127.0.0.1:1", expect=9)
    assert failed.ids == ["disk-full"]
    assert office.init()


@pytest.mark.parametrize(
    ("network", "node", "status", "rule"),
    [
        ("regnet", "http://127.0.0.1:1", 3, "network-unknown"),
        ("regtest", "http://u:p@127.0.0.1:1", 2, "node-url"),
    ],
)
def test_init_refuses(office: Office, network: str, node: str, status: int, rule: str):
    assert office.run("init", "--network", network, "--node", node, expect=status).ids == [rule]
    assert not (office.home / "falconer.db").exists()


def test_administrators_are_keys_with_names(office: Office):
    def init(*files: Path) -> list[str]:
        words = [word for path in files for word in ("--admin", path)]
        return office.run(
            "init", "--network", "regtest", "--node", "http://127.0.0.1:1", *words, expect=None
        ).ids

    alice = office.public("alice")
    copy = office.path("carol.pub", alice.read_bytes())
    assert init(alice, copy) == ["admin-repeated"]
    assert init(office.path("no name.pub", alice.read_bytes())) == ["admin-name"]
    assert init(office.path("dora.pub", b"\xff")) == ["ssh-key-malformed"]
    assert init(office.folder / "missing.pub") == ["file-unreadable"]


def test_a_coordinator_without_administrators_takes_no_policy(office: Office):
    office.run("init", "--network", "regtest", "--node", "http://127.0.0.1:1")
    assert office.run("policy", "show", expect=9).ids == ["wallet-none"]


def test_the_node_is_down(office: Office):
    office.init()
    status = office.run("status").json
    assert not status["node"]["reachable"]
    assert status["audit"]["size"] == 1
    down = office.run("wallet", "register", "w", office.path("w.txt", wpkh_descriptor()), expect=7)
    assert down.ids == ["node-credentials"]


def test_a_home_that_others_can_enter(office: Office):
    office.init()
    office.home.chmod(0o755)
    assert office.run("status", expect=9).ids == ["home-permissions"]


def test_a_damaged_database(office: Office):
    office.init()
    (office.home / "falconer.db").write_bytes(b"garbage" * 2000)
    assert office.run("proposals", "list", expect=9).ids == ["store-corrupt"]


def test_json_is_alone_on_standard_output(tmp_path: Path):
    home = tmp_path / "h"
    done = falconer("init", "--network", "regtest", "--node", "http://127.0.0.1:1", "--json", home=home)
    assert json.loads(done.stdout)["network"] == "regtest"
    assert "next:" in done.stderr
    people = falconer("status", home=home)
    assert "wallet     none" in people.stdout
    refusal = falconer("proposals", "show", "nope", "--json", home=home)
    assert json.loads(refusal.stdout)["verdict"] == "refused"
    assert "proposal-unknown" in refusal.stderr


def test_what_nobody_thought_of_is_one_sentence_without_a_traceback(
    office: Office, monkeypatch: pytest.MonkeyPatch
):
    from falconer_online.cli import audit

    office.init()

    def surprise(*_: object, **__: object) -> None:
        raise RuntimeError("sur\x1bprise")

    monkeypatch.setattr(audit.show, "callback", surprise)
    done = office.run("audit", "show", expect=1)
    assert done.ids == ["unexpected"]
    assert "Traceback" not in done.stderr
    assert "\\x1b" in done.stderr
    debug = subprocess.run([FALCONER, "--debug", "proposals", "show", "x"], env=clean_environment(FALCONER_HOME=str(office.home)),
                           capture_output=True, text=True, check=False)  # fmt: skip
    assert "Traceback" in debug.stderr


def test_a_person_who_interrupts(office: Office, monkeypatch: pytest.MonkeyPatch):
    from falconer_online.cli import audit

    office.init()

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(audit.show, "callback", interrupt)
    assert office.run("audit", "show", expect=8).ids == ["interrupted"]


def test_a_reader_that_goes_away(office: Office):
    office.init()
    done = subprocess.run(  # noqa: S602
        f"{FALCONER} audit show --json | true", shell=True, capture_output=True, text=True, check=False,
        env=clean_environment(FALCONER_HOME=str(office.home)),
    )  # fmt: skip
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_compose_writes_a_descriptor(office: Office):
    office.init()
    key = office.path("key.txt", key_expression(1) + "\n")
    out = office.folder / "descriptor.txt"
    made = office.run("wallet", "compose", key, "--out", out).json
    assert out.read_text() == made["descriptor"] + "\n" == wpkh_descriptor(1) + "\n"
    assert office.run("wallet", "compose", key, "--threshold", "2", "--out", out, expect=2).ids == [
        "wallet-threshold"
    ]


def test_expiry_times():
    assert parse_expiry("90s", 10) == 100
    assert parse_expiry("24h", 0) == 86_400
    assert parse_expiry("2026-01-31T09:30:00Z", 0) == 1_769_851_800
    for text in ("", "0s", "-1h", "1w", "tomorrow", "9999999999d"):
        with refused("proposal-expires", UsageError):
            parse_expiry(text, 0)


def test_the_way_of_a_proposal_on_the_command_line(
    treasury: Callable[..., Office], regtest_node: RegtestNode, stranger: Callable[[], str]
):
    office = treasury(300_000, 400_000)
    first = office.create((stranger(), 50_000)).json["proposal"]["id"]
    assert office.run("wallet", "coins").json["coins"][0]["held_by"] in {first, None}
    assert office.run("wallet", "balance").json["held"] > 0
    forbidden = office.create((stranger(), 2_500_000), expect=None)
    assert forbidden.status in {5, 9}
    office.run("proposals", "reject", first, "--reason", "typo")
    assert office.run("proposals", "list", "--state", "rejected").json["proposals"][0]["reason"] == "typo"
    assert office.run("proposals", "request-approval", first, expect=9).ids == ["proposal-state"]
    assert office.run("proposals", "list", "--state", "nonsense", expect=2).ids == ["proposal-state-unknown"]
    assert office.run("wallet", "balance").json["held"] == 0
    short = office.create((stranger(), 40_000), options=("--expires", "5s")).json["proposal"]["id"]
    changed: list[object] = []
    deadline = time.monotonic() + 30
    while not changed and time.monotonic() < deadline:
        time.sleep(0.2)
        changed = office.run("status").json["changed"]
    assert changed == [{"id": short, "from": "approved", "to": "expired"}]
    big = office.create((stranger(), 200_000)).json["proposal"]["id"]
    key = office.run("proposals", "approve", big, "--key", office.person("anna").path)
    assert key.json["proposal"]["state"] == "approved"
    assert "warning" in key.stderr
    # at a low fee rate the node likes to spend all coins at once: another one for another proposal
    regtest_node.fund(office.run("wallet", "address").json["address"], 90_000)
    both = office.create((stranger(), 10_000)).json["proposal"]["id"]
    office.request(both), office.request(big)
    answers = [office.answer(each, office.machines[0]) for each in (both, big)]
    assert office.run("proposals", "broadcast", *answers, expect=2).ids == ["broadcast-several"]
    assert office.run("proposals", "broadcast", both).json["proposal"]["state"] == "broadcast"
    assert office.run("proposals", "broadcast", "nothing", expect=2).ids == ["proposal-unknown"]
    assert office.run("receipt", "show", "machine-a", "1").json["receipts"][0]["number"] == 1
    assert len(office.run("receipt", "show", "--signer", "machine-a", "--since", "1").json["receipts"]) == 2
    assert office.run("receipt", "show", "machine-a", "9", expect=2).ids == ["receipt-unknown"]
    assert office.run("proposals", "receive", office.path("bad.psbt", b"garbage"), expect=3).json["rules"][0][
        "file"
    ]
    records = office.run("audit", "show").json
    assert records["size"] == len(records["records"])
    assert office.run("audit", "show", "--proposal", big).json["records"]


def test_policies_are_signed_by_their_administrators_alone(office: Office, regtest_node: RegtestNode):
    office.init(regtest_node)
    office.machines = ()
    from tests.online.office import Machine

    office.machines = (Machine("machine-a", (7100,)),)
    office.register(wpkh_descriptor(7100))
    text = office.folder / "policy.txt"
    office.run("policy", "compile", office.path("policy.toml", office.policy_toml()), "--out", text)
    mallory = office.run("policy", "sign", text, "--key", office.person("mallory").path, expect=6)
    assert mallory.ids == ["policy-signature-unknown-key"]
    one = office.run("policy", "sign", text, "--key", office.person("alice").path).json["file"]
    assert office.run("policy", "install", text, "--signature", one, expect=6).ids == [
        "policy-signature-missing"
    ]
    assert office.create((stranger_address(), 1), expect=9).ids == ["policy-not-installed"]
    assert office.run("policy", "show", expect=9).ids == ["policy-not-installed"]
    assert office.install_policy()["signed_by"] == ["alice", "bob"]
    assert not office.install_policy()["new"]
    assert office.install_policy(version=2, daily=4_000_000)["version"] == 2
    assert office.run("policy", "show").json["version"] == 2
    other = office.policy_toml(version=3).replace(
        (office.home / "coordinator.pub").read_text().rsplit(" ", 1)[0],
        " ".join(office.person("x").public_line.split(" ")[:2]),
    )
    office.run("policy", "compile", office.path("other.toml", other), "--out", text)
    files = [
        office.run("policy", "sign", text, "--key", office.person(n).path).json["file"]
        for n in ("alice", "bob")
    ]
    refusal = office.run(
        "policy", "install", text, "--signature", files[0], "--signature", files[1], expect=2
    )
    assert refusal.ids == ["policy-other-coordinator"]
    bad = office.run("policy", "compile", office.path("bad.toml", b"\xff"), "--out", text, expect=3)
    assert bad.ids == ["policy-toml-syntax"]


def test_no_option_takes_a_secret():
    names = {
        option
        for group in root.commands.values()
        for name in group.list_commands(None)  # type: ignore[arg-type, attr-defined]
        for parameter in group.get_command(None, name).params  # type: ignore[arg-type, attr-defined, union-attr]
        for option in parameter.opts
    }
    assert not {name for name in names if "pass" in name or "secret" in name or "user" in name}
    assert os.environ.get("FALCONER_NODE_PASSWORD") is None
