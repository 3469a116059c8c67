"""What ./scripts/demo shows. Every step is a command of one of the two programs, run as its users run it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet
from tests.hardware import recordings
from tests.hardware.vault import Vault, there
from tests.simulators.compromised import CompromisedCoordinator, with_output_script
from tests.support.bitcoind import NodeUnavailableError, ensure
from tests.support.ceremony import Treasury, treasury
from tests.support.node import NodeStartError, RegtestNode, RpcError
from tests.support.programs import UnexpectedExitError
from tests.support.rawpsbt import RawPsbt, edited

RULES: dict[str, object] = {
    "max_single_tx_sats": 3_000_000,
    "max_daily_spend_sats": 4_000_000,
    "max_fee_rate_sats_per_vbyte": 50,
    "max_fee_sats": 50_000,
    "human_approval_threshold_sats": 500_000,
}

NEXT_CHANGE = OwnPlace(1, 5)
"""A change address that the attacker may use: within the gap, and the wallet's own."""

OTHER_FORMS: list[tuple[str, str, int | None, list[int]]] = [
    ("legacy", "pkh", None, [0]),
    ("nested", "sh-wpkh", None, [0]),
    ("taproot", "tr", None, [0]),
    ("old-vault", "sh", 2, [0, 1, 2]),
    ("nested-vault", "sh-wsh", 2, [0, 1, 2]),
]
"""Name, form, threshold, machines of the vault that hold the keys."""

COLOUR = sys.stdout.isatty() and "NO_COLOR" not in os.environ


def paint(code: str, text: str) -> str:
    return f"\033[{code}m{text}\033[0m" if COLOUR else text


class Story:
    """Prints what happens, and keeps it for --json."""

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.payments: list[dict[str, Any]] = []
        self.refusals: list[dict[str, Any]] = []
        self.hardware: dict[str, Any] | None = None

    def act(self, title: str) -> None:
        print(
            f"\n{paint('1', title)}  {paint('2', f'({time.monotonic() - self.started:.0f} s)')}", flush=True
        )

    def line(self, text: str) -> None:
        print(f"  {text}", flush=True)

    def good(self, text: str) -> None:
        self.line(f"{paint('32', 'ok')}  {text}")

    def refused(self, text: str, rule: str, status: int) -> None:
        self.refusals.append({"attack": text, "rule": rule, "exit_status": status})
        self.line(f"{paint('32', 'ok')}  {text}: {paint('31', 'refused')}, {rule} (exit status {status})")

    def confirmed(
        self,
        title: str,
        house: Treasury,
        done: dict[str, Any],
        approvers: Sequence[str],
        signers: Sequence[str],
    ) -> None:
        """Keep a payment that confirmed; a payment that did not ends the demo."""
        if done["state"] != "confirmed" or not done["confirmations"]:
            raise UnexpectedExitError(f"{title}: {done['state']} with {done['confirmations']} confirmations")
        self.good(f"{title}, broadcast and confirmed: {done['txid']}")
        self.payments.append(
            {
                "title": title,
                "wallet": house.name,
                "txid": done["txid"],
                "confirmations": done["confirmations"],
                "paid": sum(payment["sats"] for payment in done["payments"]),
                "fee": done["fee"],
                "approved_by": list(approvers),
                "signed_by": list(signers),
            }
        )

    def page(self, shown: str) -> None:
        """What the person at the offline machine sees, as it was on the screen."""
        for row in shown.rstrip().splitlines():
            self.line(paint("2", "│ ") + row.rstrip())


def review_page(shown: str) -> str:
    """The page itself, without the prompts below it."""
    return shown.split("Sum of the payments in satoshis", 1)[0]


def pay(
    story: Story,
    house: Treasury,
    title: str,
    pays: Sequence[tuple[str, int]],
    signers: Sequence[int],
    approvers: Sequence[str] = (),
    *,
    show_page: bool = False,
    quiet: bool = False,
    **options: object,
) -> Path:
    """One payment, all the way."""
    total = sum(sats for _, sats in pays)
    proposal = house.propose(*pays, **options)["proposal"]
    if not quiet:
        story.line(
            f"proposal {proposal['id']}: {total:,} sats, fee {proposal['fee']:,} sats, state {proposal['state']}"
        )
    if approvers:
        house.approve(proposal["id"], approvers)
        story.good(f"approved by {' and '.join(approvers)}, each with ssh-keygen on a computer of their own")
    request = house.export(proposal["id"])
    if not quiet:
        story.good(f"request written to the stick: {request.name}, {request.stat().st_size:,} bytes")
    answers = []
    for number in signers:
        answer, outcome = house.sign(house.signers[number], request, pays)
        if show_page:
            story.page(review_page(outcome.shown))
            show_page = False
        if not quiet:
            story.good(f"verified, judged, reviewed, journaled and signed at {house.signers[number].name}")
        answers.append(answer)
    done = house.finish(proposal["id"], answers)
    story.confirmed(title, house, done, approvers, [house.signers[number].name for number in signers])
    return request


def attack(
    story: Story,
    house: Treasury,
    evil: CompromisedCoordinator,
    vendor: str,
    approved: Path,
    paid: Sequence[tuple[str, int]],
) -> None:
    """What a compromised coordinator tries on the P2WPKH wallet. Its requests are signed by the real key.

    `approved` is the request that the approvers allowed, `paid` what it paid.
    """
    signer = house.signers[0]

    def attempt(text: str, data: bytes, rule: str, status: int) -> None:
        request = house.gap / f"attack-{len(story.refusals) + 1}.psbt"
        request.write_bytes(data)
        refused = house.refuse(signer, request, status)
        if rule not in refused.refusals:
            raise UnexpectedExitError(f"{text}: refused as {refused.refusals}, not as {rule}")
        story.refused(text, rule, status)

    outpoint, place, raw, sats = max(own_coins(house), key=lambda coin: coin[3])

    def payment(amount: int, change: OwnPlace = NEXT_CHANGE) -> UntrustedPsbt:
        return evil.payment([(outpoint, place, raw)], [(vendor, amount)], (change, sats - amount - 2_000))

    def request(data: bytes, amount: int) -> bytes:
        psbt = UntrustedPsbt.parse(data)
        intent = evil.intent(psbt.tx, [(vendor, amount)], 10_000)
        return evil.sealed(psbt, intent, psbt.tx.txid_hex())

    honest = payment(100_000).serialize()
    stolen = with_output_script(honest, 1, b"\x00\x14" + bytes(range(20)))
    attempt("change to a foreign address, marked as ours", request(stolen, 100_000), "change-not-derived", 4)

    lie = RawPsbt(honest)
    utxo = lie.get(lie.input(0), b"\x01")
    lie.set(lie.input(0), b"\x01", (sats - 500_000).to_bytes(8, "little") + utxo[8:])
    attempt(
        "an input that lies about its amount", request(lie.bytes(), 100_000), "input-witness-utxo-differs", 4
    )

    # within the limit of a single payment, but not together with what was paid before
    over = 2_500_000
    attempt(
        "a payment above the daily limit, claimed to be within it",
        request(payment(over).serialize(), over),
        "policy-daily-limit",
        5,
    )

    far = payment(100_000, OwnPlace(1, 2**31 - 1)).serialize()
    attempt(
        "change hidden at our own address number 2147483647",
        request(far, 100_000),
        "output-own-beyond-gap",
        4,
    )

    single = edited(honest, lambda psbt: psbt.set(psbt.input(0), b"\x03", b"\x03\x00\x00\x00"))
    attempt(
        "a signature that leaves outputs open (SIGHASH_SINGLE)",
        request(single, 100_000),
        "sighash-not-all",
        4,
    )

    # the approvers' signatures are real, and the payment is the one that they allowed: only the coin is another one
    _, envelope = evil.captured(approved)
    again = evil.payment(
        [(outpoint, place, raw)], paid, (NEXT_CHANGE, sats - sum(amount for _, amount in paid) - 2_000)
    )
    attempt(
        "one approval, used for a second payment from other coins",
        evil.sealed(again, envelope.intent, again.tx.txid_hex(), envelope),
        "intent-coin-not-spent",
        6,
    )


def own_coins(house: Treasury) -> list[tuple[OutPoint, OwnPlace, bytes, int]]:
    """The wallet's coins as the coordinator knows them: outpoint, place, raw previous transaction, satoshis."""
    found = []
    for coin in house.coordinator.json("wallet", "coins", house.name)["coins"]:
        outpoint = OutPoint.parse_text(coin["outpoint"])
        raw = bytes.fromhex(house.node.rpc("getrawtransaction", outpoint.txid[::-1].hex()))
        found.append((outpoint, OwnPlace(coin["branch"], coin["index"]), raw, coin["sats"]))
    return found


def batch_over_codes(story: Story, house: Treasury, pays: Sequence[tuple[str, int]]) -> None:
    """Many payments from a file; request and answer cross the gap as drawn QR codes that are read again."""
    signer = house.signers[0]
    table = house.gap / "payments.csv"
    table.write_text("".join(f"{address},{sats},invoice\n" for address, sats in pays), encoding="ascii")
    proposal = house.coordinator.json("proposals", "create", "--wallet", house.name, "--csv", table)[
        "proposal"
    ]
    there, back = house.gap / "codes-out", house.gap / "codes-back"
    house.coordinator.json("proposals", "psbt", proposal["id"], "--qr-images", there)
    frames = sorted(there.iterdir())
    digest = proposal["intent_digest"]
    signer.run(
        "sign", "--scan", *frames, "--qr-images", back,
        answers=[
            ("Sum of the payments in satoshis: ", str(sum(sats for _, sats in pays))),
            ("Last 4 characters of the intent digest: ", digest[-4:]),
        ],
    )  # fmt: skip
    answer = sorted(back.iterdir())
    house.coordinator.json("proposals", "receive", "--scan", *answer)
    house.coordinator.json("proposals", "broadcast", proposal["id"])
    house.node.mine(1)
    done = house.coordinator.json("proposals", "show", proposal["id"])["proposal"]
    story.good(
        f"request drawn as {len(frames)} QR codes, read and signed; answer back as {len(answer)} codes"
    )
    story.confirmed(f"batch of {len(pays)} payments over QR codes", house, done, [], [signer.name])


def sent(house: Treasury, proposal: dict[str, Any], answers: Sequence[tuple[str, str]]) -> None:
    """Sign a proposal that exists, and send it without waiting for a block."""
    request = house.gap / f"{proposal['id']}.psbt"
    answer = house.gap / f"{proposal['id']}.answer.psbt"
    house.coordinator.json("proposals", "psbt", proposal["id"], "--out", request)
    house.signers[0].run("sign", request, "--out", answer, answers=answers)
    house.coordinator.json("proposals", "broadcast", answer)


def bump(story: Story, house: Treasury, supplier: str) -> None:
    """A payment with a low fee hangs; a second transaction for the same intent pays more."""
    pays = [(supplier, 60_000)]
    slow = house.propose(*pays, fee_rate=2, max_fee=20_000)["proposal"]
    sent(house, slow, house.confirmation(pays))
    fast = house.coordinator.json("proposals", "bump", slow["id"], "--fee-rate", 20)["proposal"]
    sent(house, fast, house.confirmation(pays))
    house.node.mine(1)
    done = house.coordinator.json("proposals", "show", fast["id"])["proposal"]
    story.good(
        f"hung at {slow['fee']:,} sats of fee, bumped to {fast['fee']:,} under the same intent: nobody approves again"
    )
    story.confirmed("bumped payment", house, done, [], [house.signers[0].name])


def call_back(story: Story, house: Treasury, supplier: str) -> None:
    """An unconfirmed payment is taken back by spending its named coin home."""
    pays = [(supplier, 70_000)]
    wrong = house.propose(*pays, fee_rate=2, max_fee=20_000)["proposal"]
    sent(house, wrong, house.confirmation(pays))
    home = house.coordinator.json("proposals", "cancel", wrong["id"], "--fee-rate", 20)["proposal"]
    sent(house, home, [("Last 4 characters of the intent digest: ", home["intent_digest"][-4:])])
    house.node.mine(1)
    done = house.coordinator.json("proposals", "show", home["id"])["proposal"]
    lost = house.coordinator.json("proposals", "show", wrong["id"])["proposal"]
    if lost["state"] != "failed":
        raise UnexpectedExitError(f"the cancelled payment is {lost['state']}")
    story.good(
        "a wrong payment was called back before it confirmed: the coin that its intent names went home"
    )
    story.confirmed("cancellation", house, done, [], [house.signers[0].name])


class Founding(threading.Thread):
    """Founds the vault and its neighbours while the first treasury is at work: other homes, other people, the same node."""

    def __init__(self, folder: Path, node: RegtestNode, supplier: str) -> None:
        super().__init__(name="founding", daemon=True)
        self.lines: list[str] = []
        self._vault = treasury(folder, node, "vault", ["east", "south", "west"], 2, automated=True)
        self._addresses = {"supplier": supplier}
        self._problem: Exception | None = None

    def run(self) -> None:
        try:
            self._found()
        except Exception as problem:  # noqa: BLE001 - handed over to whoever waits for the result
            self._problem = problem

    def _found(self) -> None:
        vault = self._vault
        vault.found(self._addresses, RULES, self.lines.append)
        vault.fund(4_000_000, 1_000_000)
        for name, form, threshold, machines in OTHER_FORMS:
            other = vault.another(name, form, threshold, [vault.signers[number] for number in machines])
            other.found_wallet(self._addresses, RULES)
            other.fund(400_000)
        daily = vault.another("daily", "wpkh", None, [vault.signers[0]])
        daily.found_wallet(self._addresses, RULES)
        daily.fund(600_000, 500_000, 400_000)

    def result(self) -> Treasury:
        """The vault, once all is founded."""
        self.join()
        if self._problem is not None:
            raise self._problem
        return self._vault


RECORDED = (
    "THE TWO DEVICES ARE RECORDINGS. Real firmware (Ledger Bitcoin app 2.4.6, Trezor One 1.14.1) gave",
    "these answers once, and a replay gives them again, byte by byte; nobody presses a button.",
    "The payment is the recorded one, on a test network: its coins exist nowhere, so nothing is sent.",
)


def hardware_replay(story: Story, folder: Path) -> Vault | None:
    """A vault with a Ledger, a Trezor and a key in software, where the two devices are recordings of real firmware."""
    story.act("10  A 2-of-3 of a Ledger, a Trezor and a key in software, with recorded devices")
    if not there(recordings.place()):
        story.line(f"skipped: there are no recordings in {recordings.place()}; FALCONER_VECTORS says where")
        story.hardware = {"outcome": "skipped", "txid": None}
        return None
    for line in RECORDED:
        story.line(paint("31", line))
    folder.mkdir()
    vault = Vault(recordings.place(), folder, story.good)
    vault.found()
    vault.compare_addresses()
    vault.ask()
    devices, outcome = vault.sign(["ledger", "trezor"])
    story.page(outcome.shown)
    story.good("sign: the recorded Ledger and Trezor signed what was verified, judged and confirmed here")
    mixed, _ = vault.sign(["ledger"], ["office"])
    story.good("sign: the recorded Ledger and the key of this machine signed the same request")
    txid = vault.finished(devices).txid_hex
    if vault.finished(mixed).txid_hex != txid:
        raise UnexpectedExitError("two quorums finished two transactions")
    story.good(f"each quorum finishes it, and Bitcoin Core's code accepts both: {txid}")
    story.hardware = {"outcome": "done", "txid": txid}
    return vault


def run(story: Story, folder: Path, node: RegtestNode) -> None:
    supplier = node.rpc("getnewaddress", wallet="miner")
    auditor = node.rpc("getnewaddress", wallet="miner")

    founding = Founding(folder / "vault", node, supplier)
    founding.start()

    story.act("1  First trust: a P2WPKH treasury with one offline machine")
    house = treasury(folder / "single", node, "treasury", ["north"])
    house.found({"supplier": supplier, "auditor": auditor}, RULES, story.line)
    house.fund(5_000_000, 2_000_000, 300_000)

    story.act("2  A payment below the approval threshold")
    pay(
        story,
        house,
        "below the threshold",
        [(supplier, 250_000)],
        [0],
        show_page=True,
        purpose="hosting, November",
    )

    story.act("3  A payment above it: two of three approvers sign the intent")
    audit = [(auditor, 1_500_000)]
    approved = pay(story, house, "above the threshold", audit, [0], ["carl", "dora"], purpose="yearly audit")

    story.act("4  A compromised coordinator, with the coordinator's own key")
    wallet = RegisteredWallet.register(
        house.name,
        Network.REGTEST,
        (house.gap / "treasury.descriptor.txt").read_text(encoding="ascii").strip(),
    )
    evil = CompromisedCoordinator.of(house.coordinator.home, house.policy_file(1).read_bytes(), wallet)
    attack(story, house, evil, supplier, approved, audit)

    story.act("5  A 2-of-3 P2WSH vault with three offline machines, founded meanwhile by other people")
    vault = founding.result()
    for line in founding.lines:
        story.line(line)

    story.act("6  Payments out of the vault, signed by two of its three machines in parallel")
    pay(story, vault, "vault, below the threshold", [(supplier, 200_000)], [0, 1])
    pay(story, vault, "vault, above the threshold", [(supplier, 1_200_000)], [2, 0], ["emil", "carl"])

    story.act("7  Every other script type, on the same coordinator and the same machines")
    for name, form, threshold, machines in OTHER_FORMS:
        other = vault.another(name, form, threshold, [vault.signers[number] for number in machines])
        pay(story, other, form, [(supplier, 120_000)], range(threshold or 1), quiet=True)

    story.act("8  An ordinary day: a batch over QR codes, a payment that hangs, one that is called back")
    daily = vault.another("daily", "wpkh", None, [vault.signers[0]])
    batch_over_codes(
        story, daily, [(node.rpc("getnewaddress", wallet="miner"), 11_000 + number) for number in range(5)]
    )
    bump(story, daily, supplier)
    call_back(story, daily, supplier)

    story.act("9  What is written down")
    for each in (house, vault):
        verified = each.coordinator.json("audit", "verify")
        story.good(
            f"{each.name}: audit trail of {verified['size']} records verifies, root {verified['root'][:16]}…"
        )
        for signer in each.signers:
            journal = signer.run("journal", "verify", json_output=True).json
            story.good(f"{each.name}: journal of {signer.name} verifies, {journal['size']} entries")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="./scripts/demo", description="The main job on a real node on regtest."
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the outcome to FILE")
    parser.add_argument(
        "--keep", action="store_true", help="leave the homes of both programs for a look around"
    )
    parser.add_argument(
        "--hardware-replay",
        action="store_true",
        help="one act more: a Ledger and a Trezor, as recordings of real firmware",
    )
    options = parser.parse_args(arguments)
    story = Story()
    folder = Path(tempfile.mkdtemp(prefix="falconer-demo-"))
    problem: str | None = None
    try:
        program = ensure()
        with RegtestNode(folder / "node", program=program) as node:
            node.mine(101)
            version = node.rpc("getnetworkinfo")["subversion"]
            story.line(f"a real node on regtest: {version} at {node.url}")
            run(story, folder, node)
        if options.hardware_replay:
            hardware_replay(story, folder / "hardware")
    except (
        NodeUnavailableError,
        NodeStartError,
        RpcError,
        UnexpectedExitError,
        OSError,
        ValueError,
        KeyError,
        RuntimeError,
        subprocess.SubprocessError,
    ) as error:
        problem = f"{type(error).__name__}: {error}"
    except KeyboardInterrupt:
        problem = "interrupted"
    finally:
        if options.keep:
            print(f"\nhomes left in {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
    seconds = time.monotonic() - story.started
    if options.json:
        options.json.write_text(
            json.dumps(
                {
                    "outcome": "failed" if problem else "done",
                    "problem": problem,
                    "seconds": round(seconds, 1),
                    "payments": story.payments,
                    "refusals": story.refusals,
                    "hardware_replay": story.hardware,
                },
                indent=2,
            )
            + "\n",
            encoding="utf-8",
        )
    if problem:
        print(f"\n{paint('31', 'The demo failed.')} {problem}", file=sys.stderr)
        return 1
    print(f"\n{paint('1', 'Confirmed')}")
    for payment in story.payments:
        print(f"  {payment['txid']}  {payment['confirmations']} confirmation(s)  {payment['title']}")
    print(f"{len(story.refusals)} attacks refused: {', '.join(item['rule'] for item in story.refusals)}")
    print(f"{seconds:.0f} s. Everything that was started has been stopped.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
