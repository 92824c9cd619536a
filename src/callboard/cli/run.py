"""The word `run`: start a run of a workflow, or of a file that is checked and published first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from callboard.cli import DONE, terminal
from callboard.cli.files import is_file, publish_file
from callboard.cli.place import HERE, Place


def run(
    target: str,
    /,
    *,
    input: Annotated[list[str] | None, Parameter(name="--input", negative="")] = None,  # noqa: A002 - the flag
    data: str | None = None,
    version: int | None = None,
    request_id: str | None = None,
    watch: bool = False,
    place: Place = HERE,
) -> int:
    """Start a run of the workflow TARGET; of a file, publish it first.

    The exit code is 0 when the run is started; with --watch, when it has completed, and 1 when it has not.

    Parameters
    ----------
    target
        The name of a workflow, or a file such as config/workflows/claims.yaml.
    input
        A field of the input, as NAME=VALUE: a JSON value as it is, any other text as a text.
    data
        The whole input, as JSON.
    version
        The version of the workflow; the active one, if not told.
    request_id
        The same again gives the run that there is, and starts no other.
    watch
        Show how it goes until it has ended.
    """
    from callboard.web.runs import StartRequest

    request = StartRequest(input=given(input or [], data), version=version, request_id=request_id)
    with place.client() as client:
        name = publish_file(client, Path(target)).name if is_file(target) else target
        started = client.start_run(name, request)
        if watch:
            from callboard.cli.watching import watch_run

            return watch_run(client, started.run_id, as_json=place.as_json)
    if place.as_json:
        terminal.document(started)
    else:
        again = " (it was started before, under the same id)" if started.repeated else ""
        terminal.say(
            f"run {started.run_id} of {started.workflow} version {started.version} is {started.status}{again}"
        )
        terminal.say(f"look: {place.again('runs', 'show', started.run_id)}")
    return DONE


def given(fields: list[str], data: str | None, *, flag: str = "--input") -> Any:  # noqa: ANN401 - any JSON
    """Return the input of a run: all of it as JSON, or fields by name."""
    from callboard.errors import BadInput

    if data is not None:
        if fields:
            raise BadInput(f"Give it either whole, by --data, or by its fields, by {flag}: not both.")
        try:
            return json.loads(data)
        except ValueError as fault:
            raise BadInput(f"--data is no JSON: {fault}.") from None
    found = {}
    for field in fields:
        name, equals, text = field.partition("=")
        if not equals or not name:
            raise BadInput(f"{flag} {field!r} is not NAME=VALUE, such as {flag} claim=7.")
        found[name] = value_of(text)
    return found


def value_of(text: str) -> Any:  # noqa: ANN401 - any JSON
    """Return a JSON value as it is, and any other text as a text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
