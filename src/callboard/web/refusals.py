"""What a server refused with, as the class of error that it was there."""

from __future__ import annotations

from typing import Any

import msgspec

from callboard.errors import CallboardError, ServerUnreachable
from callboard.web import wire


def error_of(data: bytes, status: int, url: str) -> CallboardError:
    """Return the error that an answer stands for."""
    try:
        problem = msgspec.json.decode(data, type=wire.Problem)
    except msgspec.DecodeError:
        return ServerUnreachable(
            f"What answers at {url} is not a Callboard (it said {status}); is the address right?"
        )
    return rebuild(problem)


def rebuild(problem: wire.Problem) -> CallboardError:
    """Return the error that a problem document stands for; for an unknown code, the root with it inside."""
    kind = _by_code().get(problem.code, CallboardError)
    details: dict[str, Any] = {**problem.details}
    error = kind.__new__(kind)
    CallboardError.__init__(error, problem.detail, **details)
    vars(error).update(
        {name: value for name, value in details.items() if name in kind.__init__.__annotations__}
    )
    error.details["correlation_id"] = problem.correlation_id
    if kind is CallboardError and problem.code != kind.code:
        error.details["code"] = problem.code
    return error


def _by_code() -> dict[str, type[CallboardError]]:
    found: dict[str, type[CallboardError]] = {}
    waiting = [CallboardError]
    while waiting:
        kind = waiting.pop()
        found.setdefault(kind.code, kind)
        waiting.extend(kind.__subclasses__())
    return found
