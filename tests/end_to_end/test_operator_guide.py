"""docs/operator-guide.md is run, line by line, on a real node: a guide whose commands do not work is worse than none.

Blocks marked `console` hold commands. `$` is the coordinator's computer, `offline$` the machine without a network, `carl$` and
`dora$` are approvers at their own computers. All of them share one folder, which stands for the stick. Capital words stand for
what only the moment knows: PROPOSAL is the proposal made last, COIN a free coin, TREE the folder of examples.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import PROJECT
from tests.support import answers as shapes
from tests.support.ceremony import Treasury, treasury
from tests.support.node import RegtestNode
from tests.support.treasury import key_expression

GUIDE = PROJECT / "docs" / "operator-guide.md"
RULES: dict[str, object] = {
    "max_single_tx_sats": 3_000_000,
    "max_daily_spend_sats": 20_000_000,
    "max_fee_rate_sats_per_vbyte": 200,
    "max_fee_sats": 100_000,
    "human_approval_threshold_sats": 2_000_000,
}
COLDCARD = 930_077
"""The seed of the key that a signer of another make holds."""

_COMMAND = re.compile(r"^(?P<who>[a-z]*)\$ (?P<command>.+)$")


def commands(text: str) -> Iterator[tuple[str, str]]:
    """Who types what, in the order of the guide."""
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            match = _COMMAND.match(line)
            if match:
                yield match["who"], match["command"]


class Walk:
    """Types what the guide says."""

    def __init__(self, house: Treasury) -> None:
        self.house = house
        self.proposal = "PROPOSAL"
        self.vault = False

    def type(self, who: str, command: str) -> None:
        words = [self.filled(word) for word in shlex.split(command, comments=True)]
        if who == "":
            self.online(words)
        elif who == "offline":
            self.offline(words)
        else:
            self.person(who, words)

    def filled(self, word: str) -> str:
        if word == "COIN":
            coins = self.house.coordinator.json("wallet", "coins", self.house.name)["coins"]
            return next(coin["outpoint"] for coin in coins if not coin["held_by"] and coin["confirmations"])
        if "ADDRESS" in word:
            return word.replace("ADDRESS", self.house.node.rpc("getnewaddress", wallet="miner"))
        return word.replace("PROPOSAL", self.proposal)

    def online(self, words: list[str]) -> None:
        if words[0] == "bitcoin-cli":
            self.house.node.mine(1)
            return
        assert words[0] == "falconer", words
        if "vault" in words:
            self.found_vault()
        done = self.house.coordinator.run(*words[1:], folder=self.house.gap)
        told = done.json
        if words[1:3] in (
            ["proposals", "create"],
            ["proposals", "bump"],
            ["proposals", "cancel"],
            ["proposals", "accelerate"],
        ):
            self.proposal = told["proposal"]["id"]
        if "--for" in words and words[2] == "psbt":
            self.coldcard(self.house.gap / words[words.index("--out") + 1])

    def coldcard(self, request: Path) -> None:
        """It signs what is on its card, and puts the answer beside it under a name of its own."""
        answer = request.with_name(f"{request.stem}-signed.psbt")
        answer.write_bytes(shapes.trimmed(request.read_bytes(), COLDCARD))

    def found_vault(self) -> None:
        """The second wallet of the guide: one key with our machine, one with the Coldcard, and both must sign."""
        if self.vault:
            return
        self.vault = True
        machine = self.house.signers[0]
        vault = self.house.another("vault", "wsh", 2)
        theirs = self.house.gap / "coldcard.key"
        theirs.write_text(key_expression(COLDCARD, "48h/1h/0h/2h") + "\n", encoding="ascii")
        wallet_id = vault.compose_and_register([vault.export_xpub(machine), theirs])["wallet_id"]
        machine.run(
            "wallet", "register", "vault", self.house.gap / "vault.descriptor.txt",
            answers=[
                ("Who holds key 1 of 2: ", ""), ("Who holds key 2 of 2: ", "the Coldcard"),
                ("Last 4 characters of the wallet id: ", wallet_id[-4:]),
            ],
        )  # fmt: skip
        vault.compile_policy(1, {}, RULES)
        vault.install_policy(1, vault.sign_policy(1))
        vault.fund(500_000)

    def offline(self, words: list[str]) -> None:
        assert words[0] == "falconer-offline", words
        answers: list[tuple[str, str]] = []
        if words[1] == "sign":
            intent = self.house.coordinator.json("proposals", "show", self.proposal)["proposal"]
            answers = self.answers(intent)
        self.house.signers[0].run(*words[1:], answers=answers, folder=self.house.gap)

    def answers(self, proposal: dict) -> list[tuple[str, str]]:
        pays = [(payment["address"], payment["sats"]) for payment in proposal["payments"]]
        if 1 <= len(pays) <= 3:
            return self.house.confirmation(pays)
        ending = [("Last 4 characters of the intent digest: ", proposal["intent_digest"][-4:])]
        if not pays:
            return ending
        return [("Sum of the payments in satoshis: ", str(sum(sats for _, sats in pays))), *ending]

    def person(self, name: str, words: list[str]) -> None:
        assert words[0] == "ssh-keygen", words
        assert name in self.house.approvers
        named = [str(self.house.people[name].path) if word == name else word for word in words]
        for word in words:
            # ssh-keygen would keep an old signature without a word
            (self.house.gap / f"{word}.sig").unlink(missing_ok=True)
        subprocess.run(
            named, cwd=self.house.gap, stdin=subprocess.DEVNULL, check=True, capture_output=True, timeout=60
        )


@pytest.fixture(scope="module")
def house(regtest_node: RegtestNode, tmp_path_factory: pytest.TempPathFactory) -> Treasury:
    founded = treasury(tmp_path_factory.mktemp("guide"), regtest_node, "treasury", automated=True)
    supplier = regtest_node.rpc("getnewaddress", wallet="miner")
    founded.found({"supplier": supplier}, RULES)
    founded.fund(5_000_000, 4_000_000, 3_000_000, 300_000, 200_000)
    for example in (PROJECT / "examples").glob("*"):
        if example.is_file():
            (founded.gap / example.name).write_bytes(example.read_bytes())
    return founded


def test_the_guide_has_commands_for_everybody():
    people = {who for who, _ in commands(GUIDE.read_text(encoding="utf-8"))}
    assert {"", "offline", "carl", "dora"} <= people


def test_every_command_of_the_guide_works(house: Treasury):
    walk = Walk(house)
    for who, command in commands(GUIDE.read_text(encoding="utf-8")):
        walk.type(who, command)


def test_what_is_not_run_is_marked(tmp_path: Path):
    # a command outside a console block would be shown and never tried
    text = GUIDE.read_text(encoding="utf-8")
    outside = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"^\s{4,}(falconer|falconer-offline) ", outside, re.MULTILINE)
