"""What a person is asked to register and install: a wallet that is there already under another id, a policy too long to read."""

from __future__ import annotations

import dataclasses

from tests.offline.office import NOW
from tests.support.programs import Signer
from tests.support.treasury import stranger_address, wsh_descriptor, wsh_wallet


def driven(office, tmp_path) -> Signer:
    identity = tmp_path / "identity"
    identity.write_text(f"{office.identity.value}\n")
    identity.chmod(0o600)
    return Signer(office.home, "north", identity=identity)


def test_no_line_of_a_policy_is_cut(office, tmp_path):
    """The last of sixty destinations, and the end of a descriptor: lines were cut at 400 characters."""
    names = {f"destination-number-{n:02}": stranger_address(n) for n in range(60)}
    draft = dataclasses.replace(
        office.draft,
        version=2,
        addresses=names,
        rules={**office.draft.rules, "allowed_destinations": tuple(names)},
    )
    office.install(draft, NOW)
    shown = driven(office, tmp_path).run("policy", "show").shown
    together = "".join(shown.split())
    assert "".join(f"allowed_destinations {','.join(names)}".split()) in together
    assert "more]" not in shown


def test_the_same_money_is_not_registered_under_a_second_id(multi_office, tmp_path):
    signer = driven(multi_office, tmp_path)
    file = tmp_path / "descriptor.txt"
    file.write_text(wsh_descriptor(2, (3, 2, 1)))
    assert wsh_wallet(seeds=(3, 2, 1)).wallet_id != multi_office.wallet.wallet_id
    done = signer.run("wallet", "register", "vault-two", file, expect=4, json_output=True)
    assert done.refusals == ["wallet-same-coins"]
