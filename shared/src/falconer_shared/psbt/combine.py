"""One PSBT out of several for the same transaction (BIP 174, Combiner).

Nothing is preferred over anything: PSBTs whose unsigned transactions differ are refused, and so are two
values for one key (A082). An answer may lack whatever it was trimmed of, and may come in the other version;
what describes the transaction is taken from the original. The fields of each map are sorted by key, so the
result does not depend on the order of the answers. Whether a signature signs anything is for
`verify.signatures` to say.
"""

from __future__ import annotations

from collections.abc import Sequence

from falconer_shared.errors import VerificationError
from falconer_shared.psbt.build import GLOBAL_STRUCTURE, INPUT_STRUCTURE, OUTPUT_STRUCTURE, free_fields
from falconer_shared.psbt.parse import Map, UntrustedPsbt, from_maps


def combine(original: UntrustedPsbt, *answers: UntrustedPsbt) -> UntrustedPsbt:
    """`original` with every field that the answers add, in the version of `original`.

    Raises:
        VerificationError: `psbt-combine-other-transaction`, `psbt-combine-conflict`.
        Malformed: what `UntrustedPsbt.parse` refuses in the result.
    """
    for number, answer in enumerate(answers, 1):
        if answer.tx != original.tx:
            raise VerificationError(
                "psbt-combine-other-transaction",
                f"answer {number} is for another transaction than the one that was sent out",
                answer=number,
            )
    inputs = zip(original.input_maps, *(answer.input_maps for answer in answers), strict=True)
    outputs = zip(original.output_maps, *(answer.output_maps for answer in answers), strict=True)
    return from_maps(
        _union(
            [original.global_map, *(answer.global_map for answer in answers)], GLOBAL_STRUCTURE, "global map"
        ),
        [_union(maps, INPUT_STRUCTURE, f"input {index}") for index, maps in enumerate(inputs)],
        [_union(maps, OUTPUT_STRUCTURE, f"output {index}") for index, maps in enumerate(outputs)],
    )


def _union(maps: Sequence[Map], structure: frozenset[bytes], where: str) -> Map:
    combined = dict(maps[0])
    for fields in maps[1:]:
        for key, value in free_fields(fields, structure).items():
            if combined.setdefault(key, value) != value:
                raise VerificationError(
                    "psbt-combine-conflict",
                    f"{where}: two values for field {key[:40].hex()}",
                    field=key[:40].hex(),
                )
    return {key: combined[key] for key in sorted(combined)}
