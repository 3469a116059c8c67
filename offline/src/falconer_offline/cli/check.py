"""`selfcheck`: known answers."""

from __future__ import annotations

import click

from falconer_offline import airgap
from falconer_offline import selfcheck as checks
from falconer_offline.cli.shell import Shell, json_option, pass_shell


@click.command()
@json_option
@pass_shell
def selfcheck(shell: Shell) -> None:
    """Compute known answers with every part that signs or verifies, and say how this process is walled in."""
    done = checks.run()
    for name in done:
        shell.say(f"ok        {name}")
    walls = {
        "own_network_namespace": airgap.has_own_namespace(),
        "interfaces_up_at_start": list(airgap.found_at_start()),
        "memory_locked": airgap.lock_memory(),
        "swap": list(airgap.swap_areas()),
    }
    shell.say(
        f"network   {'an empty namespace of its own' if walls['own_network_namespace'] else 'the namespace it was started in'}"
    )
    shell.say(
        f"memory    {'locked' if walls['memory_locked'] else 'not locked (needs root or an unlimited memlock)'}"
    )
    shell.say(f"swap      {', '.join(airgap.swap_areas()) or 'none'}")
    shell.report({"verdict": "accepted", "checks": list(done), "walls": walls})
