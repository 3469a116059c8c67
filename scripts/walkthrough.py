"""What ./scripts/demo shows. Every step is a command of one of the two programs, run as its users run it."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from falconer_shared.bitcoin.network import Network
from falconer_shared.bitcoin.transaction import OutPoint
from falconer_shared.psbt.parse import UntrustedPsbt
from falconer_shared.wallet.ownership import OwnPlace
from falconer_shared.wallet.registration import RegisteredWallet
from tests.simulators.compromised import CompromisedCoordinator, with_output_script
from tests.support.bitcoind import NodeUnavailableError, ensure
from tests.support.ceremony import Treasury, treasury
from tests.support.node import NodeStartError, RegtestNode, RpcError
from tests.support.programs import UnexpectedExitError
from tests.support.rawpsbt import RawPsbt

RULES: dict[str, object] = {
    "max_single_tx_sats": 3_000_000,
    "max_daily_spend_sats": 4_000_000,
    "max_fee_rate_sats_per_vbyte": 50,
    "max_fee_sats": 50_000,
    "human_approval_threshold_sats": 500_000,
}

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
    if done["state"] != "confirmed" or not done["confirmations"]:
        raise UnexpectedExitError(f"{title}: {done['state']} with {done['confirmations']} confirmations")
    story.good(f"{title + ': ' if quiet else ''}broadcast and confirmed: {done['txid']}")
    story.payments.append(
        {
            "title": title,
            "wallet": house.name,
            "txid": done["txid"],
            "confirmations": done["confirmations"],
            "paid": total,
            "fee": done["fee"],
            "approved_by": list(approvers),
            "signed_by": [house.signers[number].name for number in signers],
        }
    )
    return request


def attack(story: Story, house: Treasury, evil: CompromisedCoordinator, vendor: str) -> None:
    """Three attempts of a compromised coordinator on the P2WPKH wallet. Its requests are signed by the real key."""
    signer = house.signers[0]

    def attempt(text: str, data: bytes, rule: str, status: int) -> None:
        request = house.gap / f"attack-{len(story.refusals) + 1}.psbt"
        request.write_bytes(data)
        inspected = signer.run("inspect", request, expect=status, json_output=True)
        if rule not in inspected.refusals:
            raise UnexpectedExitError(f"{text}: refused as {inspected.refusals}, not as {rule}")
        house.refuse(signer, request, status)
        story.refused(text, rule, status)

    coins = own_coins(house)
    biggest = max(coins, key=lambda coin: coin[3])
    outpoint, place, raw, sats = biggest

    def honest(payment: int) -> UntrustedPsbt:
        return evil.payment(
            [(outpoint, place, raw)], [(vendor, payment)], (OwnPlace(1, 5), sats - payment - 2_000)
        )

    def request(data: bytes, payment: int) -> bytes:
        psbt = UntrustedPsbt.parse(data)
        intent = evil.intent(psbt.tx, [(vendor, payment)], 10_000)
        return evil.sealed(psbt, intent, psbt.tx.txid_hex())

    stolen = with_output_script(honest(100_000).serialize(), 1, b"\x00\x14" + bytes(range(20)))
    attempt("change to a foreign address, marked as ours", request(stolen, 100_000), "change-not-derived", 4)

    lie = RawPsbt(honest(100_000).serialize())
    utxo = lie.get(lie.input(0), b"\x01")
    lie.set(lie.input(0), b"\x01", (sats - 500_000).to_bytes(8, "little") + utxo[8:])
    attempt(
        "an input that lies about its amount", request(lie.bytes(), 100_000), "input-witness-utxo-differs", 4
    )

    # within the limit of a single payment, but not together with what was paid before
    over = 2_500_000
    attempt(
        "a payment above the daily limit, claimed to be within it",
        request(honest(over).serialize(), over),
        "policy-daily-limit",
        5,
    )


def own_coins(house: Treasury) -> list[tuple[OutPoint, OwnPlace, bytes, int]]:
    """The wallet's coins as the coordinator knows them: outpoint, place, raw previous transaction, satoshis."""
    found = []
    for coin in house.coordinator.json("wallet", "coins", house.name)["coins"]:
        outpoint = OutPoint.parse_text(coin["outpoint"])
        raw = bytes.fromhex(house.node.rpc("getrawtransaction", outpoint.txid[::-1].hex()))
        found.append((outpoint, OwnPlace(coin["branch"], coin["index"]), raw, coin["sats"]))
    return found


def run(story: Story, folder: Path, node: RegtestNode) -> None:
    supplier = node.rpc("getnewaddress", wallet="miner")
    auditor = node.rpc("getnewaddress", wallet="miner")

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
    pay(
        story,
        house,
        "above the threshold",
        [(auditor, 1_500_000)],
        [0],
        ["carl", "dora"],
        purpose="yearly audit",
    )

    story.act("4  A compromised coordinator, with the coordinator's own key")
    wallet = RegisteredWallet.register(
        house.name,
        Network.REGTEST,
        (house.gap / "treasury.descriptor.txt").read_text(encoding="ascii").strip(),
    )
    evil = CompromisedCoordinator.of(house.coordinator.home, house.policy_file(1).read_bytes(), wallet)
    attack(story, house, evil, supplier)

    story.act("5  A 2-of-3 P2WSH vault with three offline machines")
    vault = treasury(folder / "vault", node, "vault", ["east", "south", "west"], 2, automated=True)
    vault.found({"supplier": supplier}, RULES, story.line)
    vault.fund(4_000_000, 1_000_000)

    story.act("6  Payments out of the vault, signed by two of its three machines in parallel")
    pay(story, vault, "vault, below the threshold", [(supplier, 200_000)], [0, 1])
    pay(story, vault, "vault, above the threshold", [(supplier, 1_200_000)], [2, 0], ["emil", "carl"])

    story.act("7  Every other script type, on the same coordinator and the same machines")
    for name, form, threshold, machines in OTHER_FORMS:
        other = vault.another(name, form, threshold, [vault.signers[number] for number in machines])
        other.found_wallet({"supplier": supplier}, RULES)
        other.fund(400_000)
        pay(story, other, f"{form}", [(supplier, 120_000)], range(threshold or 1), quiet=True)

    story.act("8  What is written down")
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
    except (
        NodeUnavailableError,
        NodeStartError,
        RpcError,
        UnexpectedExitError,
        OSError,
        ValueError,
        KeyError,
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
