"""Errors as callers see them: problem documents of RFC 9457, with a stable code and a correlation id.

An error of our own tree says its sentence. Anything else is a fault of ours: the caller learns that it
happened and under which id to look for it, and the trace goes to the log, never over the wire.
"""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response

from callboard import logs
from callboard.errors import CallboardError, NotFound, RateLimited, Unauthenticated, VerbNotAllowed
from callboard.web import wire

log = logs.get_logger(__name__)


def problem(error: CallboardError) -> wire.Problem:
    """Return an error as the document that crosses the door."""
    return wire.Problem(
        type=f"urn:callboard:error:{error.code}",
        title=HTTPStatus(error.status).phrase,
        status=error.status,
        detail=error.message,
        code=error.code,
        correlation_id=logs.correlation_id() or "",
        retryable=error.retryable,
        details=error.details,
    )


def response(fault: Exception) -> Response:
    """Return the answer to a request that failed, whatever it failed with."""
    error = _as_ours(fault)
    headers = {}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = wire.KEY_SCHEME
    if isinstance(error, VerbNotAllowed):
        headers["Allow"] = ", ".join(error.details.get("allowed", ()))
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE and error.retryable:
        headers["Retry-After"] = "1"
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(math.ceil(error.details.get("retry_after", 1.0)))
    body = msgspec.json.encode(problem(error), enc_hook=str)
    return Response(body, error.status, headers, media_type=wire.PROBLEM_TYPE)


def _as_ours(fault: Exception) -> CallboardError:
    if isinstance(fault, CallboardError):
        # A bare root is raised by nobody on purpose, and what it says may not be meant for others.
        if type(fault) is not CallboardError:
            return fault
    elif isinstance(fault, HTTPException) and fault.status_code == HTTPStatus.NOT_FOUND:
        return NotFound("Nothing is served at this path; /api/v1/openapi.json lists all that is.")
    log.error("a request failed for a reason of ours", exc_info=fault)
    return CallboardError(
        "Something went wrong inside Callboard, which is not your fault; "
        f"its log has the details under correlation id {logs.correlation_id()}."
    )
