"""Finds a real bitcoind, or fetches Bitcoin Knots from Debian without touching the system.

In order: the program that BITCOIND names, `bitcoind` on PATH, the private copy below `.node/`, and for
`ensure` a newly fetched private copy.

Who is trusted with the private copy: Debian's archive keys, as the package debian-archive-keyring installed on
this machine has them. apt checks the signature of trixie and of trixie-backports with these keys, and each
package against the signed index. The mirror is the one that this machine's own apt uses and is trusted with
nothing; so is the network. A keyring too old to know trixie's keys is brought up to date from the machine's own
suite, which the old keyring can check. Nothing of a fetched package is run but bitcoind: no maintainer script.

apt works on a private root here (own lists, cache and status), so this needs neither root nor changes of the
system. trixie's programs need a newer C library than Debian 12 has: they are started by trixie's own loader.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[2]

SUITE = "trixie"
PACKAGES = ("bitcoin-knots", "systemd-standalone-sysusers")
"""The second stands in for systemd, which bitcoin-knots names and a private copy has no use for."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
MINUTES_FOR_APT = 10


class NodeUnavailableError(Exception):
    """No bitcoind is to be had; the text says what to do."""


REMEDY = "install Bitcoin Core or Bitcoin Knots, or set BITCOIND=/path/to/bitcoind"


def node_dir() -> Path:
    """Where the private copy and the playground live: FALCONER_NODE_DIR, default .node in the project."""
    return Path(os.environ.get("FALCONER_NODE_DIR") or PROJECT / ".node").absolute()


def find() -> Path | None:
    """The bitcoind to use, if one is there already.

    Raises:
        NodeUnavailableError: BITCOIND names something that cannot be run. That is never passed over in silence.
    """
    named = os.environ.get("BITCOIND")
    if named:
        found = shutil.which(named)
        if found is None:
            raise NodeUnavailableError(f"BITCOIND={named} is not a program that can be run")
        return Path(found).absolute()
    on_path = shutil.which("bitcoind")
    if on_path is not None:
        return Path(on_path).absolute()
    private = node_dir() / "bin" / "bitcoind"
    return private if os.access(private, os.X_OK) else None


def ensure() -> Path:
    """The bitcoind to use, fetched when there is none."""
    return find() or fetch()


def fetch() -> Path:
    """Bring Bitcoin Knots into the private folder, once, and say where it is.

    Raises:
        NodeUnavailableError: this machine has no apt, no Debian keys, or its mirror does not answer.
    """
    target = node_dir()
    target.mkdir(parents=True, exist_ok=True)
    with _lock(target):
        program = target / "bin" / "bitcoind"
        if os.access(program, os.X_OK):
            return program
        for tool in ("apt-get", "dpkg-deb"):
            if shutil.which(tool) is None:
                raise NodeUnavailableError(f"{tool} is not here (not Debian?): {REMEDY}")
        if not KEYRING.exists():
            raise NodeUnavailableError(
                f"{KEYRING} is not here, so nothing from Debian can be checked: "
                f"sudo apt-get install debian-archive-keyring, or {REMEDY}"
            )
        problems = []
        for mirror in _mirrors():
            with tempfile.TemporaryDirectory(prefix="fetch-", dir=target) as work:
                try:
                    _fetch_from(mirror, Path(work), target)
                except _AptError as error:
                    problems.append(f"{mirror}: {error}")
                else:
                    return program
        raise NodeUnavailableError("\n".join([f"Bitcoin Knots could not be fetched; {REMEDY}", *problems]))


class _AptError(Exception):
    pass


@contextlib.contextmanager
def _lock(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _mirrors() -> list[str]:
    """The mirrors that this machine's apt uses for its own Debian release, in its order.

    Other vendors' archives may call themselves by the same names. They are told apart by their signature
    only: what Debian's keys have not signed is refused, and the next one is tried.
    """
    codenames = {_codename(), "stable", "oldstable"}
    listing = _run(
        [
            "apt-get",
            "indextargets",
            "--format",
            "$(REPO_URI) $(RELEASE) $(COMPONENT)",
            "Created-By: Packages",
        ],
    )
    found: list[str] = []
    for line in listing.splitlines():
        words = line.split()
        if len(words) == 3 and words[1] in codenames and words[2] == "main" and words[0] not in found:
            found.append(words[0])
    if not found:
        raise NodeUnavailableError(f"this machine's apt names no Debian mirror: {REMEDY}")
    return found


def _codename() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/etc/os-release").read_text(encoding="utf-8").splitlines():
            if line.startswith("VERSION_CODENAME="):
                return line.partition("=")[2].strip("\"'")
    return "stable"


def _fetch_from(mirror: str, work: Path, target: Path) -> None:
    suites = (SUITE, f"{SUITE}-backports")
    try:
        apt = _private_apt(work / "apt", mirror, suites, KEYRING)
    except _AptError:
        keyring = _newer_keyring(work, mirror)
        shutil.rmtree(work / "apt")
        apt = _private_apt(work / "apt", mirror, suites, keyring)
    root = work / "root"
    packages = _download(apt, work / "apt", PACKAGES)
    for package in packages:
        _run(["dpkg-deb", "--extract", str(package), str(root)])

    loader = next(iter(sorted(root.glob("usr/lib/*/ld-linux*.so.*"))), None)
    if loader is None or not (root / "usr/bin/bitcoind").exists():
        raise _AptError("the packages do not hold what they should: no bitcoind, or no loader")
    bin_dir = work / "bin"
    bin_dir.mkdir()
    for name in ("bitcoind", "bitcoin-cli"):
        _write_starter(bin_dir / name, loader.relative_to(root), name)
    (root / "packages.txt").write_text("".join(f"{p.name}\n" for p in packages), encoding="utf-8")

    for name in ("root", "bin"):  # bin last: its presence says that all is there
        shutil.rmtree(target / name, ignore_errors=True)
        (work / name).rename(target / name)


def _newer_keyring(work: Path, mirror: str) -> Path:
    """Debian's current keys, from the machine's own release, checked with the keys that are installed."""
    apt = _private_apt(work / "apt-keyring", mirror, (_codename(),), KEYRING)
    for package in _download(apt, work / "apt-keyring", ("debian-archive-keyring",)):
        _run(["dpkg-deb", "--extract", str(package), str(work / "keyring")])
    found = sorted((work / "keyring/usr/share/keyrings").glob("debian-archive-keyring.*"))
    if not found:
        raise _AptError("debian-archive-keyring holds no keyring")
    return found[0]


def _private_apt(folder: Path, mirror: str, suites: Sequence[str], keyring: Path) -> list[str]:
    """An apt-get of its own with these suites' checked lists: its command line, up to the verb."""
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    sources = folder / "sources.list"
    sources.write_text(
        "".join(f"deb [signed-by={keyring} target=Packages] {mirror} {suite} main\n" for suite in suites),
        encoding="utf-8",
    )
    # Read after the system's own configuration: its proxy and mirror settings stay, its folders,
    # pinning, hooks and any leave to take unsigned archives do not.
    configuration = folder / "apt.conf"
    configuration.write_text(
        f"""\
Dir::State "{folder}";
Dir::State::lists "{folder}/lists";
Dir::State::status "{folder}/status";
Dir::State::extended_states "{folder}/extended_states";
Dir::Cache "{folder}";
Dir::Cache::archives "{folder}/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
Dir::Log "{folder}";
Dir::Etc::SourceList "{sources}";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "/dev/null";
Dir::Etc::PreferencesParts "/dev/null";
Dir::Etc::Trusted "/dev/null";
Dir::Etc::TrustedParts "/dev/null";
Debug::NoLocking "true";
APT::Sandbox::User "";
APT::Install-Recommends "false";
APT::Get::AllowUnauthenticated "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Retries "3";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
""",
        encoding="utf-8",
    )
    apt = ["apt-get", "-c", str(configuration), "-qq"]
    # Any: a list that could not be had or checked is an error, not a warning.
    _run([*apt, "--error-on=any", "update"])
    return apt


def _download(apt: Sequence[str], folder: Path, packages: Sequence[str]) -> list[Path]:
    _run([*apt, "--yes", "--download-only", "install", *packages])
    return sorted((folder / "archives").glob("*.deb"))


def _run(command: Sequence[str]) -> str:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=environment,
            timeout=MINUTES_FOR_APT * 60,
        )
    except subprocess.TimeoutExpired as error:
        raise _AptError(f"{command[0]} did not come to an end in {MINUTES_FOR_APT} minutes") from error
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or f"exit status {done.returncode}"
        raise _AptError(f"{command[0]}: {said}")
    return done.stdout


STARTER = """\
#!/bin/sh
# Starts trixie's {name} by trixie's own loader and libraries; the system's stay out of it.
root="$(dirname -- "$(readlink -f -- "$0")")/../root"
unset LD_LIBRARY_PATH LD_PRELOAD
exec "$root/{loader}" --library-path "$root/{libraries}" "$root/usr/bin/{name}" "$@"
"""


def _write_starter(path: Path, loader: Path, name: str) -> None:
    path.write_text(STARTER.format(name=name, loader=loader, libraries=loader.parent), encoding="utf-8")
    path.chmod(0o755)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"{ensure()}\n")
    except NodeUnavailableError as problem:
        sys.exit(f"node: {problem}")
