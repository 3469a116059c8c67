"""The walls around the offline program, each tried from inside a process of its own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from falconer_offline import airgap

UNSHARE = shutil.which("unshare")


def run(program: str, *, unshared: bool = False) -> list[str]:
    """Run a program after `arm()`; its printed lines."""
    words = [sys.executable, "-I", "-c", "from falconer_offline import airgap\nairgap.arm()\n" + program]
    if unshared:
        assert UNSHARE is not None, "unshare, from Debian's util-linux, is needed"
        words = [UNSHARE, "--map-current-user", "--net", *words]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


ACTS = {
    "a socket": "import socket; socket.socket()",
    "a local socket": "import socket; socket.socket(socket.AF_UNIX)",
    "a name look-up": "import socket; socket.getaddrinfo('localhost', 80)",
    "the host's name": "import socket; socket.gethostbyname('localhost')",
    "subprocess": "import subprocess; subprocess.run(['true'])",
    "os.system": "import os; os.system('true')",
    "os.popen": "import os; os.popen('true')",
    "os.fork": "import os; os.fork()",
    "os.forkpty": "import os; os.forkpty()",
    "os.posix_spawn": "import os; os.posix_spawn('/bin/true', ['true'], {})",
    "os.execv": "import os; os.execv('/bin/true', ['true'])",
    "os.spawnv": "import os; os.spawnv(os.P_WAIT, '/bin/true', ['true'])",
    "pty.spawn": "import pty; pty.spawn('true')",
    "multiprocessing": "import multiprocessing; multiprocessing.get_context('fork').Process(target=print).start()",
}


@pytest.mark.parametrize("act", ACTS)
def test_the_hook_refuses(act):
    program = (
        f"try:\n    {ACTS[act]}\nexcept airgap.AirGapViolation as refused:\n    print('refused:', refused)\n"
        "else:\n    print('done')\n"
    )
    assert run(program)[0].startswith("refused: the offline program refuses ")


def test_the_hook_is_there_before_any_other_module():
    """What the interpreter loads by itself aside, importing our package and the module of the walls loads nothing."""
    program = "import sys; before = set(sys.modules); import falconer_offline.airgap; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["__future__", "falconer_offline", "falconer_offline.airgap"]


def test_an_ordinary_file_can_still_be_read():
    assert run("print(open('/proc/self/comm').read().strip() != '')") == ["True"]


def test_nothing_is_dumped_attached_or_readable_by_others(tmp_path):
    lines = run(
        "import ctypes, os, resource\n"
        "print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))\n"  # PR_GET_DUMPABLE
        "print(ctypes.CDLL(None).prctl(39, 0, 0, 0, 0))\n"  # PR_GET_NO_NEW_PRIVS
        "print(resource.getrlimit(resource.RLIMIT_CORE))\n"
        f"open({str(tmp_path / 'f')!r}, 'w').close()\n"
    )
    assert lines == ["0", "1", "(0, 0)"]
    assert (tmp_path / "f").stat().st_mode & 0o077 == 0


def test_arming_twice_is_arming_once():
    lines = run("before = airgap.found_at_start()\nairgap.arm()\nprint(airgap.found_at_start() == before)")
    assert lines == ["True"]


def test_the_process_leaves_the_network_where_the_kernel_allows():
    """Needs unprivileged user namespaces or root; the claim must in any case be what /proc shows."""
    claimed, shown = run(
        "print(airgap.has_own_namespace())\n"
        "print(sorted(line.split(':')[0].strip() for line in open('/proc/self/net/dev') if ':' in line))\n"
    )
    if claimed == "True":
        assert shown == "['lo']"
    else:
        pytest.skip("this kernel allows no namespace of one's own")


def test_native_code_finds_no_network_either():
    """Past the hook, through libc: the kernel is the wall. ENETUNREACH is 101."""
    claimed, *errors = run(
        "import ctypes\n"
        "print(airgap.has_own_namespace())\n"
        "libc = ctypes.CDLL(None, use_errno=True)\n"
        "fd = libc.socket(2, 2, 0)\n"
        "address = (2).to_bytes(2, 'little') + (53).to_bytes(2, 'big') + bytes([9, 9, 9, 9]) + bytes(8)\n"
        "print(libc.connect(fd, address, 16), ctypes.get_errno())\n"
    )
    if claimed != "True":
        pytest.skip("this kernel allows no namespace of one's own")
    assert errors == ["-1 101"]


def test_it_works_inside_an_empty_namespace_too():
    assert run("print(airgap.found_at_start())", unshared=True) == ["()"]


# Which interfaces count as up, from made-up /proc/net folders

DEV = "Inter-|   Receive\n face |bytes\n    lo: 1 2 3\n{}"
IGMP = "Idx\tDevice    : Count Querier\tGroup    Users Timer\tReporter\n{}"


def proc(folder: Path, **files: str) -> str:
    for name, text in files.items():
        (folder / name).write_text(text)
    return str(folder)


def dev(*names: str) -> str:
    return DEV.format("".join(f"  {name}: 0 0 0\n" for name in names))


def igmp(*names: str) -> str:
    return IGMP.format(
        "".join(
            f"{n}\t{name:<10}:     1      V3\n\t\t\t\t010000E0     1 0:00000000\t\t0\n"
            for n, name in enumerate(names, 1)
        )
    )


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"dev": dev(), "igmp": igmp("lo")}, ()),
        ({"dev": dev("eth0"), "igmp": igmp("lo", "eth0")}, ("eth0",)),
        ({"dev": dev("eth0", "wlan0"), "igmp": igmp("lo")}, ()),
        ({"dev": dev("ifb0", "sit0", "tunl0"), "igmp": igmp("lo")}, ()),
        ({"dev": dev("eth0")}, ("eth0",)),
        ({"dev": dev("eth0"), "igmp": igmp(), "route": "Iface\tDestination\neth0\t00000000\n"}, ("eth0",)),
        (
            {"dev": dev("wlan0"), "igmp": igmp(), "if_inet6": f"{'fe80' + '0' * 28} 03 40 20 80    wlan0\n"},
            ("wlan0",),
        ),
        ({"dev": dev("b", "a"), "igmp": igmp("b", "a")}, ("a", "b")),
        ({}, ("unknown: /proc/net/dev cannot be read",)),
        ({"dev": ""}, ("unknown: /proc/net/dev cannot be read",)),
    ],
)
def test_interfaces_that_are_up(tmp_path, files, expected):
    assert airgap.interfaces_up(proc(tmp_path, **files)) == expected


def test_the_kernel_agrees_with_what_we_read(tmp_path):
    """Against SIOCGIFFLAGS, which tests may ask."""
    import fcntl
    import socket
    import struct

    up = set()
    with socket.socket() as probe:
        for _, name in socket.if_nameindex():
            flags = struct.unpack("16xH", fcntl.ioctl(probe, 0x8913, name.encode().ljust(32, b"\0"))[:18])[0]
            if flags & 1 and name != "lo":
                up.add(name)
    assert set(airgap.interfaces_up()) == up


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("", ()),
        ("/dev/sda2   partition\t1000\t0\t-2\n", ("/dev/sda2",)),
        ("/swapfile   file\t1000\t0\t-2\n/dev/zram0 partition 1 0 5\n", ("/swapfile",)),
    ],
)
def test_swap_areas(tmp_path, rows, expected):
    (tmp_path / "swaps").write_text("Filename\tType\tSize\tUsed\tPriority\n" + rows)
    assert airgap.swap_areas(str(tmp_path / "swaps")) == expected
    assert airgap.swap_areas(str(tmp_path / "missing")) == ()


def test_zram_with_a_backing_device_counts(tmp_path, monkeypatch):
    (tmp_path / "swaps").write_text("Filename\n/dev/zram0 partition 1 0 5\n")
    monkeypatch.setattr(airgap, "_is_plain_zram", lambda _name: False)
    assert airgap.swap_areas(str(tmp_path / "swaps")) == ("/dev/zram0",)


def test_with_loopback_the_namespace_stays_and_the_hook_stands():
    program = (
        "from falconer_offline import airgap\n"
        "airgap.arm(loopback=True)\n"
        "import socket\n"
        "try:\n    socket.socket()\nexcept airgap.AirGapViolation:\n    print('refused')\n"
        "print(airgap.has_loopback(), airgap.has_own_namespace())\n"
        "airgap.arm()\n"
        "print(airgap.has_loopback())\n"
    )
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused", "True", "False", "True"]


def test_without_it_there_is_no_loopback():
    assert run("print(airgap.has_loopback())") == ["False"]
