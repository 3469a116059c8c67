"""Which code a run tried: the commit, and a fingerprint of the files that decide what its cases do."""

from __future__ import annotations

import hashlib
import platform
import subprocess
from pathlib import Path

from tests.campaigns.campaign import home_of

ROOT = Path(__file__).resolve().parents[2]

_TRIED = ("shared/src", "offline/src", "tests/support", "tests/campaigns/campaign.py")
"""What every campaign leans on, besides the folder of its own."""


def _paths(campaign: str) -> tuple[str, ...]:
    return (*_TRIED, home_of(campaign).rsplit(".", 1)[0].replace(".", "/"))


def fingerprint(campaign: str) -> str:
    """Eight digits over the sources: two runs with the same ones run the same cases on the same code."""
    found = hashlib.sha256()
    for place in _paths(campaign):
        path = ROOT / place
        for source in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            data = source.read_bytes()
            found.update(f"{source.relative_to(ROOT)} {len(data)}\n".encode() + data)
    return found.hexdigest()[:8]


def commit(campaign: str) -> str:
    """The short commit; `dirty` where those sources differ from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    name = git("rev-parse", "--short=8", "HEAD") or "no commit"
    return f"{name} dirty" if git("status", "--porcelain", "--", *_paths(campaign)) else name


def machine() -> str:
    """Where it ran, without a name that says whose machine it is."""
    information = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.split(":", 1)[1].strip() for line in information if line.startswith("model name")]
    model = models[0] if models else platform.machine()
    return f"{len(models) or '?'} cores, {model}, Python {platform.python_version()}"
