"""`falconer wallet`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from falconer_online.cli.complete import wallet_names
from falconer_online.cli.crossing import scan_options, show_options
from falconer_online.cli.crossing import show as show_codes
from falconer_online.cli.options import FILE, json_option, shown
from falconer_online.cli.session import Session, pass_session
from falconer_shared.crossing.options import Scan, Show
from falconer_shared.errors import UsageError
from falconer_shared.text import safe
from falconer_shared.units import btc, grouped

SINGLE = ("pkh", "sh-wpkh", "wpkh", "tr")
FORMS = ("pkh", "sh-wpkh", "wpkh", "tr", "sh", "sh-wsh", "wsh")
"""Spelt out here, so that `--help` need not load what makes them."""

if TYPE_CHECKING:
    from falconer_online.jsontype import Json
    from falconer_shared.wallet.registration import RegisteredWallet


@click.command("compose")
@click.argument("key_files", nargs=-1, type=FILE, metavar="KEYFILE...")
@click.option(
    "--key-file",
    "further",
    type=FILE,
    multiple=True,
    help="With --scan: a key in a file besides; again for each.",
)
@click.option(
    "--threshold", type=int, metavar="K", help="How many of the keys must sign; without it one key."
)
@click.option(
    "--form",
    type=click.Choice(FORMS),
    help="The kind of addresses. Without it the one that the keys' paths are for: 44h pkh, 49h sh-wpkh, 84h wpkh, 86h tr,"
    " 45h sh, 48h sh-wsh or wsh; where they say nothing that fits, wpkh of one key and wsh of several.",
)
@click.option("--out", type=FILE, required=True, help="Where the descriptor goes.")
@scan_options
@json_option
@pass_session
def compose(
    session: Session,
    key_files: tuple[Path, ...],
    further: tuple[Path, ...],
    threshold: int | None,
    form: str | None,
    out: Path,
    scan: Scan,
) -> None:
    """Make a descriptor with checksum from KEYFILEs that `falconer-offline key xpub` wrote, or of keys and accounts as codes."""
    from falconer_online.files import write_out
    from falconer_online.wallets import compose as make

    coordinator = session.open()
    texts = _keys(
        session, key_files, further, scan, form or ("wpkh" if threshold is None else "wsh"), chosen=form
    )
    wallet = make(texts, threshold, coordinator.config.network, form)
    write_out(out, f"{wallet.descriptor_text}\n".encode())
    session.say(wallet.descriptor_text)
    session.say(f"wallet id {wallet.wallet_id}: {wallet.descriptor.summary()}")
    step = f"falconer wallet register NAME {shown(out)}, the same on every offline machine; compare the ids"
    session.next(step)
    session.result(
        {"descriptor": wallet.descriptor_text, "file": str(out), "wallet_id": wallet.wallet_id, "next": step}
    )


def _keys(
    session: Session,
    files: tuple[Path, ...],
    further: tuple[Path, ...],
    scan: Scan,
    form: str,
    chosen: str | None,
) -> list[str]:
    """Key expressions: one in each file, or each code that is a key; of an account the one for this form."""
    from falconer_online.files import MAX_TEXT_FILE, read_file

    texts: list[str] = []
    if scan.wanted:
        from falconer_online.cli.crossing import scan_all
        from falconer_shared.transport.parts import Kind

        for received in scan_all(session, scan, files, (Kind.KEY, Kind.ACCOUNT)):
            if received.kind is Kind.KEY:
                texts.append(received.data.decode("ascii").strip())
                continue
            texts.append(_of_account(received.data, form, chosen))
    elif further:
        raise UsageError("usage", "--key-file goes with --scan: name the files themselves")
    names = further if scan.wanted else files
    if not names and not texts:
        raise UsageError("usage", "name the key files", remedy="or read codes: --scan PICTURE..., --camera N")
    for path in names:
        data = read_file(path, MAX_TEXT_FILE, "the key file")
        if b"(" in data:
            # an account, as falconer qr scan --out writes it
            texts.append(_of_account(data, form, chosen))
        else:
            texts.append(data.decode("ascii", "replace"))
    return texts


def _of_account(data: bytes, form: str, chosen: str | None) -> str:
    from falconer_shared.wallet.arrival import account_key, account_keys

    return account_key(data, form if chosen or form in account_keys(data) else None)


@click.command("register")
@click.argument("name")
@click.argument("files", nargs=-1, type=FILE, metavar="FILE")
@click.option(
    "--birthday",
    metavar="HEIGHT|DATE",
    help="Look through the chain from there on (default: only from now on).",
)
@click.option(
    "--form", type=click.Choice(SINGLE), help="Which key of an account it is, where a code holds an account."
)
@scan_options
@json_option
@pass_session
def register(
    session: Session, name: str, files: tuple[Path, ...], birthday: str | None, form: str | None, scan: Scan
) -> None:
    """Register the wallet of FILE as NAME, and have the node watch it.

    FILE, or what is scanned, is a descriptor with its checksum, Coldcard's lines or JSON; codes also an account or an output.
    """
    from falconer_online.files import MAX_TEXT_FILE, read_file
    from falconer_online.wallets import parse_birthday
    from falconer_online.wallets import register as do_register
    from falconer_shared.wallet.arrival import read_arrived

    since = parse_birthday(birthday) if birthday is not None else None
    if scan.wanted:
        from falconer_online.cli.crossing import scan_one
        from falconer_shared.transport.parts import WALLETS, Kind

        received = scan_one(session, scan, files, WALLETS | {Kind.ACCOUNT})
        found = read_arrived(received.data, received.type, form)
    else:
        if len(files) != 1:
            raise UsageError("usage", "name one file: the wallet", remedy="--scan takes several pictures")
        found = read_arrived(read_file(files[0], MAX_TEXT_FILE, "the wallet"), form=form)
    if found.name:
        session.say(f"in the file it is called {safe(found.name, 120)}")
    text = found.descriptor
    coordinator = session.open()
    with session.progress("rescan") as progress:
        wallet = do_register(coordinator, name, text, since, progress)
    _say_wallet(session, wallet)
    step = "compare the wallet id with every offline machine; then falconer policy compile"
    session.next(step)
    session.result({**_wallet_json(wallet), "next": step})


@click.command("list")
@json_option
@pass_session
def list_(session: Session) -> None:
    """All wallets."""
    coordinator = session.open()
    rows: list[dict[str, Json]] = []
    with coordinator.store.read() as view:
        for row in view.wallets():
            wallet, policies = coordinator.wallet(row), view.policies(row.wallet_id)
            version = policies[-1].version if policies else None
            rows.append(
                {
                    "name": row.name,
                    "wallet_id": row.wallet_id,
                    "threshold": wallet.threshold,
                    "size": wallet.size,
                    "policy_version": version,
                }
            )
    session.table(
        ("name", "keys", "policy", "wallet id"),
        [
            (
                row["name"],
                f"{row['threshold']} of {row['size']}",
                row["policy_version"] or "-",
                row["wallet_id"],
            )
            for row in rows
        ],
    )
    session.result({"wallets": list(rows)})


@click.command("show")
@click.argument("name", required=False, shell_complete=wallet_names)
@click.option("--out", type=FILE, help="Write it into this file, in the form that the signer of --for reads.")
@show_options
@json_option
@pass_session
def show(session: Session, name: str | None, out: Path | None, codes: Show) -> None:
    """One wallet: keys, threshold, id, first addresses; as QR codes for falconer-offline wallet register --scan."""
    coordinator = session.open()
    with coordinator.store.read() as view:
        wallet = coordinator.wallet(view.wallet(name))
    if codes.wanted or out is not None:
        from falconer_online.files import write_out
        from falconer_shared.transport.parts import Kind
        from falconer_shared.wallet.formats import Form, render

        data = render(wallet, Form(codes.choice_for().form().value), wallet.name)
        if out is not None:
            # it shows every coin of the wallet, and spends none
            write_out(out, data, mode=0o600)
            session.say(f"written: {shown(out)}")
        if codes.wanted:
            show_codes(session, data, Kind.DESCRIPTOR, codes, wallet.name, wallet.name)
    _say_wallet(session, wallet)
    session.result({**_wallet_json(wallet), "file": str(out) if out is not None else None})


@click.command("address")
@click.argument("name", required=False, shell_complete=wallet_names)
@click.option("--new", is_flag=True, help="The next address, even if the last one was not paid yet.")
@click.option("--index", type=int, help="That very address.")
@json_option
@pass_session
def address(session: Session, name: str | None, new: bool, index: int | None) -> None:  # noqa: FBT001
    """An address to be paid at, derived here; compare it with an offline machine before large payments."""
    from falconer_online.wallets import receive_address

    coordinator = session.open()
    with coordinator.store.read() as view:
        row = view.wallet(name)
    found, text = receive_address(coordinator, row, new=new, index=index)
    session.say(text)
    session.result({"address": text, "branch": 0, "index": found, "wallet": row.name})


@click.command("balance")
@click.argument("name", required=False, shell_complete=wallet_names)
@json_option
@pass_session
def balance(session: Session, name: str | None) -> None:
    """What the wallet holds, and what proposals hold of it."""
    from falconer_online.wallets import coins as find

    coordinator = session.open()
    with coordinator.store.read() as view:
        row = view.wallet(name)
    with session.busy("asking the node for coins"):
        found = find(coordinator, row)
    sums = {
        "confirmed": sum(int(each.coin.amount) for each in found if each.coin.confirmations > 0),
        "unconfirmed": sum(int(each.coin.amount) for each in found if each.coin.confirmations == 0),
        "held": sum(int(each.coin.amount) for each in found if each.held_by is not None),
        "frozen": sum(int(each.coin.amount) for each in found if each.frozen is not None),
        "available": sum(
            int(each.coin.amount) for each in found if each.free and each.coin.confirmations > 0
        ),
    }
    for what, sats in sums.items():
        session.say(f"{what:<12} {grouped(sats):>24}  {btc(sats)}")
    session.result({"wallet": row.name, **sums})


@click.command("coins")
@click.argument("name", required=False, shell_complete=wallet_names)
@json_option
@pass_session
def coins(session: Session, name: str | None) -> None:
    """The wallet's coins, and which proposal holds which."""
    from falconer_online.wallets import coins as find

    coordinator = session.open()
    with coordinator.store.read() as view:
        row = view.wallet(name)
    wallet = coordinator.wallet(row)
    with session.busy("asking the node for coins"):
        there = find(coordinator, row)
    found: list[dict[str, Json]] = [
        {
            "outpoint": each.coin.outpoint.text(),
            "sats": int(each.coin.amount),
            "confirmations": each.coin.confirmations,
            "address": wallet.address(each.place.branch, each.place.index),
            "branch": each.place.branch,
            "index": each.place.index,
            "held_by": each.held_by,
            "frozen": each.frozen is not None,
            "reason": each.frozen.reason if each.frozen is not None else None,
        }
        for each in there
    ]
    session.table(
        ("coin", "sats", "BTC", "conf", "place", "held by"),
        [
            (
                each["outpoint"],
                f"{each['sats']:,}",
                btc(int(str(each["sats"]))).removesuffix(" BTC"),
                each["confirmations"],
                f"{'change' if each['branch'] else 'receive'} {each['index']}",
                each["held_by"] or (f"frozen: {safe(str(each['reason']), 40)}" if each["frozen"] else "-"),
            )
            for each in found
        ],
    )
    session.result({"wallet": row.name, "coins": list(found)})


def _say_wallet(session: Session, wallet: RegisteredWallet) -> None:
    session.say(f"wallet     {wallet.name}  ({wallet.threshold} of {wallet.size}, {wallet.network.label})")
    session.say(f"wallet id  {wallet.wallet_id}")
    session.say(wallet.descriptor_text)
    for position, key in enumerate(wallet.keys, 1):
        session.say(f"key {position}      {key.origin_text()} {key.xpub.text(wallet.network)}")
    for index in range(3):
        session.say(f"receive {index}  {wallet.address(0, index)}")
    for note in wallet.notes():
        session.warn(note)


def _wallet_json(wallet: RegisteredWallet) -> dict[str, Json]:
    return {
        "name": wallet.name,
        "wallet_id": wallet.wallet_id,
        "descriptor": wallet.descriptor_text,
        "network": wallet.network.label,
        "threshold": wallet.threshold,
        "size": wallet.size,
        "keys": [
            {
                "position": position,
                "fingerprint": key.fingerprint.hex(),
                "origin": key.origin_text(),
                "xpub": key.xpub.text(wallet.network),
            }
            for position, key in enumerate(wallet.keys)
        ],
        "addresses": [wallet.address(0, index) for index in range(3)],
        "notes": list(wallet.notes()),
    }
