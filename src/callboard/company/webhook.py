"""The webhook bot: messages are posted to an address, and what is answered is the reply.

It is a bot like any other, with one handler for all types of messages: so its turns, retries, time-outs and
dead letters are those of `bot.py`. Each attempt posts the same document under the same `Idempotency-Key`, the
id of the message; with a secret, `X-Hub-Signature-256` holds the HMAC-SHA256 of the very bytes that are sent.

    2xx                         the answer, if there is one, is the reply; see `Answer`
    408, 425, 429, 5xx          the attempt failed; not before `Retry-After` it is tried again
    no connection, time-out     the attempt failed
    3xx, any other 4xx          refused: the same again would not help, so the message is a dead letter

Rejected
    Following a redirect: a message, signed for one address, would be handed to another.
    Giving a message up at a 2xx with an answer that cannot be read: a server that is being deployed, or a
    proxy before it, says such things for a moment.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from typing import Any

import aiohttp
import msgspec

from callboard.authoring.bot import Bot, Settings, Shape, Turn, otherwise, shape_of
from callboard.authoring.terms import Terms, terms_of
from callboard.botconfig import BotConfig
from callboard.errors import BadInput, BotInvalid, NotFound, WebhookFailed, WebhookRefused
from callboard.ids import MessageId, Position
from callboard.messages import Message
from callboard.retry import asked_pause
from callboard.spelling import shown

OK, REDIRECT, WRONG, BROKEN = 200, 300, 400, 500
"""Where the answers that mean the same begin."""

LATER = frozenset({408, 425, 429})
"""Answers of the caller's fault that are none: the same again may succeed."""

_PLAIN = re.compile(r"[!-~]{1,200}")


class Posted(msgspec.Struct, frozen=True):
    """A message as it is posted."""

    id: MessageId
    position: Position
    type: str
    sender: str
    to: str | None
    """The bot, if it was sent to it; else it came over a channel."""
    channel: str | None
    conversation: str | None
    body: msgspec.Raw
    headers: Mapping[str, str]
    reply_to: MessageId | None
    hops: int
    at: datetime
    asks: bool
    """The sender waits for the reply."""


class Said(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A message that the server wants sent."""

    type: str
    body: msgspec.Raw
    to: str | None = None
    channel: str | None = None
    after: str | None = None
    headers: dict[str, str] | None = None
    conversation: str | None = None


class Answer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a server may answer: a reply (a type and a body), messages to send, both, or nothing."""

    type: str | None = None
    body: msgspec.Raw = msgspec.Raw(b"")
    messages: list[Said] = []


class Target(Settings, frozen=True):
    """Where one webhook bot posts to."""

    bot: str
    url: str
    secret: str | None
    """The name of the environment variable that holds it; never the secret itself."""
    headers: dict[str, str]
    answer_bytes: int

    @property
    def place(self) -> str:
        """The address as errors may show it: what follows a ? may be a token."""
        return self.url.partition("?")[0]


class Webhook(Bot):
    """Posts messages to an address; what is answered is the reply."""

    settings: Any

    async def started(self) -> None:
        target: Target = self.settings
        self._key = None if target.secret is None else _secret(target.secret)
        self._session = aiohttp.ClientSession(
            # Nothing is unpacked: a small answer could hold one that is larger than any bound.
            headers={"User-Agent": "Callboard", **target.headers, "Accept-Encoding": "identity"},
            auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=None),  # the bot's own time-out holds
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def ended(self) -> None:
        if hasattr(self, "_session"):
            await self._session.close()

    @otherwise
    async def post(self, message: Message, turn: Turn) -> None:
        document = msgspec.json.encode(_posted(message))
        headers = {
            "Content-Type": "application/json",
            "Idempotency-Key": str(message.id),
            "X-Correlation-Id": _correlation(message),
            "Callboard-Bot": self.settings.bot,
        }
        if self._key is not None:
            digest = hmac.new(self._key, document, hashlib.sha256).hexdigest()
            headers["X-Hub-Signature-256"] = f"sha256={digest}"
        try:
            async with self._session.post(
                self.settings.url, data=document, headers=headers, allow_redirects=False
            ) as response:
                _check(self.settings.place, response, turn.now)
                data = await self._read(response)
        except (aiohttp.ClientError, OSError) as error:
            what = str(error) or type(error).__name__
            raise WebhookFailed(f"{self.settings.place} could not be reached: {what}.") from error
        if data.strip():
            _say(_answer(data), turn)

    async def _read(self, response: aiohttp.ClientResponse) -> bytes:
        """Return the answer, or refuse one that is larger than a message may be."""
        most, data = self.settings.answer_bytes, bytearray()
        async for chunk in response.content.iter_any():
            data += chunk
            if len(data) > most:
                raise WebhookFailed(f"The answer holds more than {most:,} bytes, which a message may not.")
        return bytes(data)


def engagement(name: str, said: BotConfig, answer_bytes: int) -> tuple[Shape, Terms]:
    """Return what a webhook bot is and how it works, or refuse it: BotInvalid if its secret is not there."""
    if said.secret is not None:
        try:
            _secret(said.secret)
        except BotInvalid as error:
            raise BotInvalid(f"bots.{name}.secret: {error.message}") from None
    shape = msgspec.structs.replace(shape_of(Webhook), name=name, description="")
    target = Target(name, said.url or "", said.secret, dict(said.headers), answer_bytes)
    return shape, msgspec.structs.replace(terms_of(Webhook, shape, said), settings=target)


def _secret(variable: str) -> bytes:
    value = os.environ.get(variable, "")
    if not value:
        raise BotInvalid(f"the environment variable {variable} is not set: it must hold the secret.")
    return value.encode()


def _correlation(message: Message) -> str:
    """Return what both sides may write into their logs; the conversation may be any text at all."""
    talk = message.conversation or ""
    return talk if _PLAIN.fullmatch(talk) else str(message.id)


def _posted(message: Message) -> Posted:
    on_channel = message.to.kind == "channel"
    return Posted(
        id=message.id,
        position=message.position,
        type=message.type,
        sender=message.sender,
        to=None if on_channel else message.to.name,
        channel=message.to.name if on_channel else None,
        conversation=message.conversation,
        body=msgspec.Raw(message.json.encode()),
        headers=message.headers,
        reply_to=message.reply_to,
        hops=message.hops,
        at=message.at,
        asks=message.asks,
    )


# ── what comes back ──────────────────────────────────────────────────────────────────────────────────────


def _check(place: str, response: aiohttp.ClientResponse, now: datetime) -> None:
    status, where = response.status, f"{place} answered {response.status}"
    if OK <= status < REDIRECT:
        return
    if status in LATER or status >= BROKEN:
        raise WebhookFailed(f"{where}.", status=status, retry_after=_pause(response, now))
    if REDIRECT <= status < WRONG:
        raise WebhookRefused(f"{where}: redirects are not followed; set the address that it names.")
    raise WebhookRefused(f"{where}: it does not take this message.", status=status)


def _pause(response: aiohttp.ClientResponse, now: datetime) -> float:
    """Return for how many seconds the server asked to be left alone; what it says may be nonsense."""
    return asked_pause(response.headers.get("Retry-After", ""), now) or 0.0


def _answer(data: bytes) -> Answer:
    try:
        answer = msgspec.json.decode(data, type=Answer)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise WebhookFailed(f"The answer cannot be read: {error}: {shown(data[:60])}.") from None
    if (answer.type is None) == bool(bytes(answer.body)):
        raise WebhookFailed("The answer has only one of type and body: a reply has both.")
    for said in answer.messages:
        if (said.to is None) == (said.channel is None):
            raise WebhookFailed("A message of the answer must name one of to and channel.")
    return answer


def _say(answer: Answer, turn: Turn) -> None:
    """Put what was answered into the turn."""
    try:
        for said in answer.messages:
            speak = (
                partial(turn.send, said.to)
                if said.to is not None
                else partial(turn.publish, said.channel or "")
            )
            body = msgspec.json.decode(said.body)
            speak(
                body, type=said.type, after=said.after, headers=said.headers, conversation=said.conversation
            )
        if answer.type is not None:
            turn.reply(msgspec.json.decode(answer.body), type=answer.type)
    except (BadInput, NotFound) as error:
        raise WebhookFailed(f"The answer says what cannot be sent: {error.message}") from error
