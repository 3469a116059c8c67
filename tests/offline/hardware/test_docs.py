"""docs/hardware.md shows the table by which the program refuses."""

from __future__ import annotations

from falconer_offline.hardware.failures import Failure, refusal
from falconer_offline.hardware.models import MODELS, Form, Registration
from tests.conftest import PROJECT

PAGE = PROJECT / "docs/hardware.md"

COLUMNS = {
    "`pkh`": {Form.PKH},
    "`wpkh`, nested or not": {Form.WPKH, Form.NESTED},
    "taproot": {Form.TAPROOT},
    "`sortedmulti` in `wsh`": {Form.SORTED},
    "`multi`": {Form.MULTI},
    "multisig in bare `sh`": {Form.LEGACY_SORTED},
    "miniscript, taproot scripts": {Form.MINISCRIPT, Form.TAPROOT_TREE},
}


def table() -> list[str]:
    """The lines of the table, as they stand in the page."""
    head = [
        "device",
        *COLUMNS,
        "PSBT v2",
        "single keys at",
        "multisig registered",
        "PIN here",
        "passphrase here",
    ]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for model in MODELS.values():
        cells = [model.title]
        cells += ["yes" if forms <= model.forms else "no" for forms in COLUMNS.values()]
        cells += ["yes" if model.psbt_v2 else "no"]
        cells += ["standard paths" if model.standard_paths else "any path"]
        cells += [{Registration.NONE: "not needed"}.get(model.registration, model.registration.value)]
        cells += ["yes" if model.pin_here else "no", "yes" if model.passphrase_here else "no"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def test_the_table_of_devices_is_the_one_that_the_program_uses():
    text = PAGE.read_text()
    assert "\n".join(table()) in text, "\n".join(table())


def test_a_partial_answer_would_need_a_column_of_its_own():
    for model in MODELS.values():
        assert all(
            forms <= model.forms or not forms & model.forms for forms in COLUMNS.values() if len(forms) == 1
        )
    bitbox = next(model for model in MODELS.values() if model.title == "BitBox02")
    assert {Form.WPKH, Form.NESTED} <= bitbox.forms
    assert set().union(*COLUMNS.values()) | {Form.LEGACY_MULTI} == set(Form)


def test_every_failure_has_its_remedy_in_the_page():
    text = PAGE.read_text()
    for failure in Failure:
        assert f"`{refusal(failure).rule}`" in text, failure


if __name__ == "__main__":
    print("\n".join(table()))
