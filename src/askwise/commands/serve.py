"""The verb `serve`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from askwise import completion
from askwise.commands.opening import read_text
from askwise.commands.saying import say


def serve(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SESSION",
            autocompletion=completion.sessions,
            help="Session files, or a folder of them; with --store their names.",
        ),
    ] = None,
    store: Annotated[
        str | None,
        typer.Option("--store", metavar="URL", help="Database of the sessions, postgresql://USER@HOST/DATABASE."),
    ] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen at.")] = "127.0.0.1",
    port: Annotated[int | None, typer.Option("--port", min=0, max=65535, help="Default 8321, or a free one.")] = None,
    public_url: Annotated[
        str | None,
        typer.Option("--public-url", metavar="URL", help="Where people reach it, such as https://label.example.org."),
    ] = None,
    guidelines: Annotated[
        Path | None, typer.Option("--guidelines", metavar="FILE", help="Text or Markdown shown to the people.")
    ] = None,
    private_webhooks: Annotated[
        bool, typer.Option("--allow-private-webhooks", help="Let webhooks call this machine and its network.")
    ] = False,
    strategy: Annotated[
        list[str] | None,
        typer.Option("--strategy", metavar="CODE", help="module:object that sessions here began with; again for more."),
    ] = None,
    learner: Annotated[
        list[str] | None, typer.Option("--learner", metavar="CODE", help="The same of learners; again for more.")
    ] = None,
    encoder: Annotated[
        list[str] | None, typer.Option("--encoder", metavar="CODE", help="The same of encoders; again for more.")
    ] = None,
) -> None:
    """Serve sessions to a team: accounts, roles, an API; see docs/team.md."""
    from askwise import plugins
    from askwise.app.serve import open_team, serve_team

    advice = read_text(guidelines) if guidelines else ""

    def announce(url: str, first: str | None) -> None:
        say(f"Serving {len(sessions)} project{'' if len(sessions) == 1 else 's'} at {url}")
        if first:
            say(f"Become the owner (works once, for a day): {first}")
        if not url.startswith("https:") and host not in ("127.0.0.1", "localhost", "::1"):
            say("Passwords travel unencrypted at this address; put a TLS proxy before it: docs/team.md.")
        say("Ctrl+C ends.")

    parts: dict[str, plugins.Offered] = {}
    if strategy:
        parts["strategy"] = plugins.Offered("strategy", strategy)
    if learner:
        parts["learner"] = plugins.Offered("learner", learner)
    if encoder:
        parts["encoder"] = plugins.Offered("encoder", encoder)
    sessions, accounts, folder, shelf = open_team(sources or ([] if store else ["."]), store, parts)
    try:
        serve_team(
            sessions,
            accounts=accounts,
            folder=folder,
            shelf=shelf,
            host=host,
            port=port,
            public_url=public_url,
            private_webhooks=private_webhooks,
            guidelines=advice,
            announce=announce,
        )
    finally:
        for session in sessions.values():
            session.close()
