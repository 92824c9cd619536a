"""Log lines: one shape for everything that the process has to say.

`configure` is called once, by whoever starts the process. From then on our own lines, those of libraries that
use the standard library's `logging` (uvicorn, asyncio), and Python's warnings go the same way to standard
error: for people on a terminal, as JSON lines elsewhere.

    log = logs.get_logger(__name__)
    with logs.context(correlation_id=…, bot="clerk"):   # every line inside carries both
        log.info("handled", message_id=…)

Three rules hold at the one place through which each line passes. A value declared with `keep_secret` never
appears, be it in an event, a field or a traceback. A line is one line: what came from outside cannot forge a
second one or colour the terminal. And a value that cannot be encoded costs its spelling, never the line.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import MutableMapping
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token
from typing import TYPE_CHECKING, Any, TextIO, cast
from uuid import UUID

import msgspec
import structlog
from structlog.contextvars import bound_contextvars, get_contextvars, merge_contextvars
from structlog.stdlib import BoundLogger, ProcessorFormatter

if TYPE_CHECKING:
    from callboard.ids import Ids

Event = MutableMapping[str, Any]

MASK = "•••"
SHORTEST_SECRET = 8
"""Shorter values are not masked: they would blot out half of every line and hide nothing worth it."""

CORRELATION_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_secrets: dict[str, None] = {}
_turn: ContextVar[tuple[str, UUID] | None] = ContextVar("turn", default=None)
_attempt: ContextVar[tuple[str, str, str, int] | None] = ContextVar("attempt", default=None)


# ── writing lines ────────────────────────────────────────────────────────────────────────────────────────


def get_logger(name: str) -> BoundLogger:
    """Return a logger for a module. Usable before `configure`, which only decides where lines go."""
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=_BEFORE_HANDLER,
        wrapper_class=BoundLogger,
        # The level and the format live in the root handler, so what is kept here never goes stale.
        cache_logger_on_first_use=True,
    )
    return cast("BoundLogger", logger)


def context(**values: Any) -> AbstractContextManager[None]:
    """Add fields to every line inside the block, in this task and those it starts; `None` adds nothing."""
    return bound_contextvars(**{name: value for name, value in values.items() if value is not None})


def begin_turn(bot: str, message: UUID) -> Token[tuple[str, UUID] | None]:
    """Add a bot and the message that it handles to every line, until `end_turn` is given what this returns.

    `context` would do, and cost a bot more than all else that is done for a handler that says nothing.
    """
    return _turn.set((bot, message))


def end_turn(before: Token[tuple[str, UUID] | None]) -> None:
    """Take away what `begin_turn` added."""
    _turn.reset(before)


def begin_attempt(run: str, workflow: str, step: str, attempt: int) -> None:
    """Add an attempt of a step to every line of this task, for good: it does nothing else."""
    _attempt.set((run, workflow, step, attempt))


def _add_work(_logger: object, _method: str, event: Event) -> Event:
    turn, attempt = _turn.get(), _attempt.get()
    if turn is not None:
        event.setdefault("bot", turn[0])
        event.setdefault("message_id", str(turn[1]))
    if attempt is not None:
        for name, value in zip(("run_id", "workflow", "step_id", "attempt"), attempt, strict=True):
            event.setdefault(name, value)
    return event


def correlation_id() -> str | None:
    """Return the id under which the current work can be found in the log, if it has one."""
    value = get_contextvars().get("correlation_id")
    return value if isinstance(value, str) else None


def accept_correlation_id(offered: str | None, ids: Ids) -> str:
    """Return the id that a caller offered, or a new one when it is not fit to stand in a header and a log."""
    if offered is not None and CORRELATION_ID.fullmatch(offered):
        return offered
    return str(ids.new())


def keep_secret(value: str) -> None:
    """Never let this value appear in a log line, from now on."""
    if len(value) >= SHORTEST_SECRET:
        _secrets[value] = None
        _secrets[json.dumps(value)[1:-1]] = None


# ── where lines go ───────────────────────────────────────────────────────────────────────────────────────


def configure(level: str = "info", style: str = "auto", stream: TextIO | None = None) -> None:
    """Send every log line of this process to `stream` (standard error), in one style.

    Calling it again replaces what was there, so a test can look at its own lines.
    """
    stream = stream or sys.stderr
    pretty = style == "pretty" or (style == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Formatter(pretty=pretty, colours=pretty and stream.isatty()))
    root = logging.getLogger()
    for old in [old for old in root.handlers if isinstance(old.formatter, _Formatter)]:
        root.removeHandler(old)
        old.close()
    root.addHandler(handler)
    root.setLevel(level.upper())
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    logging.captureWarnings(capture=True)
    # For code that is not ours and takes structlog's own loggers, such as an author's bot.
    structlog.configure(
        processors=_BEFORE_HANDLER,
        wrapper_class=BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


_CHATTY = ("aiosqlite", "pykka")
"""Libraries whose debug lines (several per query or message) drown everything else."""


class _Formatter(ProcessorFormatter):
    """Renders a record, ours or anybody's, and masks secrets in what came out."""

    def __init__(self, *, pretty: bool, colours: bool) -> None:
        if pretty:
            # The plain traceback: the rich one shows local variables, and those hold secrets.
            rendering: list[Any] = [
                _one_line,
                structlog.dev.ConsoleRenderer(
                    colors=colours, exception_formatter=structlog.dev.plain_traceback, pad_event_to=0
                ),
            ]
        else:
            rendering = [
                structlog.processors.format_exc_info,
                structlog.processors.UnicodeDecoder(),
                _as_json,
            ]
        super().__init__(
            processors=[ProcessorFormatter.remove_processors_meta, *rendering],
            foreign_pre_chain=_FIELDS,
            use_get_message=True,
        )

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        for secret in sorted(_secrets, key=len, reverse=True):  # one may be the beginning of another
            line = line.replace(secret, MASK)
        return line


def _as_json(_logger: object, _method: str, event: Event) -> str:
    """Render one JSON object on one line, whatever it holds."""
    ordered = {name: event.pop(name) for name in ("timestamp", "level", "event") if name in event}
    ordered.update(event)
    try:
        return msgspec.json.encode(ordered, enc_hook=repr).decode()
    except Exception:  # noqa: BLE001  (a lone surrogate, a key that is no text, a `repr` that raises)
        return json.dumps({str(name): _harmless(value) for name, value in ordered.items()})


def _harmless(value: object) -> str:
    try:
        return str(value)
    except Exception as fault:  # noqa: BLE001 - a `repr` may raise anything
        return f"<{type(value).__name__} that cannot be written: {type(fault).__name__}>"


_RENDERED_LATER = frozenset({"exception", "exc_info", "stack"})


def _one_line(_logger: object, _method: str, event: Event) -> Event:
    """Write control characters as escapes: a terminal obeys them, and a line feed starts a forged line."""
    for name, value in event.items():
        if name not in _RENDERED_LATER and not isinstance(value, int | float | None):
            text = value if isinstance(value, str) else _harmless(value)
            event[name] = _CONTROL.sub(lambda found: repr(found[0])[1:-1], text)
    return event


_FIELDS: list[Any] = [
    merge_contextvars,
    _add_work,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]
_BEFORE_HANDLER: list[Any] = [
    structlog.stdlib.filter_by_level,
    *_FIELDS,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
    ProcessorFormatter.wrap_for_formatter,
]
