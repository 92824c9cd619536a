"""Following a run, or the log, from outside the house: each fact once and in order, whatever breaks between.

    for fact in follow_run(client, run):
        print(fact.type)

A connection that breaks, or that a closing server ends, is opened again from the last fact that came whole,
with pauses that grow. Past `patience` seconds without an answer the reader gives up, and says so. What the
server refuses (there is no such run) is raised as it is.
"""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterator
from http import HTTPStatus
from typing import TypeVar

import msgspec

from callboard.errors import CallboardError
from callboard.retry import Backoff
from callboard.web import runs, wire
from callboard.web.client import Client
from callboard.web.refusals import rebuild
from callboard.web.targets import part

QUIET = 45.0
"""Seconds without a byte after which a connection counts as broken: the server shows itself every 15."""
PATIENCE = 60.0
"""Seconds without an answer after which a reader gives up, where nobody says otherwise."""

Row = TypeVar("Row")


class Told:
    """One event as it came over the wire."""

    __slots__ = ("data", "id", "name")

    def __init__(self) -> None:
        self.id = ""
        self.name = ""
        self.data = b""


def follow_run(
    client: Client, run: str, *, after: str | None = None, patience: float = PATIENCE
) -> Iterator[runs.EventRow]:
    """Yield the facts of a run up to its end."""
    return _follow(client, f"/runs/{part(run)}/stream", runs.EventRow, after, patience)


def follow_log(
    client: Client, *, after: str | None = None, patience: float = PATIENCE
) -> Iterator[wire.LogRow]:
    """Yield the facts of the log, without end."""
    return _follow(client, "/log/stream", wire.LogRow, after, patience)


def _follow(client: Client, path: str, kind: type[Row], last: str | None, patience: float) -> Iterator[Row]:
    decode = msgspec.json.Decoder(kind).decode
    pauses, failing_since = Backoff(first=0.05, factor=2.0, longest=2.0), None
    while True:
        try:
            connection, answer = client.open_stream(path, last, QUIET)
        except CallboardError as error:
            failing_since = failing_since or time.monotonic()
            if not error.retryable or time.monotonic() - failing_since > patience:
                raise
            time.sleep(pauses.next())
            continue
        failing_since, ended = None, False
        with contextlib.closing(connection), answer:
            if answer.status == HTTPStatus.NO_CONTENT:
                return
            for told in _events(answer):
                pauses.reset()
                last, ended = told.id, told.name == "end"
                yield decode(told.data)
            if ended and answer.isclosed():  # in order: what broke off might have gone on
                return
        time.sleep(pauses.next())


def _events(answer: http.client.HTTPResponse) -> Iterator[Told]:
    """Yield events as long as they come whole."""
    told = Told()
    with contextlib.suppress(OSError, http.client.HTTPException):
        while line := answer.readline():
            name, _, value = line.rstrip(b"\r\n").partition(b": ")
            if name == b"data":
                told.data = value
            elif name in {b"id", b"event"}:
                setattr(told, "id" if name == b"id" else "name", value.decode())
            elif line.endswith(b"\n") and not name:  # an empty line, with which an event is whole
                if told.name == "ended":
                    _raise_unless_passing(told.data)
                    return
                if told.data:
                    yield told
                told = Told()


def _raise_unless_passing(problem: bytes) -> None:
    """Raise what a stream was broken off for, unless it is worth coming back."""
    error = rebuild(msgspec.json.decode(problem, type=wire.Problem))
    if not error.retryable:
        raise error
