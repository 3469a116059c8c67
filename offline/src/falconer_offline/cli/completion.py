"""`completion`: the script that teaches a shell the commands, options, files, and names of this home."""

from __future__ import annotations

import click
from click.shell_completion import ShellComplete, get_completion_class

VARIABLE = "_FALCONER_OFFLINE_COMPLETE"
"""By it the shell asks; click derives the same name from the program's."""


@click.command()
@click.argument("shell_name", metavar="bash|zsh|fish", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell_name: str) -> None:
    """Print the completion script of a shell.

    \b
    bash:  falconer-offline completion bash > ~/.local/share/bash-completion/completions/falconer-offline
    zsh:   falconer-offline completion zsh > ~/.zfunc/_falconer-offline    (~/.zfunc in fpath)
    fish:  falconer-offline completion fish > ~/.config/fish/completions/falconer-offline.fish
    """  # noqa: D301 - click wants the character
    from falconer_offline import terminal
    from falconer_offline.cli import root

    kind = get_completion_class(shell_name)
    if kind is None:
        raise RuntimeError("click knows these three shells")
    # not its own `source`: for bash that would run bash to ask for its version, which the walls refuse
    terminal.say(ShellComplete.source(kind(root, {}, "falconer-offline", VARIABLE)).rstrip("\n"))
