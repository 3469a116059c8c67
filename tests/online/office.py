"""A coordinator for tests: the real command line in this process, and signers played by embit with real receipts."""

from __future__ import annotations

import contextlib
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from falconer_online.cli.root import run
from falconer_shared.bitcoin.network import Network
from falconer_shared.exchange.envelope import extract
from falconer_shared.exchange.receipt import Receipt, sign_receipt
from falconer_shared.exchange.response import build_response
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.units import Amount
from falconer_shared.verify.transaction import verify
from falconer_shared.wallet.registration import RegisteredWallet
from tests.support.node import RegtestNode
from tests.support.policies import SshKey
from tests.support.ssh_keygen import KeyFile
from tests.support.treasury import NOTHING_KNOWN, signed

RULES = """
human_approval_threshold_sats = {threshold}
max_single_tx_sats = {single}
max_daily_spend_sats = {daily}
max_fee_sats = {fee}
max_fee_rate_sats_per_vbyte = 200
"""


@dataclass
class Answered:
    """What a command did."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.stdout)
        return document

    @property
    def ids(self) -> list[str]:
        return [rule["id"] for rule in self.json["rules"]]


@dataclass
class Machine:
    """A signer of the policy: a name, the SSH key of its machine, the seeds of its wallet keys, and its counter."""

    name: str
    seeds: tuple[int, ...]
    number: int = 0

    @property
    def key(self) -> SshKey:
        return SshKey.of(self.name)

    def answer(self, request: bytes, descriptor: str, *, refuse: str | None = None) -> bytes:
        """What `falconer-offline sign` would write: signatures and a receipt, or a refusal's receipt alone."""
        psbt = UntrustedPsbt.parse(request)
        wallet = RegisteredWallet.register("test", Network.REGTEST, descriptor)
        verified = verify(psbt, wallet, NOTHING_KNOWN)
        envelope = extract(psbt)
        self.number += 1
        receipt = Receipt(
            signer=self.name,
            number=self.number,
            request=envelope.request.digest,
            refusals=() if refuse is None else (refuse,),
            rules=envelope.request.rules,
            total=Amount(sum(int(payment.amount) for payment in verified.payments)),
            policy_version=envelope.request.policy_version,
            journal_size=self.number,
            journal_head="00" * 32,
            program="falconer-offline-0.1.0",
            judged=envelope.request.created,
        )
        sealed = sign_receipt(receipt, self.key.private.sign, self.key.public)
        if refuse is not None:
            return build_response(psbt.tx, [{} for _ in psbt.inputs], sealed).serialize()
        done = signed(psbt, verified, self.seeds)
        return build_response(psbt.tx, [view.partial_sigs for view in done.inputs], sealed).serialize()


@dataclass
class Office:
    """One coordinator's home with people and keys."""

    folder: Path
    monkeypatch: Any
    descriptor: str = ""
    machines: tuple[Machine, ...] = ()
    people: dict[str, KeyFile] = field(default_factory=dict)
    wallet_id: str = ""

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def run(self, *arguments: object, expect: int | None = 0) -> Answered:
        self.monkeypatch.setenv("FALCONER_HOME", str(self.home))
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = run([*map(str, arguments), "--json"])
        answered = Answered(status, out.getvalue(), err.getvalue())
        if expect is not None:
            assert status == expect, f"{arguments}: {status}\n{answered.stdout}\n{answered.stderr}"
        return answered

    def person(self, name: str) -> KeyFile:
        if name not in self.people:
            (self.folder / "keys").mkdir(exist_ok=True)
            self.people[name] = KeyFile.make(self.folder / "keys", name)
        return self.people[name]

    def public(self, name: str) -> Path:
        key = self.person(name)
        return key.path.with_name(key.path.name + ".pub")

    def path(self, name: str, data: bytes | str) -> Path:
        target = self.folder / name
        target.write_bytes(data.encode() if isinstance(data, str) else data)
        return target

    def init(self, node: RegtestNode | None = None, **options: str) -> dict[str, Any]:
        url = options.get("url") or (node.url if node is not None else "http://127.0.0.1:1")
        cookie = options.get("cookie") or (str(node.cookie_file) if node is not None else "/nonexistent")
        return self.run(
            "init", "--network", "regtest", "--node", url, "--cookie", cookie,
            "--admin", self.public("alice"), "--admin", self.public("bob"),
        ).json  # fmt: skip

    def register(self, descriptor: str, name: str = "treasury", *options: str) -> dict[str, Any]:
        self.descriptor = descriptor
        found = self.run("wallet", "register", name, self.path(f"{name}.txt", descriptor), *options).json
        self.wallet_id = found["wallet_id"]
        return found

    def policy_toml(self, version: int = 1, **limits: int | str) -> str:
        """`more` are further lines of the rules."""
        rules = {"threshold": 100_000, "single": 2_000_000, "daily": 3_000_000, "fee": 50_000, **limits}
        coordinator = (self.home / "coordinator.pub").read_text().rsplit(" ", 1)[0].strip()

        def keys(*names: str) -> str:
            return "".join(f'{name} = "{_line(self.person(name))}"\n' for name in names)

        return "\n".join([
            f"version = {version}", 'network = "regtest"', f'wallet = "{self.wallet_id}"', "admin_quorum = 2",
            f'coordinator = "{coordinator}"',
            'approval_quorums = [{ above_sats = 0, k = 1, group = "desk" }, { above_sats = 1000000, k = 2, group = "desk" }]',
            "[admins]", keys("alice", "bob"), "[approvers]", keys("anna", "bert"), "[groups]", 'desk = ["anna", "bert"]',
            "[signers]", "".join(f'{each.name} = "{each.key.public.text()}"\n' for each in self.machines),
            "[rules]", RULES.format(**rules), str(limits.get("more", "")),
        ])  # fmt: skip

    def install_policy(self, version: int = 1, **limits: int | str) -> dict[str, Any]:
        source = self.path("policy.toml", self.policy_toml(version, **limits))
        text = self.folder / f"policy{version}.txt"
        self.run("policy", "compile", source, "--out", text)
        signatures = [
            self.run("policy", "sign", text, "--key", self.person(n).path).json["file"]
            for n in ("alice", "bob")
        ]
        return self.run(
            "policy", "install", text, "--signature", signatures[0], "--signature", signatures[1]
        ).json

    def create(self, *payments: tuple[str, int], expect: int = 0, options: tuple[str, ...] = ()) -> Answered:
        pays = [word for address, sats in payments for word in ("--pay", f"{address}={sats}")]
        return self.run("proposals", "create", *pays, *options, expect=expect)

    def approve(self, proposal: str, *names: str, options: tuple[str, ...] = (), expect: int = 0) -> Answered:
        intent = self.folder / f"{proposal}.intent.txt"
        self.run("proposals", "request-approval", proposal, "--out", intent)
        words: list[object] = []
        for name in names:
            armoured = self.person(name).sign(intent.read_bytes(), "falconer-approval@1")
            words += ["--signature", self.path(f"{proposal}.{name}.sig", armoured)]
        return self.run("proposals", "approve", proposal, *words, *options, expect=expect)

    def request(self, proposal: str) -> Path:
        out = self.folder / f"{proposal}.psbt"
        self.run("proposals", "approve", proposal, "--generate-psbt", "--out", out)
        return out

    def answer(self, proposal: str, machine: Machine, **options: Any) -> Path:
        request = (self.folder / f"{proposal}.psbt").read_bytes()
        return self.path(
            f"{proposal}.{machine.name}.answer", machine.answer(request, self.descriptor, **options)
        )


def _line(key: KeyFile) -> str:
    return " ".join(key.public_line.split(" ")[:2]).strip()
