"""The words of the command line. A word that Callboard cannot do yet is not here.

Those about messages are in `talk.py` and `audit.py`, those about channels, bots and dead letters in
`board.py`, those for people and bots outside in `inbox.py`, those about workflow files in `check.py`, those
about runs in `run.py` and `runs.py`, those about workflows that were published in `workflow.py`, those
about what starts runs in `trigger.py`, about templates in `template.py`, the one that measures in `bench.py`,
the one that makes a project folder in `init.py`.

Each is a function: its signature is the command's, its docstring the help. It returns an exit code.
"""

from __future__ import annotations

from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App, Parameter

from callboard.cli import (
    DONE,
    FAILED,
    audit,
    bench,
    board,
    check,
    inbox,
    init,
    run,
    runs,
    story,
    talk,
    template,
    terminal,
    trigger,
    workflow,
)
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from callboard.config import Config
    from callboard.reloading import Reloaded
    from callboard.web.wire import BackupMade, DoctorReport, LogRow, Pruned


def version() -> str:
    """Return the version of the installed package."""
    from importlib.metadata import version as installed

    return installed("callboard")


app = App(
    name="callboard",
    help="Bots that talk and workflows that run, with one durable log under both.",
    help_epilogue="Exit codes: 0 all is well; 1 it failed, or a check found something; 2 the command or its "
    "input is wrong; 3 the server cannot be reached or cannot do it now.",
    version=version,
    default_parameter=Parameter(negative=()),  # no `--no-watch` beside `--watch`: it says nothing
    version_flags=["--version"],
    help_flags=["--help", "-h"],
)

app.command(init.init)
for word in (talk.send, talk.ask, talk.chat, inbox.inbox, audit.audit, audit.why, check.check, check.schema):
    app.command(word)
for deed in (run.run, runs.signal, runs.approvals, runs.approve, runs.reject, bench.bench):
    app.command(deed)
for tale in (story.tree, story.why, story.fork):
    runs.runs.command(tale)
for words in (
    *(board.channel, board.bots, board.dead),
    *(runs.runs, workflow.workflow, trigger.trigger, template.template),
):
    app.command(words)


@app.command
def up(
    *,
    place: Place = HERE,
    host: str | None = None,
    port: str | None = None,
    log_level: str | None = None,
    log_format: str | None = None,
    reload: bool = False,
) -> int:
    """Start Callboard here, and stay until it is told to stop.

    Parameters
    ----------
    host
        Address to listen on (127.0.0.1).
    port
        Port to listen on (7331); 0 takes any that is free.
    log_level
        The least that is logged: debug, info, warning or error.
    log_format
        pretty, json, or auto: pretty on a terminal.
    reload
        Load all again whenever a file of bots/, actions/ or config/ changes: bots, actions, workflow files.
        For development; never in production, where a file that is half copied would be loaded: `callboard
        bots reload` does it when told.
    """
    config = place.config(door__host=host, door__port=port, log__level=log_level, log__format=log_format)
    from callboard.app import serve

    on_reload = partial(_reloaded, as_json=place.as_json) if reload else None
    on_up = (lambda _: None) if place.as_json else partial(_banner, config, place)
    return serve(config, on_up, on_reload=on_reload)


def _reloaded(done: Reloaded, *, as_json: bool) -> None:
    """Say what came of a change in the files of the project."""
    if as_json:
        terminal.document(done)
    else:
        terminal.say(*board.reloaded(done))


def _banner(config: Config, place: Place, url: str) -> None:
    """Say where to look, once there is something to look at."""
    terminal.say(
        f"Callboard {version()} is up",
        f"  project   {config.project}",
        f"  data      {config.data_folder}",
        f"  ask       {place.again('doctor')}",
        f"            {place.again('log')}",
        "  stop      Ctrl+C",
        f"  open      {url}",
    )
    if not any((config.project / name).exists() for name in ("bots", "config")):
        terminal.say(
            "", f"No bots and no workflows are here; {place.again('init')} makes some to begin with."
        )


@app.command
def doctor(*, full: bool = False, place: Place = HERE) -> int:
    """Look whether everything is as it must be; asks the server, or its files when none runs.

    Parameters
    ----------
    full
        Also what takes long: every page of the database, every projection rebuilt and compared.
    """

    def without_server(config: Config) -> Coroutine[None, None, DoctorReport]:
        from callboard import offline

        return offline.doctor(config, full=full)

    report = place.ask(lambda client: client.doctor(full=full), without_server)
    if place.as_json:
        terminal.document(report)
    else:
        terminal.table(
            ("", "check", "found"),
            [("ok" if check.ok else "wrong", check.name, check.detail) for check in report.checks],
        )
        for check in report.checks:
            if not check.ok and check.fix:
                terminal.say(f"{check.name}: {check.fix}")
    return DONE if report.ok else FAILED


@app.command
def backup(file: Path, /, *, place: Place = HERE) -> int:
    """Write a checked copy of the database to FILE, also while it is in use.

    Parameters
    ----------
    file
        Where the copy goes; nothing may be there yet.
    """
    path = file.expanduser().absolute()

    def without_server(config: Config) -> Coroutine[None, None, BackupMade]:
        from callboard import offline

        return offline.backup(config, path)

    made = place.ask(lambda client: client.backup(str(path)), without_server)
    if place.as_json:
        terminal.document(made)
    else:
        terminal.say(f"{made.path}: {made.bytes:,} bytes, up to position {made.head}; {made.checks}")
        if not made.recorded:
            terminal.say(
                "The copy is sound, but the log does not say that it was made: nothing can be written."
            )
    return DONE


@app.command
def restore(file: Path, /, *, place: Place = HERE) -> int:
    """Put a backup in the place of the database; the server must not be running.

    The database that was there is kept beside it. The log gets a new id, so cursors of before are refused.

    Parameters
    ----------
    file
        A copy that `callboard backup` made.
    """
    from callboard import offline

    path = file.expanduser().absolute()
    restored = place.offline(lambda config: offline.restore(config, path), database_needed=False)
    if place.as_json:
        terminal.document(restored)
    else:
        kept = f"; the one before is kept as {restored.kept}" if restored.kept else ""
        terminal.say(f"{restored.path} is restored, up to position {restored.head}{kept}")
    return DONE


@app.command
def prune(*, dry_run: bool = False, place: Place = HERE) -> int:
    """Take away what retention no longer keeps, and shrink the file.

    Parameters
    ----------
    dry_run
        Only say what would go.
    """

    def without_server(config: Config) -> Coroutine[None, None, Pruned]:
        from callboard import offline

        return offline.prune(config, dry_run=dry_run)

    pruned = place.ask(lambda client: client.prune(dry_run=dry_run), without_server)
    if place.as_json:
        terminal.document(pruned)
    else:
        terminal.say(
            f"{'would go' if pruned.dry_run else 'gone'}: {pruned.messages} messages, {pruned.streams} "
            f"streams with {pruned.events} events; the file has {pruned.bytes_after:,} bytes "
            f"(before: {pruned.bytes_before:,})"
        )
    return DONE


@app.command
def rebuild(*, place: Place = HERE) -> int:
    """Make everything that is derived from the log anew; the server must not be running.

    The exit code is 1 when something was not as the log says: it is now.
    """
    from callboard import offline

    rebuilt = place.offline(offline.rebuild)
    if place.as_json:
        terminal.document(rebuilt)
    else:
        terminal.say(f"rebuilt; mended: {', '.join(rebuilt.different) or 'nothing, all was right'}")
    return FAILED if rebuilt.different else DONE


@app.command
def log(*, after: str | None = None, limit: int = 100, place: Place = HERE) -> int:
    """Print facts of the log, in its order.

    Parameters
    ----------
    after
        The cursor at which an earlier page ended; without it the log is read from its beginning.
    limit
        How many facts at most, up to 1000.
    """
    with place.client() as client:
        page = client.log(after, limit)
    if place.as_json:
        terminal.document(page)
    else:
        terminal.table(
            ("position", "cause", "when", "what", "subject", "type", "data"),
            [_shown(row) for row in page.data],
        )
        if not page.data:
            terminal.say(
                "Nothing is in the log here." if after is None else "Nothing is behind that position."
            )
        terminal.say(f"go on: {place.again('log')} --after {page.next}")
    return DONE


def _shown(row: LogRow) -> tuple[object, ...]:
    when, data = f"{row.at:%Y-%m-%d %H:%M:%S}", bytes(row.data).decode()
    return (row.position, row.cause or "", when, row.kind, row.subject, row.type, data)
