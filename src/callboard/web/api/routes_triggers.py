"""The lines of the table that concern triggers and webhooks.

A webhook is called by programs that know nothing of Callboard, so it stands outside `/api/v1`, takes any
JSON, and knows its callers by a secret of its own.
"""

from __future__ import annotations

import re
from typing import Any

from callboard import errors
from callboard.errors import RequestInvalid
from callboard.spelling import shown
from callboard.web import runs, triggers, wire
from callboard.web.api.route import Call, Route

# ── handlers ─────────────────────────────────────────────────────────────────────────────────────────────


_NAME = re.compile(r"[a-z0-9][a-z0-9-]*\.[0-9a-f]{8}(-[0-9]{1,3})?")


def _trigger(call: Call[Any, Any]) -> str:
    """Return the id of a trigger that the path holds."""
    text = call.path["trigger"]
    if _NAME.fullmatch(text) is None:
        said = "is not the id of a trigger, such as claims.0a1b2c3d: `callboard trigger list` shows them."
        raise RequestInvalid(f"{shown(text)} {said}", field="trigger")
    return text


async def list_triggers(call: Call[triggers.TriggersQuery, None]) -> triggers.TriggerList:
    """Return triggers."""
    return await call.desk.triggers.all_triggers(call.query.workflow, sleeping=call.query.all)


async def read_trigger(call: Call[triggers.TriggerQuery, None]) -> triggers.TriggerDetail:
    """Return one trigger."""
    return await call.desk.triggers.trigger(_trigger(call), call.query.records)


async def fire(call: Call[None, triggers.FireRequest]) -> triggers.Fired:
    """Have a trigger fire now."""
    return await call.desk.triggers.fire(
        _trigger(call), call.body.data, key=call.key, principal=call.principal
    )


async def enable(call: Call[None, runs.NothingMore]) -> triggers.Switched:
    """Turn a trigger on."""
    return await call.desk.triggers.switch(_trigger(call), on=True, principal=call.principal)


async def disable(call: Call[None, runs.NothingMore]) -> triggers.Switched:
    """Turn a trigger off."""
    return await call.desk.triggers.switch(_trigger(call), on=False, principal=call.principal)


async def receive(call: Call[None, None]) -> triggers.Fired:
    """Take what somebody sends to a webhook."""
    return await call.desk.triggers.receive(call.path["path"], call.headers, call.raw)


# ── the table ────────────────────────────────────────────────────────────────────────────────────────────

_READING = (errors.NotFound, errors.StoreUnavailable)
_FIRING = (
    *_READING,
    errors.Conflict,
    errors.WrongState,
    errors.KeyReused,
    errors.Unencodable,
    errors.TurnTooLarge,
    errors.ShuttingDown,
    errors.DiskFull,
    errors.OutcomeUnknown,
    errors.ActorStopped,
    errors.AskTimeout,
    errors.Overloaded,
)

TRIGGERS: tuple[Route, ...] = (
    Route(
        verb="GET",
        path=f"{wire.API}/triggers",
        name="listTriggers",
        summary="What starts runs by itself, with when it fires next",
        handler=list_triggers,
        query=triggers.TriggersQuery,
        answer=triggers.TriggerList,
        scope="workflows:read",
        errors=_READING,
    ),
    Route(
        verb="GET",
        path=f"{wire.API}/triggers/{{trigger}}",
        name="readTrigger",
        summary="One trigger, with what became of it lately",
        handler=read_trigger,
        query=triggers.TriggerQuery,
        answer=triggers.TriggerDetail,
        scope="workflows:read",
        errors=_READING,
    ),
    Route(
        verb="POST",
        path=f"{wire.API}/triggers/{{trigger}}/fire",
        name="fireTrigger",
        summary="Have a trigger fire now, also one that is off",
        handler=fire,
        request=triggers.FireRequest,
        answer=triggers.Fired,
        status=202,
        repeated=200,
        keyed=True,
        scope="workflows:execute",
        errors=_FIRING,
    ),
    Route(
        verb="POST",
        path=f"{wire.API}/triggers/{{trigger}}/enable",
        name="enableTrigger",
        summary="Turn a trigger on",
        handler=enable,
        request=runs.NothingMore,
        answer=triggers.Switched,
        scope="workflows:manage",
        errors=_FIRING,
    ),
    Route(
        verb="POST",
        path=f"{wire.API}/triggers/{{trigger}}/disable",
        name="disableTrigger",
        summary="Turn a trigger off: it fires nothing, and makes up for nothing",
        handler=disable,
        request=runs.NothingMore,
        answer=triggers.Switched,
        scope="workflows:manage",
        errors=_FIRING,
    ),
    Route(
        verb="POST",
        path="/webhooks/{path}",
        name="receiveWebhook",
        summary="Start a run by a webhook: 202, or 200 if the delivery came before",
        handler=receive,
        answer=triggers.Fired,
        status=202,
        repeated=200,
        scope=None,
        hook=True,
        errors=(*_FIRING, errors.Unauthenticated, errors.WebhookClosed),
    ),
)
