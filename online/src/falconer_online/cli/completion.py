"""`falconer completion`."""

from __future__ import annotations

import click

from falconer_online.cli.session import Session, pass_session

SHELLS = ("bash", "zsh", "fish")

_INSTALL = {
    "bash": 'eval "$(falconer completion bash)"   in ~/.bashrc',
    "zsh": 'eval "$(falconer completion zsh)"   in ~/.zshrc',
    "fish": "falconer completion fish > ~/.config/fish/completions/falconer.fish",
}


@click.command("completion", epilog="  ".join(f"{shell}: {how}." for shell, how in _INSTALL.items()))
@click.argument("shell", type=click.Choice(SHELLS))
@pass_session
def completion(_session: Session, shell: str) -> None:
    """The script that completes commands, options, ids and names in a shell."""
    from click.shell_completion import get_completion_class

    from falconer_online.cli.root import root

    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}")
    found = made(root, {}, "falconer", "_FALCONER_COMPLETE")
    # not .source(): for bash that starts a bash to ask for its version
    click.echo(found.source_template % found.source_vars())
