"""The kinds of steps that every Callboard has, with what each takes.

One struct for each kind: its fields are the keys that may stand under `with`. How a kind is carried out is in
`steps/` under the same name. What is coming and not there yet is named as well, so that the check can tell a
slip of the finger from something that was promised.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from callboard.messages import check_name
from callboard.planning import resources
from callboard.planning.questions import Ask, Share, answerable
from callboard.planning.step import Action, Catalogue, Complaint, Kind, Parameters
from callboard.workflow import is_template
from callboard.workflow.definition import (
    VARIABLE,
    BotName,
    ChannelPattern,
    Duration,
    MessageType,
    Step,
    TimeOut,
    WorkflowName,
)

MOST_ITEMS = 10_000
MOST_ROUNDS = 1_000


def _a_channel(text: str) -> None:
    check_name("channel", text)


def _a_moment(text: str) -> None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("a time is written as 2030-01-31T07:00:00Z") from None
    if at.tzinfo is None:
        raise ValueError("a time needs its zone, such as 2030-01-31T07:00:00Z")
    try:
        at.astimezone(UTC)
    except OverflowError:
        raise ValueError("no clock shows this time: years go from 1 to 9999, in UTC") from None


def _an_address(text: str) -> None:
    if not text.lower().startswith(("http://", "https://")):
        raise ValueError("a URL begins with http:// or https://")


ChannelName = Annotated[str, Meta(extra={"check": _a_channel})]
Moment = Annotated[str, Meta(extra={"check": _a_moment}, extra_json_schema={"format": "date-time"})]
Address = Annotated[str, Meta(extra={"check": _an_address})]
Bots = Annotated[list[BotName], Meta(min_length=1)]
Words = Annotated[str, Meta(min_length=1)]
Word = str | int | float
"""What becomes text where a program is given it; a template that is one whole {{ }} may give a number."""


# ── core ─────────────────────────────────────────────────────────────────────────────────────────────────


class Echo(Parameters):
    """Gives back its message as `{echo: …}`."""

    message: Annotated[Any, Meta(description="Any value.")] = "echo"
    simulate: Annotated[
        Literal["transient", "permanent"] | None,
        Meta(description="transient fails attempts 1 and 2, permanent fails always."),
    ] = None


class Fail(Parameters):
    """Fails its step."""

    code: Annotated[Words, Meta(description="The code of the error.")] = "FAILED"
    message: Annotated[str, Meta(description="The sentence of the error.")] = "This step fails."


class Delay(Parameters, rename={"for_": "for"}):
    """Waits for a time or until one."""

    for_: Annotated[Duration | None, Meta(description="How long.")] = None
    until: Annotated[Moment | None, Meta(description="Until when, RFC 3339.")] = None


def _one_end(given: Mapping[str, Any]) -> Iterator[Complaint]:
    if len({"for", "until"} & given.keys()) != 1:
        yield (), "WRONG_VALUE", "A delay has either for, how long, or until, a time."


# ── messages, people, waiting ────────────────────────────────────────────────────────────────────────────


class Send(Parameters):
    """Sends a message to one bot."""

    to: Annotated[BotName, Meta(description="The bot.")]
    type: Annotated[MessageType, Meta(description="The type of the message.")]
    body: Annotated[Any, Meta(description="What it says.")] = field(default_factory=dict)


class Publish(Parameters):
    """Says a message on a channel."""

    channel: Annotated[ChannelName, Meta(description="The channel.")]
    type: Annotated[MessageType, Meta(description="The type of the message.")]
    body: Annotated[Any, Meta(description="What it says.")] = field(default_factory=dict)


class Approval(Parameters):
    """Asks people to approve or reject."""

    approvers: Annotated[Bots | BotName, Meta(description="Who may decide.")]
    message: Annotated[str, Meta(description="What they are asked.")] = ""
    needed: Annotated[Share, Meta(description="How many must approve.")] = 1
    expires: Annotated[TimeOut | None, Meta(description="How long they have; for ever if not told.")] = None
    default: Annotated[
        Literal["approve", "reject"] | None, Meta(description="What holds when it expires; else it fails.")
    ] = None


def _enough_approvers(given: Mapping[str, Any]) -> Iterator[Complaint]:
    approvers, needed = given.get("approvers"), given.get("needed")
    there = len(approvers) if isinstance(approvers, list) else 1
    if isinstance(needed, int) and needed > there and not is_template(approvers):
        yield ("needed",), "OUT_OF_BOUNDS", f"{needed} approvals are more than the {there} who may decide."


class WaitMessage(Parameters, rename={"if_": "if"}):
    """Waits for a message."""

    channel: Annotated[ChannelPattern | None, Meta(description="On this channel, or pattern of them.")] = None
    sender: Annotated[BotName | None, Meta(description="From this bot.")] = None
    type: Annotated[MessageType | None, Meta(description="Of this type.")] = None
    if_: Annotated[str, Meta(description="A condition over `item`, the message.")] = ""
    since: Annotated[Moment | None, Meta(description="From when on; the run's start if not told.")] = None
    timeout: Annotated[TimeOut | None, Meta(description="How long; then the step fails.")] = None


def _some_message(given: Mapping[str, Any]) -> Iterator[Complaint]:
    if not {"channel", "sender"} & given.keys():
        yield (), "MISSING_FIELD", "Say which message is waited for: by its channel, its sender, or both."


class WaitSignal(Parameters):
    """Waits for a signal that somebody gives the run."""

    signal: Annotated[Words, Meta(max_length=200, description="The name of the signal.")]
    timeout: Annotated[TimeOut | None, Meta(description="How long; then the step fails.")] = None


# ── flow ─────────────────────────────────────────────────────────────────────────────────────────────────


class SubWorkflow(Parameters):
    """Starts a run of another workflow."""

    name: Annotated[WorkflowName, Meta(description="The workflow.")]
    version: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Its version; the current one if not told.")
    ] = None
    input: Annotated[Any, Meta(description="What its run sees as `trigger`.")] = field(default_factory=dict)
    wait: Annotated[bool, Meta(description="Whether this step ends when the run does, or at once.")] = True


class Each(Parameters):
    """Does steps, or a workflow, for each item of a list."""

    items: Annotated[list[Any], Meta(max_length=MOST_ITEMS, description="The list.")]
    steps: Annotated[list[Step] | None, Meta(description="Done for each; they see `item` and `index`.")] = (
        None
    )
    workflow: Annotated[WorkflowName | None, Meta(description="Run for each, instead of steps.")] = None
    parallel: Annotated[int, Meta(ge=1, le=100, description="How many at once.")] = 1
    on_item_failure: Annotated[
        Literal["stop", "collect"], Meta(description="Whether the first failure stops, or all are done.")
    ] = "stop"


def _one_body(given: Mapping[str, Any]) -> Iterator[Complaint]:
    if len({"steps", "workflow"} & given.keys()) != 1:
        yield (), "WRONG_VALUE", "What is done for each item is either steps or a workflow."


class Loop(Parameters, rename={"while_": "while"}):
    """Does steps as long as a condition holds."""

    steps: Annotated[list[Step], Meta(min_length=1, description="Done each round; they see `index`.")]
    while_: Annotated[str | None, Meta(description="A condition, looked at before each round.")] = None
    until: Annotated[str | None, Meta(description="A condition, looked at after each round.")] = None
    max: Annotated[int, Meta(ge=1, le=MOST_ROUNDS, description="Rounds; with more the step fails.")] = 100


def _one_condition(given: Mapping[str, Any]) -> Iterator[Complaint]:
    if len({"while", "until"} & given.keys()) != 1:
        yield (), "WRONG_VALUE", "A loop has either while or until."


class Render(Parameters):
    """Fills in a document of a template."""

    template: Annotated[WorkflowName, Meta(description="The template.")]
    document: Annotated[
        Words | None, Meta(description="Which of its documents; need not be said if it has one.")
    ] = None
    version: Annotated[
        Annotated[int, Meta(ge=1)] | None, Meta(description="Its version; the active one if not told.")
    ] = None
    answers: Annotated[dict[str, Any], Meta(description="What its fields ask for.")] = field(
        default_factory=dict
    )


# ── outside ──────────────────────────────────────────────────────────────────────────────────────────────


class HttpRequest(Parameters):
    """Makes an HTTP request."""

    url: Annotated[Address, Meta(description="Where to.")]
    method: Annotated[
        Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], Meta(description="The method.")
    ] = "GET"
    headers: Annotated[dict[str, str], Meta(description="Headers.")] = field(default_factory=dict)
    json: Annotated[Any, Meta(description="The body, sent as JSON.")] = None
    body: Annotated[str | None, Meta(description="The body, as text.")] = None
    expect: Annotated[
        list[Annotated[int, Meta(ge=100, le=599)]] | None, Meta(description="Statuses that are well; 2xx.")
    ] = None


def _one_request(given: Mapping[str, Any]) -> Iterator[Complaint]:
    if {"json", "body"} <= given.keys():
        yield ("body",), "WRONG_VALUE", "A request has either json or body."


def _only_reads(given: Mapping[str, Any]) -> bool:
    return bool(given.get("method", "GET") == "GET")


class Python(Parameters):
    """Calls a function that was registered with `@action`."""

    action: Annotated[Words, Meta(description="The name of the action.")]
    input: Annotated[dict[str, Any], Meta(description="What it takes.")] = field(default_factory=dict)


class Shell(Parameters):
    """Runs a program, without a shell."""

    command: Annotated[list[Word], Meta(min_length=1, description="The program and its arguments.")]
    env: Annotated[dict[str, Word], Meta(description="Variables of its environment.")] = field(
        default_factory=dict
    )
    stdin: Annotated[str | None, Meta(description="What it reads.")] = None
    expect: Annotated[
        list[Annotated[int, Meta(ge=0, le=255)]], Meta(min_length=1, description="Exit codes that are well.")
    ] = field(default_factory=lambda: [0])


# ── all of them ──────────────────────────────────────────────────────────────────────────────────────────


class Assignments(Parameters, forbid_unknown_fields=False):
    """Values that become `vars`, under the names that they have here."""


def _assignable(given: Mapping[str, Any]) -> Iterator[Complaint]:
    for name in given:
        if re.fullmatch(VARIABLE.strip("^$"), name) is None:
            yield (name,), "WRONG_VALUE", f"{name[:60]!r} cannot be a variable: write a name, such as limit."


def _always(_given: Mapping[str, Any]) -> bool:
    return True


KINDS = (
    Kind(
        name="core.echo",
        summary="Gives back its message",
        parameters=Echo,
        pure=True,
        only_answers=_always,
    ),
    Kind(name="core.set", summary="Sets variables", parameters=Assignments, pure=True, check=_assignable),
    Kind(name="core.fail", summary="Fails, with a code and a message", parameters=Fail),
    Kind(name="core.delay", summary="Waits for a time", parameters=Delay, waits=True, check=_one_end),
    Kind(name="message.send", summary="Sends a message to a bot", parameters=Send),
    Kind(name="message.publish", summary="Says a message on a channel", parameters=Publish),
    Kind(
        name="ask",
        summary="Asks bots or people and waits for their answers",
        parameters=Ask,
        waits=True,
        consensus=True,
        check=answerable,
        only_answers=_always,
    ),
    Kind(
        name="approval",
        summary="Asks people to approve or reject",
        parameters=Approval,
        waits=True,
        check=_enough_approvers,
    ),
    Kind(
        name="wait.message",
        summary="Waits for a message",
        parameters=WaitMessage,
        waits=True,
        conditions=("if",),
        looks_later=True,
        check=_some_message,
    ),
    Kind(name="wait.signal", summary="Waits for a signal", parameters=WaitSignal, waits=True),
    Kind(
        name="workflow",
        summary="Starts a run of another workflow",
        parameters=SubWorkflow,
        waits=True,
        workflow="name",
    ),
    Kind(
        name="each",
        summary="Does steps, or a workflow, for each item of a list",
        parameters=Each,
        waits=True,
        body="steps",
        workflow="workflow",
        check=_one_body,
    ),
    Kind(
        name="loop",
        summary="Does steps as long as a condition holds",
        parameters=Loop,
        waits=True,
        body="steps",
        conditions=("while", "until"),
        check=_one_condition,
    ),
    Kind(
        name="http.request",
        summary="Makes an HTTP request",
        parameters=HttpRequest,
        secrets=True,
        check=_one_request,
        only_answers=_only_reads,
    ),
    Kind(
        name="template.render",
        summary="Fills in a document",
        parameters=Render,
        pure=True,
        only_answers=_always,
    ),
    Kind(name="python", summary="Calls a function of your own", parameters=Python, secrets=True),
    Kind(name="shell.run", summary="Runs a program, where that is allowed", parameters=Shell, secrets=True),
    *resources.KINDS,
)

COMING = MappingProxyType(
    {
        "llm.*": "language models come with the connectors",
        "slack.*": "it comes with the connectors; http.request can call the service today",
        "monday.*": "it comes with the connectors; http.request can call the service today",
        "confluence.*": "it comes with the connectors; http.request can call the service today",
        "outlook.*": "it comes with the connectors",
        "tasktracker.*": "it comes with the connectors; http.request can call the service today",
    }
)


def catalogue(actions: Mapping[str, Action] = MappingProxyType({})) -> Catalogue:
    """Return all kinds of steps, with the actions of one project."""
    return Catalogue({kind.name: kind for kind in KINDS}, actions, COMING)
