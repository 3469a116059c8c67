"""Coins kept out, labels, exports, the address book, fees, completion: on the command line and a real node."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.online.cli.test_commands import falconer
from tests.online.office import Office
from tests.support.node import RegtestNode
from tests.support.programs import BIN, clean_environment
from tests.support.treasury import stranger_address, wpkh_wallet


def test_coins_are_frozen_in_the_store_and_at_the_node(
    treasury: Callable[..., Office], stranger: Callable[[], str], regtest_node: RegtestNode
):
    office = treasury(100_000, 200_000)
    coins = {each["sats"]: each["outpoint"] for each in office.run("wallet", "coins").json["coins"]}
    big, small = coins[200_000], coins[100_000]
    frozen = office.run("coin", "freeze", big, "--reason", "from \x1b[31mwhom?").json
    assert frozen == {"wallet": "treasury", "outpoint": big, "frozen": True, "reason": "from \x1b[31mwhom?"}
    node_wallet = f"falconer-{office.wallet_id}"
    txid, vout = big.split(":")
    lock = {"txid": txid, "vout": int(vout)}
    assert lock in regtest_node.rpc("listlockunspent", wallet=node_wallet)
    listed = {each["outpoint"]: each for each in office.run("wallet", "coins").json["coins"]}
    assert (listed[big]["frozen"], listed[small]["frozen"]) == (True, False)
    balance = office.run("wallet", "balance").json
    assert (balance["frozen"], balance["available"], balance["confirmed"]) == (200_000, 100_000, 300_000)
    assert office.create((stranger(), 150_000), expect=9).ids == ["funds-insufficient"]
    assert office.create((stranger(), 1_000), options=("--coins", big), expect=9).ids == ["coin-frozen"]
    # a node that is started again has forgotten locks that were not for good; status sets them
    regtest_node.rpc("lockunspent", True, [lock], wallet=node_wallet)
    office.run("status")
    assert lock in regtest_node.rpc("listlockunspent", wallet=node_wallet)
    assert office.run("coin", "freeze", big, expect=9).ids == ["coin-frozen"]
    assert office.run("coin", "freeze", "x", expect=3).json["rules"]
    assert office.run("coin", "unfreeze", big).json["frozen"] is False
    assert office.run("coin", "unfreeze", big, expect=9).ids == ["coin-not-frozen"]
    assert office.create((stranger(), 150_000)).json["verdict"] == "accepted"
    events = [each["event"] for each in office.run("audit", "show").json["records"]]
    assert events.count("coin-frozen") == events.count("coin-unfrozen") == 1
    assert office.run("audit", "verify").json["verdict"] == "accepted"


def test_a_frozen_coins_reason_cannot_draw(
    treasury: Callable[..., Office], capsys: pytest.CaptureFixture[str]
):
    from falconer_online.cli.root import run

    office = treasury(100_000)
    coin = office.run("wallet", "coins").json["coins"][0]["outpoint"]
    office.run("coin", "freeze", coin, "--reason", "\x1b[2J\u202eevil")
    capsys.readouterr()
    assert run(["wallet", "coins"]) == 0
    assert run(["proposals", "create", "--pay", f"{stranger_address()}=1000", "--coins", coin]) == 9
    said = capsys.readouterr()
    assert "\x1b" not in said.out + said.err
    assert "\u202e" not in said.out + said.err


def test_labels_on_the_command_line(office: Office, capsys: pytest.CaptureFixture[str]):
    from falconer_online.cli.root import run

    office.init()
    there = stranger_address()
    assert office.run("labels", "set", "addr", there.upper(), "sup\x1b[2Jplier").json["label"]["ref"] == there
    assert office.run("labels", "set", "tx", "ab" * 32, "rent").json
    assert [each["label"] for each in office.run("labels", "list").json["labels"]] == [
        "sup\x1b[2Jplier",
        "rent",
    ]
    capsys.readouterr()
    assert run(["labels", "list"]) == 0
    assert "\x1b" not in capsys.readouterr().out
    out = office.folder / "labels.jsonl"
    assert office.run("labels", "export", "--out", out).json["file"] == str(out)
    assert [json.loads(line)["type"] for line in out.read_text().splitlines()] == ["addr", "tx"]
    office.run("labels", "set", "addr", there, "")
    assert len(office.run("labels", "list").json["labels"]) == 1
    coin = {"type": "output", "ref": f"{'ab' * 32}:0", "label": "x", "spendable": False}
    out.write_text(out.read_text() + json.dumps(coin) + "\n" + json.dumps({"type": "new", "ref": "x"}) + "\n")
    taken = office.run("labels", "import", out)
    assert taken.json == {"labels": 3, "passed_over": 1, "unspendable": 1}
    assert "freeze nothing" in taken.stderr
    assert len(office.run("labels", "list", "--type", "output").json["labels"]) == 1
    assert office.run(
        "labels", "set", "addr", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4", "x", expect=3
    ).ids == ["label-malformed"]
    bad = office.run("labels", "import", office.path("bad.jsonl", "{}\n"), expect=3).json["rules"][0]
    assert (bad["id"], bad["line"]) == ("label-malformed", 1)
    capsys.readouterr()
    assert run(["labels", "export"]) == 0
    assert [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()] == [
        "addr",
        "output",
        "tx",
    ]


def test_a_wallet_is_exported(treasury: Callable[..., Office], capsys: pytest.CaptureFixture[str]):
    from falconer_online.cli.root import run

    office = treasury(multisig=True)
    out = office.folder / "coldcard.txt"
    made = office.run("wallet", "export", "treasury", "--format", "coldcard", "--out", out).json
    assert out.read_text() == made["text"]
    assert made["addresses"] == office.run("wallet", "show").json["addresses"]
    assert out.stat().st_mode & 0o077 == 0
    capsys.readouterr()
    assert run(["wallet", "export", "--format", "core"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == 2
    assert office.run("wallet", "export", "--format", "x", expect=2).ids == ["usage"]


class WithBook(Office):
    """A policy with an address book."""

    def policy_toml(self, version: int = 1, **limits: int) -> str:
        book = f'[addresses]\nsupplier = "{stranger_address(5)}"\npayroll = "{wpkh_wallet(77).descriptor_text}"\n'
        return super().policy_toml(version, **limits).replace("[rules]", f"{book}[rules]")


def test_names_of_the_policy_are_listed_and_paid(
    treasury: Callable[..., Office], regtest_node: RegtestNode, stranger: Callable[[], str]
):
    office = treasury(900_000)
    office.__class__ = WithBook
    office.install_policy(version=2)
    book = office.run("address-book", "list").json
    assert {each["name"]: each["descriptor"] for each in book["addresses"]} == {
        "supplier": False,
        "payroll": True,
    }
    assert book["policy"]["version"] == 2
    assert book["signed_by"] == ["alice", "bob"]
    made = office.create(("@supplier", 5_000), ("@payroll", 6_000), (stranger(), 7_000))
    other = wpkh_wallet(77)
    assert [each["address"] for each in made.json["proposal"]["payments"]][:2] == [
        stranger_address(5),
        other.address(0, 0),
    ]
    # the picture says the names
    assert "pays supplier" in made.stderr
    assert "pays payroll" in made.stderr
    assert "pays an address without a name" in made.stderr
    office.run("proposals", "reject", made.json["proposal"]["id"])
    again = office.create(("@payroll", 6_000)).json["proposal"]["payments"][0]["address"]
    assert again == other.address(0, 1)
    unknown = office.create(("@nobody", 1_000), expect=2)
    assert unknown.ids == ["address-book-unknown"]
    assert "supplier" in unknown.json["rules"][0]["remedy"]


def test_fees_and_the_pool_of_a_real_node(
    treasury: Callable[..., Office], stranger: Callable[[], str], regtest_node: RegtestNode
):
    office = treasury(100_000, 100_000)
    regtest_node.mine(1)
    before = office.run("mempool-health").json
    assert before["verdict"] == "calm"
    regtest_node.fund(stranger(), 20_000, confirmations=0)
    health = office.run("mempool-health").json["mempool"]
    assert health["transactions"] == before["mempool"]["transactions"] + 1
    assert health["congestion_percent"] in {0, 1}
    assert health["maximum_bytes"] > health["usage_bytes"] > 0
    brief = office.run("fee-brief")
    assert [each["blocks"] for each in brief.json["estimates"]] == [1, 3, 6, 12, 36, 144, 1008]
    assert {each["source"] for each in brief.json["estimates"]} <= {"node", "fallback"}
    layers = brief.json["layers"]
    assert sum(each["transactions"] for each in layers) == brief.json["mempool"]["transactions"]
    assert sum(each["vbytes"] for each in layers) == brief.json["mempool"]["vbytes"]
    assert " unconfirmed: " in brief.stderr
    assert "behind nothing" in brief.stderr
    # what it says of the next payment is what that payment costs, for the same coins and destination at that rate
    one = brief.json["next_payment"][0]
    taproot = "bcrt1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqc8gma6"
    coin = office.run("wallet", "coins").json["coins"][0]["outpoint"]
    tx = office.create((taproot, 10_000), options=("--coins", coin, "--fee-rate", "10")).json["transaction"]
    assert -(-tx["weight"] // 4) == one["vbytes"]


def test_layers_are_the_same_where_the_node_does_not_count(regtest_node: RegtestNode, office: Office):
    # Knots counts by itself; Bitcoin Core refuses the question, and everything is counted here
    from falconer_online.chain import pool
    from falconer_online.chain.rpc import RpcRefusal
    from falconer_online.fees import LAYERS

    regtest_node.fund(stranger_address(), 20_000, confirmations=0)

    def without(method: str, *words: object) -> Any:
        if method == "getmempoolinfo" and words:
            raise RpcRefusal(method, -1, "getmempoolinfo")
        return regtest_node.rpc(method, *words)

    counted = pool.with_layers(without, LAYERS)
    assert counted.layers is not None
    assert sum(each.transactions for each in counted.layers) == counted.transactions > 0
    assert counted.layers == pool.with_layers(regtest_node.rpc, LAYERS).layers


def test_a_pool_that_is_too_large_to_count_says_so():
    from falconer_online.chain import pool
    from falconer_online.chain.rpc import RpcRefusal
    from falconer_online.cli.fees import _layers_in_words
    from falconer_online.fees import LAYERS

    asked: list[str] = []

    def large(method: str, *words: object) -> Any:
        asked.append(method)
        if words:
            raise RpcRefusal(method, -1, "getmempoolinfo")
        from decimal import Decimal

        return {"size": pool.MAX_COUNTED + 1, "bytes": 9_000_000, "usage": 1, "maxmempool": 2,
                "mempoolminfee": Decimal("0.00001"), "minrelaytxfee": Decimal("0.00001")}  # fmt: skip

    found = pool.with_layers(large, LAYERS)
    assert found.layers is None
    assert "getrawmempool" not in asked
    assert _layers_in_words(found)[-1] == "This node does not say at which fee rates."


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_of_their_shells(tmp_path: Path, shell: str):
    done = falconer("completion", shell, home=tmp_path)
    assert done.returncode == 0
    assert "_FALCONER_COMPLETE" in done.stdout
    program = shutil.which(shell)
    if program is None:
        return  # the text is all there is to try
    script = tmp_path / "script"
    script.write_text(done.stdout)
    subprocess.run([program, "-n", str(script)], check=True, capture_output=True)


def test_bash_completes_commands_and_ids(treasury: Callable[..., Office], stranger: Callable[[], str]):
    office = treasury(100_000)
    name = office.create((stranger(), 10_000)).json["proposal"]["id"]

    def completed(*words: str) -> list[str]:
        environment = clean_environment(
            FALCONER_HOME=str(office.home),
            _FALCONER_COMPLETE="bash_complete",
            COMP_WORDS=" ".join(("falconer", *words)),
            COMP_CWORD=str(len(words)),
        )
        done = subprocess.run(
            [BIN / "falconer"], env=environment, capture_output=True, text=True, check=False
        )
        return [line.partition(",")[2] for line in done.stdout.split()]

    assert "proposals" in completed("prop")
    assert "mempool-health" in completed("mem")
    assert completed("proposals", "show", "p2") == [name]
    assert completed("wallet", "show", "") == ["treasury"]
    assert "--confirm-within" in completed("proposals", "create", "--con")
    assert completed("proposals", "show", "x") == []


@pytest.mark.parametrize("words", [("proposals", "show", "p"), ("wallet", "show", "")])
def test_completion_without_a_coordinator_offers_nothing(tmp_path: Path, words: tuple[str, ...]):
    environment = clean_environment(
        FALCONER_HOME=str(tmp_path), _FALCONER_COMPLETE="bash_complete", COMP_WORDS=" ".join(("falconer", *words)),
        COMP_CWORD=str(len(words)),
    )  # fmt: skip
    done = subprocess.run([BIN / "falconer"], env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.stderr) == ("", "")
