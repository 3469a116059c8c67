"""`falconer policy explain | check | test | import-env`: what a policy says, before anybody signs it or pays by it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_online.cli.options import FILE, json_option, parse_moment, shown
from falconer_online.cli.session import Session, pass_session, styled
from falconer_online.cli.shown import verdicts
from falconer_shared.errors import StateError, UsageError
from falconer_shared.text import safe

if TYPE_CHECKING:
    from falconer_online.coordinator import Coordinator
    from falconer_online.store.rows import WalletRow
    from falconer_online.store.view import View
    from falconer_shared.policy.document import Policy
    from falconer_shared.policy.history import SpendHistory
    from falconer_shared.wallet.registration import RegisteredWallet

CASES_DIFFER = 1
"""Exit status of `policy test` when a case came out otherwise: what test programs use."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A policy, and what this coordinator knows of its wallet; nothing where there is no coordinator."""

    policy: Policy
    coordinator: Coordinator | None
    row: WalletRow | None
    wallet: RegisteredWallet | None


def _source(file: Path | None, name: str | None) -> _Source:
    """The policy of a file (TOML or canonical text), or the one in force for a wallet."""
    from falconer_online.config import find_home
    from falconer_online.coordinator import Coordinator

    coordinator = Coordinator.open(find_home()) if file is None or find_home().config_file.exists() else None
    if coordinator is None:
        if file is None:
            raise RuntimeError("without a file there is a coordinator, or opening it refused")
        return _Source(_read(file), None, None, None)
    with coordinator.store.read() as view:
        if file is not None:
            policy = _read(file)
            row = next((row for row in view.wallets() if row.wallet_id == policy.wallet_id), None)
        else:
            row = view.wallet(name)
            policy = coordinator.policy(view, row).policy
        return _Source(policy, coordinator, row, None if row is None else coordinator.wallet(row))


def _read(file: Path) -> Policy:
    from falconer_online.files import MAX_TEXT_FILE, read_file
    from falconer_online.policies import compile_policy
    from falconer_shared.policy.document import KIND, Policy

    data = read_file(file, MAX_TEXT_FILE, "the policy")
    return Policy.parse(data) if data.startswith(KIND.encode()) else compile_policy(None, data).policy


@click.command("explain")
@click.argument("file", required=False, type=FILE, metavar="[POLICY]")
@click.option("--wallet", help="Whose policy, where no file is given (default: the only one).")
@json_option
@pass_session
def explain(session: Session, file: Path | None, wallet: str | None) -> None:
    """What a policy allows, in sentences: of a file (TOML or canonical text), or the one in force."""
    from falconer_shared.policy.explain import explain as sentences

    source = _source(file, wallet)
    k, n = (None, None) if source.wallet is None else (source.wallet.threshold, source.wallet.size)
    lines = sentences(source.policy, k=k, n=n)
    for line in lines:
        session.say(line)
    session.result(
        {
            "wallet_id": source.policy.wallet_id,
            "version": source.policy.version,
            "digest": source.policy.digest,
            "explained": list(lines),
        }
    )


@click.command("check")
@click.option(
    "--pay", "payments", multiple=True, required=True, metavar="ADDRESS=SATS",
    help="A payment, to an address or to @NAME of the address book; again for each.",
)  # fmt: skip
@click.option("--fee-rate", metavar="SAT/VB", help="Of a transaction with one input (default: 1).")
@click.option("--at", "at", metavar="TIME", help="When (default: now): a time like 2026-01-31T09:30:00Z.")
@click.option("--requester", default="operator", show_default=True, help="Who asks.")
@click.option("--strategy", default="-", help="Under which strategy.")
@click.option(
    "--approver", "approvers", multiple=True, metavar="NAME", help="As if this person approved; again."
)
@click.option("--policy", "file", type=FILE, help="A policy file, TOML or text (default: the one in force).")
@click.option("--wallet", help="Whose policy, where no file is given (default: the only one).")
@json_option
@pass_session
def check(  # noqa: PLR0913, PLR0917  # one argument per option
    session: Session, payments: tuple[str, ...], fee_rate: str | None, at: str | None, requester: str, strategy: str,
    approvers: tuple[str, ...], file: Path | None, wallet: str | None,
) -> None:  # fmt: skip
    """What the policy says of a payment that nobody makes: no coins, no node, nothing is kept. What was spent
    before counts.
    """
    from falconer_online.build import check_payments, parse_fee_rate
    from falconer_online.coordinator import system_clock
    from falconer_online.hypothetical import Question, spend_for, unjudged
    from falconer_online.judging import judge_spend
    from falconer_online.paying import AddressBook, parse_payment
    from falconer_shared.canonical import format_time
    from falconer_shared.policy.history import Recorded
    from falconer_shared.policy.spend import Outlook, Share, share_of
    from falconer_shared.text import is_token
    from falconer_shared.units import btc, grouped

    source = _source(file, wallet)
    policy, coordinator = source.policy, source.coordinator
    for name in (requester, strategy):
        if not is_token(name):
            raise UsageError(
                "proposal-name", f"'{safe(name)}' is not an id of 1 to 64 characters a-z 0-9 . _ -"
            )
    unknown = sorted(set(approvers) - policy.approver_keys().keys())
    if unknown:
        raise UsageError("approver-unknown", f"the policy has no approver '{safe(unknown[0], 64)}'")
    now = (coordinator.clock if coordinator is not None else system_clock)()
    book = AddressBook(policy.network, policy.addresses)
    payees = tuple(parse_payment(text, book) for text in payments)
    check_payments(payees)

    def judged(history: SpendHistory, pending: int | None) -> None:
        question = Question(
            payments=payees,
            at=now if at is None else parse_moment(at, now),
            fee_rate=parse_fee_rate(fee_rate or "1"),
            requester=requester,
            strategy=strategy,
            approvers=frozenset(approvers),
            outlook=Outlook(pending=pending),
        )
        share = Share(1, 1, whole=True)
        if source.wallet is not None:
            share = share_of(policy, source.wallet.threshold, source.wallet.size)
        node = None if source.wallet is None else source.wallet.descriptor
        spend = spend_for(policy, question, history, share, node)
        judgement = judge_spend(policy, spend, sorted(spend.approvers))
        for each in spend.payments:
            session.say(f"pays       {grouped(each.amount)}  {btc(each.amount)}  to {each.address}")
        session.say(f"fee        {grouped(spend.fee)}, as of a transaction with one input and change")
        session.say(f"at         {format_time(spend.now)}")
        where = "no history" if source.row is None else f"what wallet {source.row.name} spent before"
        session.say(f"judged     with {where}, at {_share(share)}")
        session.say()
        verdicts(session, judgement.as_json())
        for name in unjudged(policy, spend):
            session.say(f"not judged: {name}, which needs real coins or the node")
        judgement.refuse_if_forbidden()
        judgement.refuse_if_unapproved()
        session.say(styled("the policy allows it", "green"))
        session.result(
            {
                "verdict": "accepted",
                "transaction": {
                    "payments": [
                        {"address": each.address, "sats": int(each.amount)} for each in spend.payments
                    ],
                    "fee_sats": int(spend.fee),
                    "at": format_time(spend.now),
                },
                "approvals_needed": judgement.needed,
                "not_judged": list(unjudged(policy, spend)),
                "verdicts": judgement.as_json(),
            }
        )

    if coordinator is None or source.row is None:
        judged(Recorded(()), None)
        return
    with coordinator.store.read() as view:
        judged(view.history(source.row.wallet_id), _pending(view, source.row))


def _pending(view: View, row: WalletRow) -> int:
    """With one more."""
    return 1 + view.unsigned(row.wallet_id, "")


def _share(share: object) -> str:
    from falconer_shared.policy.spend import Share

    if not isinstance(share, Share) or share.whole:
        return "whole limits"
    return f"one signer's share, {share.k} of {share.n}"


@click.command("test")
@click.argument("file", type=FILE, metavar="CASES.TOML")
@click.option(
    "--policy",
    "policy_file",
    type=FILE,
    help="The policy, TOML or text (default: the one that CASES.TOML names).",
)
@click.option("--wallet", help="Whose policy, where no file is named (default: the only one).")
@json_option
@click.pass_context
def test(ctx: click.Context, file: Path, policy_file: Path | None, wallet: str | None) -> None:
    """Judge every case of CASES.TOML. Exit status 1 if one comes out otherwise than it says."""
    from falconer_online.cases import read_table, run
    from falconer_online.files import MAX_TEXT_FILE, read_file

    session: Session = ctx.ensure_object(Session)
    table = read_table(read_file(file, MAX_TEXT_FILE, "the table of cases"))
    if policy_file is None and table.policy_file is not None:
        policy_file = file.parent / table.policy_file
    policy = _read(policy_file) if policy_file is not None else _source(None, wallet).policy
    ran = run(policy, table)
    session.table(
        ("case", "expected", "outcome", ""),
        [(safe(each.name, 60), each.expected, each.outcome, "ok" if each.ok else "DIFFERS") for each in ran],
    )
    differing = [each for each in ran if not each.ok]
    for each in differing:
        session.say()
        session.say(f"{safe(each.name, 200)}:")
        if each.expected_rules is not None:
            session.say(f"  expected {', '.join(map(safe, each.expected_rules)) or 'no refusal'}")
        session.say(f"  refused by {', '.join(each.rules) or 'nothing'}")
        for message in each.messages:
            session.say(f"  {message}")
    session.say()
    session.say(f"{len(ran)} cases, {len(differing)} differ")
    session.result(
        {
            "policy": {"version": policy.version, "digest": policy.digest},
            "cases": [
                {
                    "name": each.name,
                    "ok": each.ok,
                    "expected": each.expected,
                    "outcome": each.outcome,
                    "rules": list(each.rules),
                    "messages": list(each.messages),
                }
                for each in ran
            ],
            "differing": len(differing),
        }
    )
    if differing:
        ctx.exit(CASES_DIFFER)


@click.command("import-env")
@click.argument("file", type=FILE, metavar="ENV_FILE")
@click.option("--out", type=FILE, required=True, help="Where the policy as TOML goes.")
@click.option("--network", help="Of the addresses in the file (default: this coordinator's).")
@click.option("--wallet", help="Which wallet it is for (default: the only one).")
@json_option
@pass_session
def import_env(session: Session, file: Path, out: Path, network: str | None, wallet: str | None) -> None:
    """Turn an environment file, MAX_DAILY_SPEND_SATS=... and the like, into a policy to be completed. Names that
    are no rules are listed; values are never shown.
    """
    from falconer_online.config import find_home
    from falconer_online.coordinator import Coordinator
    from falconer_online.env_file import policy_text, read, rules_of
    from falconer_online.files import MAX_TEXT_FILE, read_file, write_out
    from falconer_shared.bitcoin.network import Network

    coordinator = Coordinator.open(find_home()) if find_home().config_file.exists() else None
    if network is not None:
        chosen = Network.parse(network)
    elif coordinator is not None:
        chosen = coordinator.config.network
    else:
        raise UsageError(
            "network-missing", "there is no coordinator to say which network it is", remedy="--network NAME"
        )
    found = rules_of(read(read_file(file, MAX_TEXT_FILE, "the environment file")), chosen)
    write_out(out, policy_text(found, _head(coordinator, chosen, wallet)).encode())
    session.say(f"{len(found.rules)} rules and {len(found.addresses)} addresses taken over: {shown(out)}")
    for note in found.notes:
        session.say(f"note: {note}")
    if found.left:
        session.say()
        session.table(
            ("not taken over", "because it"),
            [(safe(each.name, 60), safe(each.reason, 200)) for each in found.left],
        )
    step = f"complete {shown(out)}, then: falconer policy compile {shown(out)} --out policy.txt"
    session.next(step)
    session.result(
        {
            "file": str(out),
            "rules": [*sorted(found.rules)],
            "addresses": dict(sorted(found.addresses.items())),
            "notes": list(found.notes),
            "left": [{"name": each.name, "reason": each.reason} for each in found.left],
            "next": step,
        }
    )


def _head(coordinator: Coordinator | None, network: object, name: str | None) -> list[str]:
    """All of a policy that stands before its addresses, as far as this coordinator knows it."""
    from falconer_online.env_file import toml
    from falconer_shared.bitcoin.network import Network

    label = network.label if isinstance(network, Network) else ""
    wallet_id, version, key, admins = None, 1, None, dict[str, str]()
    if coordinator is not None:
        with coordinator.store.read() as view:
            admins = view.administrators()
            try:
                row = view.wallet(name)
            except (StateError, UsageError):
                if name is not None:
                    raise
            else:
                wallet_id = row.wallet_id
                version = 1 + max((each.version for each in view.policies(wallet_id)), default=0)
        public = coordinator.config.home.public_file
        if public.exists():
            key = " ".join(public.read_text(encoding="ascii").split()[:2])

    def line(name: str, value: object | None) -> str:
        return f"# {name} = ?    to be filled in" if value is None else f"{name} = {toml(value)}"

    return [
        "# A policy out of an environment file. Complete it, then compile it: docs/policy.md says what each line means.",
        f"version = {version}",
        f'network = "{label}"',
        line("wallet", wallet_id),
        line("coordinator", key),
        line("admin_quorum", len(admins) or None),
        "",
        "[admins]",
        *(line(who, " ".join(public_key.split()[:2])) for who, public_key in sorted(admins.items())),
        "",
        "# Who approves, where a rule asks for approval:",
        "# [approvers]",
        '# anna = "ssh-ed25519 ..."',
        "# [groups]",
        '# desk = ["anna"]',
        "# [[approval_quorums]]",
        "# above_sats = 0",
        "# k = 1",
        '# group = "desk"',
        "",
        "[signers]    # the machine keys of the offline machines (machine.pub)",
        '# vault = "ssh-ed25519 ..."',
    ]
