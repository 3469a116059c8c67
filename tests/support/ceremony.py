"""The first-trust ceremony and one payment's way, by commands alone, as docs/setup.md tells people to do them.

The demo and the end-to-end tests share this: what the demo shows is what the tests test.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pyrage

from tests.support.node import RegtestNode
from tests.support.programs import Coordinator, Outcome, Signer
from tests.support.ssh_keygen import KeyFile

PATHS = {
    "pkh": "44h/1h/0h",
    "sh-wpkh": "49h/1h/0h",
    "wpkh": "84h/1h/0h",
    "tr": "86h/1h/0h",
    "wsh": "48h/1h/0h/2h",
    "sh-wsh": "48h/1h/0h/1h",
    "sh": "45h",
}
"""Account paths of the forms that `wallet compose` knows (BIP 44, 49, 84, 86, 48, 45)."""

MACHINE = "Passphrase of the machine key: "
AGAIN = "The same passphrase again: "


def _word(match: re.Match[str] | None, shown: str) -> str:
    """The word that the screen showed under the number that is asked for."""
    number = match[1] if match else "0"
    found = re.search(rf"^\s*{number} ([a-z]+)\s*$", shown, re.MULTILINE)
    return found[1] if found else "missing"


@dataclass
class People:
    """Administrators and approvers with SSH keys of their own."""

    folder: Path
    keys: dict[str, KeyFile] = field(default_factory=dict)

    def __getitem__(self, name: str) -> KeyFile:
        if name not in self.keys:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.keys[name] = KeyFile.make(self.folder, name)
        return self.keys[name]

    def public_file(self, name: str) -> Path:
        return Path(f"{self[name].path}.pub")


@dataclass
class Treasury:
    """One wallet with its coordinator, its offline machines and its people."""

    name: str
    node: RegtestNode
    coordinator: Coordinator
    signers: list[Signer]
    people: People
    gap: Path
    """The folder that stands for the stick: all that crosses the air gap lies here as files."""
    threshold: int | None
    form: str = "wpkh"
    admins: Sequence[str] = ("ada", "bela")
    approvers: Sequence[str] = ("carl", "dora", "emil")
    wallet_id: str = ""
    policy_digest: str = ""

    # --- the ceremony --------------------------------------------------------------------------------------------

    def init_coordinator(self) -> dict[str, Any]:
        admins = [word for name in self.admins for word in ("--admin", self.people.public_file(name))]
        return self.coordinator.json(
            "init",
            "--network",
            "regtest",
            "--node",
            self.node.url,
            "--cookie",
            self.node.cookie_file,
            *admins,
        )

    def init_signer(self, signer: Signer) -> Outcome:
        admins = [word for name in self.admins for word in ("--admin", self.people.public_file(name))]
        if signer.identity:
            identity = pyrage.x25519.Identity.generate()
            signer.identity.write_text(f"{identity}\n", encoding="ascii")
            signer.identity.chmod(0o600)
        fresh = (
            []
            if signer.identity
            else [("New passphrase for the machine key: ", signer.passphrase), (AGAIN, signer.passphrase)]
        )
        return signer.run("init", "--network", "regtest", "--name", signer.name, *admins, answers=fresh)

    def new_key(self, signer: Signer, words: int = 12) -> Outcome:
        asked = re.compile(r"Word (\d+): ")
        answers = [(asked, _word)] * 3 + [("BIP 39 passphrase (empty for none): ", "")]
        if not signer.identity:
            answers = [
                (MACHINE, signer.passphrase),
                *answers,
                ("New passphrase for key main: ", f"{signer.passphrase} of the key"),
                (AGAIN, f"{signer.passphrase} of the key"),
            ]
        return signer.run("key", "new", "main", "--words", words, answers=answers)

    def key_passphrase(self, signer: Signer) -> list[tuple[str, str]]:
        return [] if signer.identity else [("Passphrase of key main: ", f"{signer.passphrase} of the key")]

    def machine_passphrase(self, signer: Signer) -> list[tuple[str, str]]:
        return [] if signer.identity else [(MACHINE, signer.passphrase)]

    def export_xpub(self, signer: Signer) -> Path:
        out = self.gap / f"{self.name}.{signer.name}.key"
        signer.run(
            "key",
            "xpub",
            "main",
            "--path",
            PATHS[self.form],
            "--out",
            out,
            answers=self.key_passphrase(signer),
        )
        return out

    def compose_and_register(self, keys: Sequence[Path]) -> dict[str, Any]:
        descriptor = self.gap / f"{self.name}.descriptor.txt"
        k = [] if self.threshold is None else ["--threshold", self.threshold]
        self.coordinator.run("wallet", "compose", "--form", self.form, *k, *keys, "--out", descriptor)
        registered = self.coordinator.json("wallet", "register", self.name, descriptor)
        self.wallet_id = registered["wallet_id"]
        return registered

    def register_at(self, signer: Signer) -> Outcome:
        descriptor = self.gap / f"{self.name}.descriptor.txt"
        holders = [
            (f"Who holds key {position} of {len(self.signers)}: ", "" if other is signer else other.name)
            for position, other in enumerate(self.signers, 1)
        ]
        return signer.run(
            "wallet", "register", self.name, descriptor,
            answers=[
                *self.machine_passphrase(signer),
                *self.key_passphrase(signer),
                *holders,
                ("Last 4 characters of the wallet id: ", self.wallet_id[-4:]),
            ],
        )  # fmt: skip

    def policy_toml(self, version: int, addresses: dict[str, str], rules: dict[str, object]) -> str:
        """A policy as an operator would write it."""
        lines = [
            f"version = {version}",
            'network = "regtest"',
            f'wallet = "{self.wallet_id}"',
            f"admin_quorum = {len(self.admins)}",
            f'coordinator = "{self.public_key(self.coordinator.home)}"',
            "",
        ]
        for table, names in (("admins", self.admins), ("approvers", self.approvers)):
            lines += [
                f"[{table}]",
                *(f'{name} = "{self.people[name].public_line.strip()}"' for name in names),
                "",
            ]
        members = ", ".join(f'"{name}"' for name in self.approvers)
        lines += ["[groups]", f"treasurers = [{members}]", ""]
        lines += ["[[approval_quorums]]", "above_sats = 0", "k = 2", 'group = "treasurers"', ""]
        lines += [
            "[signers]",
            *(f'{signer.name} = "{self.machine_key(signer)}"' for signer in self.signers),
            "",
        ]
        lines += ["[addresses]", *(f'{name} = "{address}"' for name, address in addresses.items()), ""]
        lines += ["[rules]", *(f"{name} = {_toml(value)}" for name, value in rules.items()), ""]
        return "\n".join(lines)

    @staticmethod
    def public_key(home: Path) -> str:
        return (home / "coordinator.pub").read_text(encoding="ascii").strip()

    @staticmethod
    def machine_key(signer: Signer) -> str:
        return (signer.home / "machine.pub").read_text(encoding="ascii").strip()

    def compile_policy(
        self, version: int, addresses: dict[str, str], rules: dict[str, object]
    ) -> dict[str, Any]:
        source = self.gap / f"{self.name}.policy-{version}.toml"
        source.write_text(self.policy_toml(version, addresses, rules), encoding="utf-8")
        compiled = self.coordinator.json("policy", "compile", source, "--out", self.policy_file(version))
        self.policy_digest = compiled["digest"]
        return compiled

    def policy_file(self, version: int) -> Path:
        return self.gap / f"{self.name}.policy-{version}.txt"

    def sign_policy(self, version: int) -> list[Path]:
        """The administrators sign on their own computers, with stock ssh-keygen."""
        text = self.policy_file(version)
        signatures = []
        for name in self.admins:
            out = Path(f"{text}.{name}.sig")
            out.write_bytes(self.people[name].sign(text.read_bytes(), "falconer-policy@1"))
            signatures.append(out)
        return signatures

    def install_policy(self, version: int, signatures: Sequence[Path]) -> None:
        words = [word for path in signatures for word in ("--signature", path)]
        self.coordinator.run("policy", "install", self.policy_file(version), *words)
        for signer in self.signers:
            signer.run(
                "policy", "install", self.policy_file(version), *words,
                answers=[
                    *self.machine_passphrase(signer),
                    ("Last 4 characters of the policy digest: ", self.policy_digest[-4:]),
                ],
            )  # fmt: skip

    def found(
        self,
        addresses: dict[str, str],
        rules: dict[str, object],
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """The whole ceremony."""
        done = self.init_coordinator()
        say(f"coordinator key        {done['coordinator']['fingerprint']}")
        for signer in self.signers:
            self.init_signer(signer)
            self.new_key(signer)
            say(f"offline machine        {signer.name}, new key from 12 words")
        self.found_wallet(addresses, rules, say)

    def found_wallet(
        self,
        addresses: dict[str, str],
        rules: dict[str, object],
        say: Callable[[str], None] = lambda _line: None,
    ) -> None:
        """The part of the ceremony that each wallet has of its own: registration on all sides, and a policy."""
        registered = self.compose_and_register([self.export_xpub(signer) for signer in self.signers])
        for signer in self.signers:
            self.register_at(signer)
        say(f"wallet {self.name:<16}{self.wallet_id[:16]}…  the same id on {len(self.signers) + 1} machines")
        say(f"first address          {registered['addresses'][0]}")
        compiled = self.compile_policy(1, addresses, rules)
        signatures = self.sign_policy(1)
        self.install_policy(1, signatures)
        say(f"policy version 1       {compiled['digest'][:16]}…  signed by {' and '.join(self.admins)}")

    def another(
        self, name: str, form: str, threshold: int | None = None, signers: Sequence[Signer] | None = None
    ) -> Treasury:
        """A further wallet, not founded yet, on the same coordinator and with the same people.

        `signers`: the machines that hold its keys; without it all of them.
        """
        machines = list(self.signers if signers is None else signers)
        return replace(
            self, name=name, form=form, threshold=threshold, signers=machines, wallet_id="", policy_digest=""
        )

    # --- a payment -----------------------------------------------------------------------------------------------

    def fund(self, *amounts: int) -> None:
        for amount in amounts:
            address = self.coordinator.json("wallet", "address", self.name, "--new")["address"]
            self.node.fund(address, amount)

    def propose(self, *pays: tuple[str, int], expect: int = 0, **options: object) -> dict[str, Any]:
        words: list[object] = [word for address, sats in pays for word in ("--pay", f"{address}={sats}")]
        for option, value in options.items():
            words += [f"--{option.replace('_', '-')}", value]
        return self.coordinator.json("proposals", "create", "--wallet", self.name, *words, expect=expect)

    def approve(self, proposal: str, names: Sequence[str]) -> dict[str, Any]:
        """Approvers sign the intent on their own computers; the coordinator collects."""
        intent = self.gap / f"{proposal}.intent.txt"
        self.coordinator.json("proposals", "request-approval", proposal, "--out", intent)
        signatures: list[object] = []
        for name in names:
            out = self.gap / f"{proposal}.{name}.sig"
            out.write_bytes(self.people[name].sign(intent.read_bytes(), "falconer-approval@1"))
            signatures += ["--signature", out]
        return self.coordinator.json("proposals", "approve", proposal, *signatures)

    def export(self, proposal: str) -> Path:
        out = self.gap / f"{proposal}.psbt"
        self.coordinator.json("proposals", "approve", proposal, "--generate-psbt", "--out", out)
        return out

    def confirmation(self, pays: Sequence[tuple[str, int]], digest: str = "") -> list[tuple[str, str]]:
        """What the person types from the approvers' paper: the sum, and the end of each destination; where nothing is
        paid, the end of the intent's digest.
        """
        if not pays:
            return [("Last 4 characters of the intent digest: ", digest[-4:])]
        return [
            ("Sum of the payments in satoshis: ", str(sum(sats for _, sats in pays))),
            *(
                (f"Last 4 characters of destination {number}: ", address[-4:])
                for number, (address, _) in enumerate(pays, 1)
            ),
        ]

    def sign(
        self, signer: Signer, request: Path, pays: Sequence[tuple[str, int]], digest: str = ""
    ) -> tuple[Path, Outcome]:
        out = request.with_name(f"{request.stem}.{signer.name}.answer.psbt")
        outcome = signer.run(
            "sign", request, "--out", out,
            answers=[
                *self.confirmation(pays, digest),
                *self.machine_passphrase(signer),
                *self.key_passphrase(signer),
            ],
        )  # fmt: skip
        return out, outcome

    def send(self, proposal: dict[str, Any], signers: Sequence[Signer] = ()) -> Outcome:
        """One proposal to its signers, back, and to the network, unconfirmed; what the last signer showed."""
        request = self.export(proposal["id"])
        pays = [(each["address"], each["sats"]) for each in proposal["payments"]]
        answers = []
        for signer in signers or self.signers[: self.threshold or 1]:
            answer, outcome = self.sign(signer, request, pays, proposal["intent_digest"])
            answers.append(answer)
        self.coordinator.json("proposals", "receive", *answers)
        self.coordinator.json("proposals", "broadcast", proposal["id"])
        return outcome

    def shown(self, proposal: str) -> dict[str, Any]:
        """What `proposals show` says of it."""
        found: dict[str, Any] = self.coordinator.json("proposals", "show", proposal)
        return found

    def refuse(self, signer: Signer, request: Path, expect: int) -> Outcome:
        """A request that this signer must refuse. The machine key signs the receipt that says so."""
        out = request.with_name(f"{request.stem}.{signer.name}.refusal.psbt")
        answers = self.machine_passphrase(signer)
        return signer.run("sign", request, "--out", out, answers=answers, expect=expect, json_output=True)

    def finish(self, proposal: str, answers: Sequence[Path]) -> dict[str, Any]:
        """Take the answers back, broadcast, and mine a block."""
        self.coordinator.json("proposals", "receive", *answers)
        self.coordinator.json("proposals", "broadcast", proposal)
        self.node.mine(1)
        shown: dict[str, Any] = self.coordinator.json("proposals", "show", proposal)["proposal"]
        return shown


def _toml(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(f'"{item}"' for item in value) + "]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def treasury(
    folder: Path,
    node: RegtestNode,
    name: str,
    signers: Sequence[str] = ("north",),
    threshold: int | None = None,
    *,
    automated: bool = False,
    form: str | None = None,
) -> Treasury:
    """A treasury that is not founded yet. `automated` homes open with an age identity, without passphrases."""
    folder.mkdir(parents=True, exist_ok=True)
    gap = folder / "stick"
    gap.mkdir(exist_ok=True)
    machines = [
        Signer(
            folder / f"offline-{signer}",
            signer,
            identity=folder / f"{signer}.identity" if automated else None,
        )
        for signer in signers
    ]
    form = form or ("wpkh" if threshold is None else "wsh")
    return Treasury(
        name, node, Coordinator(folder / "online"), machines, People(folder / "people"), gap, threshold, form
    )
