"""`falconer init` and `falconer status`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_online.cli.options import FILE, json_option, shown
from falconer_online.cli.session import Session, pass_session
from falconer_online.jsontype import Json
from falconer_shared.errors import DeviceError, StateError

if TYPE_CHECKING:
    from falconer_online.store.rows import ProposalRow


@click.command("init")
@click.option("--network", required=True, help="mainnet, testnet4, signet or regtest.")
@click.option(
    "--node", "url", required=True, metavar="URL", help="The node's RPC, like http://127.0.0.1:8332."
)
@click.option("--cookie", type=FILE, help="The node's cookie file (default: where Bitcoin Core keeps it).")
@click.option(
    "--admin", "admins", type=FILE, multiple=True, help="An administrator's .pub file; again for each."
)
@json_option
@pass_session
def init(session: Session, network: str, url: str, cookie: Path | None, admins: tuple[Path, ...]) -> None:
    """Make a new coordinator: its key, its store, and the administrators whose policies it will accept."""
    from falconer_online.setup import initialise

    made = initialise(network, url, cookie, admins)
    session.say(f"A coordinator for {made.network.label} lives in {shown(made.home.data_dir)}.")
    session.say("Its public key, for the policy's line 'coordinator' (also in coordinator.pub):")
    session.say(f"  {made.public.text()}")
    for name, key in made.administrators.items():
        session.say(f"Administrator {name}: {key.key_hash}")
    if not made.administrators:
        session.warn("no administrator was named, so no policy can ever be installed here: use --admin FILE")
    step = "on each offline machine: falconer-offline init --network N --admin FILE ..., then key new and key xpub"
    session.next(step)
    session.result(
        {
            "network": made.network.label,
            "home": str(made.home.data_dir),
            "node": url,
            "coordinator": {
                "key": made.public.text(),
                "fingerprint": made.public.key_hash,
                "public_file": str(made.home.public_file),
            },
            "administrators": [
                {"name": name, "key": key.text(), "fingerprint": key.key_hash}
                for name, key in made.administrators.items()
            ],
            "next": step,
        }
    )


@click.command("status")
@json_option
@pass_session
def status(session: Session) -> None:
    """What there is, what it waits for, and whether the node answers. Also expires, refreshes and sets locks
    again.
    """
    from falconer_online.audit import head
    from falconer_online.wallets import reconcile_locks
    from falconer_online.watch import refresh

    coordinator = session.open()
    problem: DeviceError | None = None
    changed: tuple[tuple[ProposalRow, ProposalRow], ...] = ()
    try:
        chain = coordinator.node.status()
        coordinator.node.check_network()
        with session.busy("asking the node for confirmations"):
            changed = refresh(coordinator)
        with coordinator.exclusive(), coordinator.store.read() as view:
            for row in view.wallets():
                reconcile_locks(coordinator, view, row)
        synced = chain.synced
    except DeviceError as error:
        chain, problem, synced = None, error, False
    with coordinator.store.read() as view:
        counts = view.counts()
        wallets = view.wallets()
        policies = {row.name: view.policies(row.wallet_id) for row in wallets}
        size, root = head(view)
    session.say(f"network    {coordinator.config.network.label}")
    if chain is None or problem is not None:
        session.say(f"node       {problem.message if problem else 'unknown'}")
    else:
        session.say(
            f"node       block {chain.height} of {chain.headers} ({'synced' if synced else 'NOT synced'})"
        )
    consensus = _consensus()
    session.say(f"consensus  {consensus['message']}")
    for row in wallets:
        versions = policies[row.name]
        session.say(
            f"wallet     {row.name}: "
            + (f"policy version {versions[-1].version}" if versions else "NO policy installed")
        )
    if not wallets:
        session.say("wallet     none: falconer wallet register")
    session.say("proposals  " + (", ".join(f"{count} {state}" for state, count in counts.items()) or "none"))
    session.say(f"audit      {size} records, root {root}")
    for before, after in changed:
        session.say(f"changed    {before.id}: {before.state} -> {after.state}")
    session.result(
        {
            "network": coordinator.config.network.label,
            "node": {
                "reachable": chain is not None,
                "chain": chain.chain if chain else None,
                "height": chain.height if chain else None,
                "synced": synced,
                "version": chain.version if chain else None,
                "message": problem.message if problem else None,
            },
            "consensus": consensus,
            "wallets": len(wallets),
            "policies": [
                {"wallet": name, "version": versions[-1].version, "digest": versions[-1].digest}
                for name, versions in policies.items()
                if versions
            ],
            "proposals": dict(counts),
            "audit": {"size": size, "root": root},
            "changed": [
                {"id": before.id, "from": before.state.value, "to": after.state.value}
                for before, after in changed
            ],
        }
    )


def _consensus() -> dict[str, Json]:
    """Whether broadcasts are run through Bitcoin Core's own script verification."""
    from falconer_online.consensus import kernel

    try:
        found = kernel()
    except StateError as broken:
        return {"installed": True, "usable": False, "version": None, "message": broken.message}
    if found is None:
        words = "not installed: the scripts of what is broadcast are verified by Falconer and the node alone (docs/setup.md)"
        return {"installed": False, "usable": False, "version": None, "message": words}
    words = f"Bitcoin Core's script verification before each broadcast (py-bitcoinkernel {found.version})"
    return {"installed": True, "usable": True, "version": found.version, "message": words}
