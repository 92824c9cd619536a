"""The words that say something: `send`, `ask` and `chat`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from cyclopts import Parameter

from callboard.cli import DONE, terminal
from callboard.cli.place import HERE, Place

if TYPE_CHECKING:
    from callboard.web.client import Client
    from callboard.web.talk import Accepted, MessageRow, SendRequest

Sender = Annotated[str | None, Parameter(name="--as")]


def send(
    to: str,
    text: str,
    /,
    *,
    type: str = "text",  # noqa: A002 - it is what the flag is called
    channel: bool = False,
    after: str | None = None,
    key: str | None = None,
    conversation: str | None = None,
    sender: Sender = None,
    place: Place = HERE,
) -> int:
    """Send a message to the bot TO, or publish it on the channel '#TO'.

    Parameters
    ----------
    to
        A bot, or a channel with # before it (in quotes, for the shell).
    text
        What to say: a JSON object as it is; any other text becomes {"text": TEXT}.
    type
        The type of the message.
    channel
        TO is a channel, also without #.
    after
        How long it waits before it is sent, such as 10m.
    key
        An idempotency key: the same again under the same key is sent once.
    conversation
        The conversation that it belongs to.
    sender
        A person or an outside bot, under whose name it is said.
    """
    from callboard.web.talk import SendRequest

    check_pause("--after", after)
    name = to.removeprefix("#")
    onto = channel or name != to
    request = SendRequest(
        to=None if onto else name,
        channel=name if onto else None,
        type=type,
        body=body_of(text),
        after=after,
        conversation=conversation,
    )
    with place.client() as client:
        sent = client.send(request, key=key, sender=sender)
    if place.as_json:
        terminal.document(sent)
    else:
        terminal.say(_sent(sent, after))
    return DONE


def _sent(sent: Accepted, after: str | None) -> str:
    where = f"at position {sent.position}" if sent.position is not None else f"due in {after}"
    again = " (it was sent before, under the same key)" if sent.repeated else ""
    return f"sent {sent.id}, {where}{again}"


def ask(
    bot: str,
    text: str,
    /,
    *,
    type: str = "text",  # noqa: A002 - it is what the flag is called
    within: str = "30s",
    conversation: str | None = None,
    sender: Sender = None,
    place: Place = HERE,
) -> int:
    """Ask a bot, and print its answer.

    Parameters
    ----------
    bot
        Who is asked.
    text
        What to ask: a JSON object as it is; any other text becomes {"text": TEXT}.
    type
        The type of the message.
    within
        How long to wait for the answer, up to 10m.
    conversation
        The conversation that it belongs to.
    sender
        A person or an outside bot, under whose name it is asked.
    """
    with place.client() as client:
        request = question(bot, text, type=type, within=within, conversation=conversation)
        answer = _asked(client, request, sender)
    if place.as_json:
        terminal.document(answer)
    else:
        terminal.lines(answer_text(answer))
    return DONE


def chat(
    bot: str,
    /,
    *,
    type: str = "text",  # noqa: A002 - it is what the flag is called
    within: str = "30s",
    sender: Sender = None,
    place: Place = HERE,
) -> int:
    """Talk with a bot: each line is asked, each answer printed; Ctrl+D ends it.

    Parameters
    ----------
    bot
        Who is asked.
    type
        The type of the messages.
    within
        How long to wait for each answer, up to 10m.
    sender
        A person or an outside bot, under whose name it is asked.
    """
    from uuid import uuid4

    from callboard.errors import CallboardError

    conversation = f"chat-{uuid4()}"
    with place.client() as client:
        client.bot(bot)
        for line in terminal.typed(f"{bot}> "):
            if not line.strip():
                continue
            try:
                request = question(bot, line, type=type, within=within, conversation=conversation)
                answer = _asked(client, request, sender)
            except CallboardError as error:
                terminal.complain(error, as_json=place.as_json)
                continue
            if place.as_json:
                sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
                sys.stdout.flush()
            else:
                terminal.lines(answer_text(answer))
    return DONE


def question(
    bot: str,
    text: str,
    *,
    type: str,  # noqa: A002 - it is what the field is called
    within: str,
    conversation: str | None,
) -> SendRequest:
    """Return the request that asks a bot."""
    from callboard.errors import BadInput
    from callboard.web.talk import SendRequest

    if bot.startswith("#"):
        raise BadInput(f"{bot} is a channel, and only a bot can be asked: `callboard send` publishes on it.")
    check_pause("--within", within)
    return SendRequest(to=bot, type=type, body=body_of(text), ask=within, conversation=conversation)


def check_pause(flag: str, text: str | None) -> None:
    """Refuse what is no duration under the name of its flag, before the server does under its own."""
    from callboard.errors import BadInput
    from callboard.units import seconds

    try:
        seconds("0s" if text is None else text)
    except ValueError as fault:
        raise BadInput(f"{flag} is {text!r}: {fault}.") from None


def _asked(client: Client, request: SendRequest, sender: str | None) -> MessageRow:
    from callboard.errors import AskTimeout
    from callboard.units import seconds

    accepted = client.send(request, seconds=seconds(request.ask or "0s"), sender=sender)
    if accepted.answer is None:
        raise AskTimeout(f"{request.to} gave no answer; the message {accepted.id} stays in the log.")
    return accepted.answer


def body_of(text: str) -> msgspec.Raw:
    """Return what is said as JSON: an object as it is, all else as the text of one."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        value = None
    if isinstance(value, dict):
        return msgspec.Raw(text.encode())
    return msgspec.Raw(msgspec.json.encode({"text": text.encode(errors="replace").decode()}))


def answer_text(answer: MessageRow) -> str:
    """Return what was answered as a person reads it: a lone text without the JSON around it."""
    said: Any = msgspec.json.decode(bytes(answer.body))
    if isinstance(said, dict) and list(said) == ["text"] and isinstance(said["text"], str):
        return said["text"]
    return bytes(answer.body).decode()
