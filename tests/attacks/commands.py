"""Every command of both programs, as click knows them."""

from __future__ import annotations

from collections.abc import Iterator

import click

from falconer_offline.cli import root as offline
from falconer_online.cli.root import root as online


def commands() -> Iterator[tuple[str, click.Command]]:
    """Each group and command, by its words."""
    yield from _walk("falconer-offline", offline, None)
    yield from _walk("falconer", online, None)


def options() -> Iterator[tuple[str, click.Option]]:
    """Each option of each of them."""
    for name, command in commands():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield name, parameter


def _walk(
    name: str, command: click.Command, parent: click.Context | None
) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=name, parent=parent)
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            if below is not None:
                yield from _walk(f"{name} {word}", below, context)
