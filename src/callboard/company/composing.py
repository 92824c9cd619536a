"""Putting together what somebody outside a handler says, with names, headers and recipient checked."""

from __future__ import annotations

from collections.abc import Mapping

from callboard.authoring.bot import Say
from callboard.company.asking import Services, check_sendable
from callboard.errors import NotFound
from callboard.ids import MessageId
from callboard.messages import To, check_headers, check_name, hops_allowed


async def compose(
    services: Services,
    to: To,
    type_: str,
    json: str,
    *,
    headers: Mapping[str, str] | None = None,
    reply_to: MessageId | None = None,
    conversation: str | None = None,
    after: float = 0.0,
) -> tuple[Say, str | None]:
    """Return what is to be said, checked, and who asked if it answers an ask."""
    check_name(to.kind, to.name)
    check_name("message type", type_)
    check_headers(headers or {})
    hops_allowed(headers or {})
    earlier = None
    if reply_to is not None:
        earlier = await services.store.message(reply_to)
        if earlier is None:
            raise NotFound(f"There is no message {reply_to} to reply to.")
    known = earlier is not None and earlier.sender == to.name
    check_sendable(services.board, services.message_bytes, to, json, known=known)
    name = MessageId(services.ids.new())
    talk = conversation or (earlier.conversation if earlier else None) or str(name)
    said = Say(name, to, type_, json, dict(headers or {}), reply_to, talk, after)
    return said, earlier.sender if earlier is not None and earlier.asks else None
