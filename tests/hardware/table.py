"""What came of every recording, in one table that a test keeps true, and its rendering for docs/hardware.md.

python -m tests.hardware.table         prints the rows that the recordings come to now
python -m tests.hardware.table --docs  writes the table into docs/hardware.md
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from tests.hardware import playing
from tests.hardware.recordings import PROJECT, Recording, names, place

TABLE = Path(__file__).with_name("recordings.tsv")
PAGE = PROJECT / "docs" / "hardware.md"
BEGIN, END = "<!-- recordings: begin -->", "<!-- recordings: end -->"


@dataclass(frozen=True)
class Row:
    """`recorded`: how it ended for HWI; `ours`: what was accepted here, or the id of our refusal; `why` where they differ."""

    name: str
    device: str
    recorded: str
    ours: str
    why: str

    @property
    def needs_reason(self) -> bool:
        """Whether it ends here otherwise than for HWI: a refusal where HWI had none, or the reverse."""
        refused = self.ours.startswith(("device-", "input-"))
        return refused != ("error -" in self.recorded)


def rows() -> list[Row]:
    """As they stand in the file."""
    return [Row(*line.split("\t")) for line in TABLE.read_text(encoding="ascii").splitlines()]


def facts(folder: Path, name: str) -> tuple[str, str]:
    """Device and recorded end."""
    recording = Recording.read(folder, name)
    model = f"{recording.document['model']}, {recording.document['firmware'].split(' (')[0]}"
    return f"{recording.kind.value}: {model}", recording.happened()


def rendered() -> str:
    """The section's table, with its marks."""
    lines = ["| recording | device | recorded | here | why it differs |", "|---|---|---|---|---|"]
    for row in rows():
        ours = f"`{row.ours}`" if row.ours.startswith(("device-", "input-")) else row.ours
        recorded = row.recorded.replace("<", "&lt;").replace(">", "&gt;")
        lines.append(f"| {row.name} | {row.device} | {recorded} | {ours} | {row.why} |")
    return "\n".join([BEGIN, *lines, END])


def replaced(page: str) -> str:
    """The page with the table as it is now."""
    before, rest = page.split(BEGIN, 1)
    return before + rendered() + rest.split(END, 1)[1]


def main(arguments: list[str]) -> None:
    if arguments == ["--docs"]:
        PAGE.write_text(replaced(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
        return
    folder = place()
    reasons = {row.name: row.why for row in rows()} if TABLE.exists() else {}
    for name in names(folder):
        print(
            "\t".join((name, *facts(folder, name), playing.end_of(folder, name), reasons.get(name, ""))),
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1:])
