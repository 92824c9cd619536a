"""The words of the command line. A word that Callboard cannot do yet is not here.

Each is a function: its signature is the command's, its docstring the help. It returns an exit code.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from callboard.cli import DONE, FAILED, terminal
from callboard.cli.place import Place

if TYPE_CHECKING:
    from callboard.config import Config

HERE = Place()


def version() -> str:
    """Return the version of the installed package."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    return installed("callboard")


app = App(
    name="callboard",
    help="Bots that talk and workflows that run, with one durable log under both.",
    help_epilogue="Exit codes: 0 all is well; 1 it failed, or a check found something; 2 the command or its input "
    "is wrong; 3 the server cannot be reached or cannot do it now.",
    version=version,
    version_flags=["--version"],
    help_flags=["--help", "-h"],
)


@app.command
def up(
    *,
    place: Place = HERE,
    host: str | None = None,
    port: str | None = None,
    log_level: str | None = None,
    log_format: str | None = None,
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
    """
    config = place.config(door__host=host, door__port=port, log__level=log_level, log__format=log_format)
    from callboard.app import serve  # noqa: PLC0415

    if not place.as_json:
        _banner(config)
    return serve(config)


def _banner(config: Config) -> None:
    host = f"[{config.door.host}]" if ":" in config.door.host else config.door.host
    address = f"http://{host}:{config.door.port}" if config.door.port else "a free port; the log says which"
    terminal.say(
        f"Callboard {version()}",
        f"  open      {address}",
        f"  project   {config.project}",
        f"  data      {config.data_folder}",
        "  ask       callboard doctor · callboard log",
        "  stop      Ctrl+C",
        "",
    )


@app.command
def doctor(*, full: bool = False, place: Place = HERE) -> int:
    """Look whether everything is as it must be; asks the server, or its files when none runs.

    Parameters
    ----------
    full
        Also what takes long: every page of the database, every projection rebuilt and compared.
    """
    from callboard.app import offline_doctor  # noqa: PLC0415

    report = place.ask(lambda client: client.doctor(full=full), lambda config: offline_doctor(config, full))
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
    from callboard.app import offline_backup  # noqa: PLC0415

    path = file.expanduser().absolute()
    made = place.ask(lambda client: client.backup(str(path)), lambda config: offline_backup(config, path))
    if place.as_json:
        terminal.document(made)
    else:
        terminal.say(f"{made.path}: {made.bytes:,} bytes, up to position {made.head}; {made.checks}")
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
    from callboard.app import offline_restore  # noqa: PLC0415

    path = file.expanduser().absolute()
    restored = place.offline(lambda config: offline_restore(config, path))
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
    from callboard.app import offline_prune  # noqa: PLC0415

    pruned = place.ask(
        lambda client: client.prune(dry_run=dry_run), lambda config: offline_prune(config, dry_run)
    )
    if place.as_json:
        terminal.document(pruned)
    else:
        terminal.say(
            f"{'would go' if pruned.dry_run else 'gone'}: {pruned.messages} messages, {pruned.streams} streams "
            f"with {pruned.events} events; the file has {pruned.bytes_after:,} bytes (before: {pruned.bytes_before:,})"
        )
    return DONE


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
            [
                (row.position, row.cause or "", f"{row.at:%Y-%m-%d %H:%M:%S}", row.kind, row.subject, row.type,
                 bytes(row.data).decode())
                for row in page.data
            ],
        )  # fmt: skip
        if page.data:
            terminal.say("", f"more: callboard log --after {page.next}")
    return DONE


@app.command
def bench(
    *,
    seconds: float = 3.0,
    only: Annotated[tuple[str, ...], Parameter(consume_multiple=False)] = (),
    as_json: Annotated[bool, Parameter(name="--json", negative="")] = False,
) -> int:
    """Measure this machine: turns through the journal, beside what bare SQLite can do.

    Parameters
    ----------
    seconds
        How long each measurement takes.
    only
        Run only the measurement of this name; may be given again.
    as_json
        Print JSON.
    """
    from callboard.bench import run  # noqa: PLC0415

    return run(seconds=seconds, only=only, as_json=as_json)
