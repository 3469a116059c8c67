"""`falconer`: the groups and their commands. A command's module is imported when it is run, so that help is
quick.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import click
from click.exceptions import NoArgsIsHelpError

from falconer_online.cli.session import Session
from falconer_shared.errors import Declined, FalconerError, UsageError
from falconer_shared.text import safe

VERSION = "0.1.0"
_SETTINGS = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

_ATTRIBUTE = {"list": "list_", "compile": "compile_", "set": "set_", "import": "import_"}
"""Commands whose functions cannot have their names, which Python has for itself."""

_ELSEWHERE = {
    ("home", "fee-brief"): "fees",
    ("home", "mempool-health"): "fees",
    ("home", "completion"): "completion",
    ("wallet", "export"): "export",
    ("policy", "explain"): "policy_tools",
    ("policy", "check"): "policy_tools",
    ("policy", "test"): "policy_tools",
    ("policy", "import-env"): "policy_tools",
    ("proposals", "create"): "create",
    ("proposals", "list"): "lists",
    ("proposals", "stats"): "lists",
    ("proposals", "expire"): "lists",
    ("proposals", "bump"): "replacing",
    ("proposals", "cancel"): "replacing",
    ("proposals", "accelerate"): "replacing",
    ("proposals", "receive"): "answers",
    ("proposals", "broadcast"): "answers",
}
"""Commands that stand in another module than their group's others."""


class LazyGroup(click.Group):
    """A group that knows its commands by name and sentence, and imports one when it is asked for."""

    def __init__(self, *, module: str, table: Mapping[str, str], help_text: str, name: str) -> None:
        super().__init__(name=name, help=help_text, context_settings=_SETTINGS)
        self._module = module
        self._table = table

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._table, *super().list_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._table:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(
            f"falconer_online.cli.{_ELSEWHERE.get((self._module, cmd_name), self._module)}"
        )
        command: click.Command = getattr(module, _ATTRIBUTE.get(cmd_name, cmd_name.replace("-", "_")))
        return command

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = list(self._table.items())
        rows += [(name, self.commands[name].get_short_help_str(limit=100)) for name in self.commands]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _show_version(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  # click's signature
    if value:
        click.echo(f"falconer {VERSION}")
        ctx.exit()


def _set_debug(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001
    if value:
        ctx.find_object(Session).debug = True  # type: ignore[union-attr]  # run() gives it


root = LazyGroup(
    module="home",
    table={
        "init": "Make a new coordinator: its key, its store, the administrators it trusts.",
        "status": "What there is, what it waits for, and whether the node answers.",
        "fee-brief": "What a payment costs now, and why.",
        "mempool-health": "How full the node's mempool is, and what that means.",
        "completion": "The completion script for bash, zsh or fish.",
    },
    help_text="""The online coordinator of a Bitcoin treasury.

    It takes proposals, applies the policy, collects approvals, hands signing requests to offline signers,
    verifies what comes back, and broadcasts. It holds no Bitcoin key and can spend nothing.

    FALCONER_HOME names the directory it lives in (default: the XDG directories).""",
    name="falconer",
)
root.params += [
    click.Option(
        ["--version"],
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_show_version,
        help="Show the version.",
    ),
    click.Option(
        ["--debug"],
        is_flag=True,
        expose_value=False,
        callback=_set_debug,
        help="Show the traceback of an error.",
    ),
]

_GROUPS = (
    LazyGroup(
        module="wallet",
        name="wallet",
        help_text="Wallets: which addresses are ours.",
        table={
            "compose": "Make a descriptor from key files of the offline machines.",
            "register": "Register a descriptor here and have the node watch it.",
            "list": "All wallets.",
            "show": "One wallet: keys, threshold, id, first addresses.",
            "address": "An address to be paid at.",
            "balance": "What the wallet holds, and what proposals hold of it.",
            "coins": "The wallet's coins.",
            "export": "A wallet's public data for another program.",
        },
    ),
    LazyGroup(
        module="coin",
        name="coin",
        help_text="Coins that are kept out of proposals.",
        table={"freeze": "Keep a coin out of proposals.", "unfreeze": "Let proposals take it again."},
    ),
    LazyGroup(
        module="labels",
        name="labels",
        help_text="Labels: notes for people, shared with other wallets (BIP 329). Nothing is judged by them.",
        table={
            "list": "All labels.",
            "set": "Put a label on an address, a transaction or a coin.",
            "import": "Take the labels of a BIP 329 file.",
            "export": "All labels as a BIP 329 file.",
        },
    ),
    LazyGroup(
        module="address_book",
        name="address-book",
        help_text="The address book: names that the administrators signed with the policy.",
        table={"list": "Its names and addresses."},
    ),
    LazyGroup(
        module="policy",
        name="policy",
        help_text="The policy: what may be spent, and who approves.",
        table={
            "compile": "Compile a policy from TOML to the text that is signed.",
            "sign": "Sign a policy as an administrator (with ssh-keygen).",
            "install": "Install a policy that its administrators signed.",
            "show": "The policy in force.",
            "explain": "What a policy allows, in sentences.",
            "check": "What the policy says of a payment that nobody makes.",
            "test": "Judge a table of cases.",
            "import-env": "Make a policy out of an environment file.",
        },
    ),
    LazyGroup(
        module="proposals",
        name="proposals",
        help_text="Proposals: payments on their way.",
        table={
            "create": "Propose a payment.",
            "list": "Proposals, by state, wallet, requester, time and amount.",
            "stats": "Counts and sums by state, requester and destination.",
            "show": "One proposal, whole.",
            "request-approval": "Write the text that approvers sign.",
            "approve": "Take approvals; write the signing request.",
            "reject": "Say no, and free the coins.",
            "expire": "Expire what is past its time, and free its coins.",
            "bump": "Raise the fee of what is out: another transaction under the same intent.",
            "cancel": "Take a payment back: spend its named coin home.",
            "accelerate": "Hurry an unconfirmed transaction by spending its change.",
            "psbt": "Write the signing request again.",
            "receive": "Take answers of signers.",
            "broadcast": "Finalise, and send to the network.",
        },
    ),
    LazyGroup(
        module="qr",
        name="qr",
        help_text="Any file as QR codes, and QR codes of any dialect as a file.",
        table={"show": "Show a file as QR codes.", "scan": "Read QR codes; --what says what they are."},
    ),
    LazyGroup(
        module="receipt",
        name="receipt",
        help_text="Receipts: what signer machines say they did.",
        table={
            "list": "All receipts.",
            "show": "Receipts with their text.",
            "receive": "Take receipts that a machine shows again.",
        },
    ),
    LazyGroup(
        module="config",
        name="config",
        help_text="The configuration of this coordinator.",
        table={"import-env": "Make a config.toml out of an environment file."},
    ),
    LazyGroup(
        module="audit",
        name="audit",
        help_text="The audit log: what happened, in order.",
        table={"show": "Its records.", "verify": "Whether it is what it was."},
    ),
)
for _group in _GROUPS:
    root.add_command(_group)


def run(arguments: Sequence[str]) -> int:
    """Run one command; the exit status of DESIGN section 8."""
    os.umask(0o077)
    session = Session(json="--json" in arguments)
    try:
        status = root.main(args=list(arguments), prog_name="falconer", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except NoArgsIsHelpError as problem:
        click.echo(problem.format_message(), err=True)
        return UsageError.EXIT_STATUS
    except BrokenPipeError:
        # the reader of our output went away: nothing to tell it, and no second error at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FalconerError.EXIT_STATUS
    except (Exception, KeyboardInterrupt) as problem:  # noqa: BLE001  # the last resort: one sentence, and never a success
        return _ended(session, _as_refusal(problem))
    return status if isinstance(status, int) else 0


def _as_refusal(problem: BaseException) -> FalconerError:
    """Whatever went wrong, as something that has a sentence and an exit status."""
    if isinstance(problem, FalconerError):
        return problem
    if isinstance(problem, click.ClickException):
        return UsageError("usage", safe(problem.format_message(), 400), remedy=_help_for(problem))
    if isinstance(problem, click.Abort | KeyboardInterrupt):
        return Declined("interrupted", "interrupted")
    if isinstance(problem, OSError) and problem.errno in _DISK:
        from falconer_online.files import disk_error

        return disk_error(Path(str(problem.filename or "the disk")), problem)
    unexpected = FalconerError(
        "unexpected",
        f"unexpected {type(problem).__name__}: {safe(str(problem))}",
        remedy="repeat with: falconer --debug ...",
    )
    unexpected.__cause__ = problem
    return unexpected


_DISK = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES})


def _ended(session: Session, problem: FalconerError) -> int:
    if session.debug:
        import traceback

        traceback.print_exception(problem)
    return session.refuse(problem)


def _help_for(problem: click.ClickException) -> str | None:
    context = getattr(problem, "ctx", None)
    return f"see: {context.command_path} --help" if isinstance(context, click.Context) else None
