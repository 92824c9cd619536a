"""Reading what stands in a path: names, patterns, ids and positions, each refused in its own words."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import msgspec

from callboard.errors import RequestInvalid
from callboard.ids import MessageId, Position
from callboard.messages import check_name, check_pattern
from callboard.spelling import shown
from callboard.units import seconds
from callboard.web.api.route import Call
from callboard.web.inbox import RESUME_HEADER
from callboard.web.wire import UP_TO, WRITTEN
from callboard.workflow.definition import WorkflowName

_LONGEST = 18
"""Digits of a position: they fit 63 bits."""


def bot_name(call: Call[Any, Any], field: str = "bot") -> str:
    """Return the name of a bot that the path holds."""
    return check_name("bot", call.path[field])


def channel_name(call: Call[Any, Any]) -> str:
    """Return the name of a channel that the path holds."""
    return check_name("channel", call.path["channel"])


def channel_pattern(call: Call[Any, Any]) -> str:
    """Return the name of a channel, or the pattern of some, that the path holds."""
    return check_pattern(call.path["channel"])


def message_id(call: Call[Any, Any]) -> MessageId:
    """Return the id of a message that the path holds."""
    text = call.path["message"]
    try:
        return msgspec.convert(text, MessageId)
    except msgspec.ValidationError:
        raise RequestInvalid(
            f"{shown(text)} is not the id of a message: it looks like 01920000-0000-7000-8000-000000000000.",
            field="message",
        ) from None


def position(call: Call[Any, Any], field: str) -> Position:
    """Return the position that the path holds."""
    text = call.path[field]
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST:
        raise RequestInvalid(
            f"{shown(text)} is not a position of the log, such as 17: `callboard log` shows them.",
            field=field,
        )
    return Position(int(text))


def uuid(call: Call[Any, Any], field: str) -> str:
    """Return the id of a run, or of what waits, that the path holds."""
    return read_uuid(call.path[field], field)


def read_uuid(text: str, field: str) -> str:
    """Return the id that a field holds."""
    try:
        return str(UUID(text))
    except ValueError:
        like = "01920000-0000-7000-8000-000000000000"
        raise RequestInvalid(f"{shown(text)} is not an id; one looks like {like}.", field=field) from None


def place(text: str) -> str:
    """Return the cursor or position that `Last-Event-ID` holds."""
    if not re.fullmatch(UP_TO, text):
        raise RequestInvalid(
            f"{shown(text)} is not where a stream was left: it is {WRITTEN[UP_TO]}.", field=RESUME_HEADER
        )
    return text


def duration(text: str, field: str) -> float:
    """Return the seconds that a field of a body holds."""
    try:
        return seconds(text)
    except ValueError as fault:
        raise RequestInvalid(f"{field} is {shown(text)}: {fault}.", field=f"$.{field}") from None


def version(call: Call[Any, Any]) -> int:
    """Return the number of a version that the path holds."""
    text = call.path["version"]
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST or int(text) < 1:
        raise RequestInvalid(
            f"{shown(text)} is not a version: they are numbered 1, 2 and so on.", field="version"
        )
    return int(text)


def workflow_name(call: Call[Any, Any]) -> str:
    """Return the name of a workflow that the path holds."""
    return checked_workflow(call.path["name"], "name")


def template_name(call: Call[Any, Any]) -> str:
    """Return the name of a template that the path holds."""
    text = call.path["name"]
    try:
        return msgspec.convert(text, WorkflowName)
    except msgspec.ValidationError:
        raise RequestInvalid(
            f"{shown(text)} cannot be a template: small letters, digits and dashes, such as letters.",
            field="name",
        ) from None


def checked_workflow(text: str, field: str) -> str:
    """Return the name of a workflow, if it can be one."""
    try:
        return msgspec.convert(text, WorkflowName)
    except msgspec.ValidationError:
        raise RequestInvalid(
            f"{shown(text)} cannot be a workflow: small letters, digits and dashes, such as claims-triage.",
            field=field,
        ) from None
