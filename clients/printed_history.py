"""A history that is also read out as it happens, for who runs a client by hand."""

from __future__ import annotations

import json

import typer

from emulator.history import Event, History


class PrintedHistory(History):
    """Every event is a line on standard output, too."""

    def append(self, *args: object, **kwargs: object) -> Event:
        event = super().append(*args, **kwargs)  # type: ignore[arg-type]
        detail = json.dumps(dict(event.detail), default=str)
        typer.echo(f"{event.who} {event.what} {event.phase} {detail}")
        return event
