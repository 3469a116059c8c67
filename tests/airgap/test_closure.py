"""A whole signing session in a namespace without a network, and what it loaded to do so."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time

from tests.conftest import PROJECT
from tests.offline.office import Office
from tests.support.treasury import wpkh_wallet

FORBIDDEN = (
    "socket", "_socket", "ssl", "_ssl", "http", "http.client", "urllib.request", "urllib3", "asyncio", "multiprocessing",
    "xml", "email", "sqlalchemy", "falconer_online", "pexpect",
    # hardware wallets: in a process of their own, and only with the extra
    "hwilib", "hid", "usb1", "serial", "google.protobuf", "ecdsa", "noise", "mnemonic", "falconer_offline.hardware.driver",
)  # fmt: skip
"""`subprocess`, and `selectors` with it, is not here: the second opinion's library imports it (allowed as an import,
refused as an act).
"""

PROGRAM = """
import sys
from falconer_offline import airgap
airgap.arm()
from falconer_offline.cli import run

status = run(sys.argv[1:])
sys.stderr.write("LOADED " + " ".join(sorted(sys.modules)) + "\\n")
sys.stderr.write("STATUS %d\\n" % status)
"""


def test_a_whole_session_loads_no_network_module(tmp_path):
    import pexpect

    now = int(time.time())
    office = Office.make(tmp_path / "home", wpkh_wallet(), now=now)
    (tmp_path / "request.psbt").write_bytes(office.request(now=now))
    (tmp_path / "identity").write_text(str(office.identity.value) + "\n")
    (tmp_path / "program.py").write_text(PROGRAM)
    unshare = shutil.which("unshare")
    assert unshare is not None, "unshare, from Debian's util-linux, is needed"
    command = (
        f'exec "{unshare}" --map-current-user --net "{sys.executable}" -I "{tmp_path}/program.py" --home "{office.home}"'
        f' --identity-fd 9 sign "{tmp_path}/request.psbt" --out "{tmp_path}/answer.psbt" 9<"{tmp_path}/identity"'
    )
    child = pexpect.spawn(
        "/bin/sh", ["-c", command], encoding="utf-8", timeout=60, dimensions=(60, 4000), cwd=PROJECT
    )
    child.expect_exact("Sum of the payments in satoshis: ")
    child.sendline("70,000")
    child.expect_exact("Last 4 characters of destination 1: ")
    child.sendline(
        office.judge((tmp_path / "request.psbt").read_bytes(), now).approved.intent.pays[0][1][-4:]
    )
    child.expect(pexpect.EOF)
    shown = child.before
    assert "STATUS 0" in shown, shown
    loaded = set(shown.split("LOADED ", 1)[1].split("\r\n", 1)[0].split())
    assert {"coincurve", "sqlite3", "rich.text", "falconer_offline.sign", "embit"} <= loaded
    assert sorted(loaded & set(FORBIDDEN)) == []
    assert (tmp_path / "answer.psbt").exists()


def test_every_module_of_the_program_imports_without_the_network():
    """Each by itself, in an interpreter in which importing a network module is an error."""
    program = (
        "import sys, importlib, pkgutil\n"
        f"forbidden = {FORBIDDEN!r}\n"
        "class Wall:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name in forbidden: raise RuntimeError('imports ' + name)\n"
        "sys.meta_path.insert(0, Wall())\n"
        "import falconer_offline, falconer_shared\n"
        "for package in (falconer_offline, falconer_shared):\n"
        "    for module in pkgutil.walk_packages(package.__path__, package.__name__ + '.'):\n"
        "        if module.name in forbidden: continue\n"
        "        importlib.import_module(module.name)\n"
        "        print(module.name)\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) > 50


def test_time_zones_are_read_behind_the_walls_and_load_no_network_module():
    """They are imported when a policy first asks for one, so that the walk above does not see it."""
    program = (
        "import sys\n"
        "from falconer_offline import airgap\n"
        "airgap.arm()\n"
        "from falconer_shared.policy.zones import local_time\n"
        "print(local_time('Europe/Berlin', 1_800_000_000).text)\n"
        "print(' '.join(sorted(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    shown, loaded = done.stdout.splitlines()
    assert shown == "09:00"
    assert sorted(set(loaded.split()) & {*FORBIDDEN, "importlib.metadata"}) == []
