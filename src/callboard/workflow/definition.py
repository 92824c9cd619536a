"""The definition: a workflow as its author writes it, one shape for YAML and JSON.

    name: claims-triage
    on: [{schedule: "0 7 * * mon-fri", timezone: Europe/Lisbon}]
    steps:
      - {id: fetch, uses: http.request, with: {url: "https://intake.example/{{ trigger.claim }}"}}
      - {id: done, needs: [fetch], uses: core.echo, with: {message: "{{ steps.fetch.output }}"}}

These structs are the schema: the check reads a file against them, and the JSON Schema that editors use is
made from them, descriptions included. They say nothing yet about whether the steps fit together: that is
`plan.py`. Durations stay as they were written, since the same file is written back.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from callboard.messages import check_name, check_pattern
from callboard.units import seconds

# ── words of the file ────────────────────────────────────────────────────────────────────────────────────


def _a_duration(text: str) -> None:
    seconds(text)


def _a_time_out(text: str) -> None:
    if seconds(text) <= 0:
        raise ValueError("nothing is done in no time")


def _a_bot(text: str) -> None:
    check_name("bot", text)


def _a_type(text: str) -> None:
    check_name("message type", text)


_LENGTHS = {"examples": ["250ms", "30s", "5m", "2h", "1d"]}

Duration = Annotated[str, Meta(extra={"check": _a_duration}, extra_json_schema=_LENGTHS)]
"""A whole number and a unit."""

TimeOut = Annotated[str, Meta(extra={"check": _a_time_out}, extra_json_schema=_LENGTHS)]
"""A duration that is longer than nothing."""

BotName = Annotated[str, Meta(extra={"check": _a_bot})]
MessageType = Annotated[str, Meta(extra={"check": _a_type})]
ChannelPattern = Annotated[str, Meta(extra={"check": check_pattern})]

NAME = r"^[a-z0-9][a-z0-9-]*$"
ID = r"^[A-Za-z_][A-Za-z0-9_-]*$"
"""A dash is a minus in expressions: there such a step is `steps['fetch-all']`."""

VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"

WorkflowName = Annotated[
    str,
    Meta(
        pattern=NAME,
        min_length=1,
        max_length=200,
        extra={"written": "small letters, digits and dashes, such as claims-triage"},
    ),
]
StepId = Annotated[
    str,
    Meta(
        pattern=ID,
        min_length=1,
        max_length=100,
        extra={"written": "letters, digits, dashes and underscores, beginning with a letter, such as fetch"},
    ),
]
SecretName = Annotated[
    str,
    Meta(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$",
        min_length=1,
        max_length=100,
        extra={"written": "letters, digits and underscores, such as SLACK_TOKEN"},
    ),
]
Text = Annotated[str, Meta(max_length=4096)]
When = Literal["success", "failure", "always"]

MOST_STEPS = 1_000
MOST_ITERATIONS = 1_000
MOST_TRIGGERS = 100


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={}):
    """A part of a definition; what is not one of its keys is refused."""


# ── what starts a run ────────────────────────────────────────────────────────────────────────────────────


class Every(Part, frozen=True, kw_only=True):
    """A schedule by distance."""

    every: Annotated[TimeOut, Meta(description="How long from one fire to the next, such as 15m.")]


class Auth(Part, frozen=True, kw_only=True):
    """How a webhook knows its caller: one of the two, by the name of a secret."""

    hmac: Annotated[
        SecretName | None, Meta(description="The body is signed with this secret (X-Hub-Signature-256).")
    ] = None
    bearer: Annotated[SecretName | None, Meta(description="The caller sends this secret as a token.")] = None


class OnMessage(Part, frozen=True, kw_only=True):
    """Which messages start a run."""

    channel: Annotated[ChannelPattern, Meta(description="A channel, or a pattern of channels.")]
    type: Annotated[MessageType | None, Meta(description="Only messages of this type.")] = None


class OnRun(Part, frozen=True, kw_only=True):
    """Which runs, by their end, start a run of this workflow."""

    workflow: Annotated[WorkflowName, Meta(description="Whose run has ended.")]
    status: Annotated[
        Literal["completed", "failed", "cancelled", "any"], Meta(description="How it has ended.")
    ] = "completed"


class On(Part, frozen=True, kw_only=True, rename={"if_": "if"}):
    """One thing that starts runs: exactly one of schedule, webhook, message and run."""

    schedule: Annotated[
        str | Every | None,
        Meta(description="A cron expression of 5 or 6 fields, a word such as @daily, or {every: 15m}."),
    ] = None
    webhook: Annotated[
        str | None, Meta(description="The path under /webhooks/ that is called, such as claims.")
    ] = None
    message: Annotated[OnMessage | None, Meta(description="A message on a channel.")] = None
    run: Annotated[OnRun | None, Meta(description="The end of a run of another workflow.")] = None
    timezone: Annotated[
        str | None, Meta(description="Of the schedule, such as Europe/Lisbon; UTC if not told.")
    ] = None
    missed: Annotated[
        Literal["once", "all", "skip"],
        Meta(description="What is made up for after the server was down: one fire, all (100 at most), none."),
    ] = "once"
    auth: Annotated[Auth | None, Meta(description="How the webhook knows its caller.")] = None
    if_: Annotated[str, Meta(description="A condition, looked at before there is a run; empty is true.")] = ""
    input: Annotated[
        Any, Meta(description="Templates over `event`; what they give is `trigger`. Else the event itself.")
    ] = None


# ── steps ────────────────────────────────────────────────────────────────────────────────────────────────


class Retry(Part, frozen=True, kw_only=True):
    """How often, and after which pauses, a transient fault is tried again."""

    attempts: Annotated[int, Meta(ge=1, le=100, description="Attempts in all.")] = 3
    delay: Annotated[Duration, Meta(description="The pause before the second attempt.")] = "200ms"
    factor: Annotated[float, Meta(ge=1, le=100, description="By this each pause grows.")] = 2.0
    max_delay: Annotated[Duration, Meta(description="The longest pause.")] = "30s"
    jitter: Annotated[
        Literal["full", "none"], Meta(description="full: a random part of the pause; none: all of it.")
    ] = "full"
    rerender: Annotated[
        bool, Meta(description="Whether each attempt renders its input anew; else all have the same.")
    ] = False


class Next(Part, frozen=True, kw_only=True, rename={"if_": "if"}):
    """An edge to a step that follows."""

    to: Annotated[StepId, Meta(description="The id of the step that follows.")]
    when: Annotated[When, Meta(description="How this step must have ended.")] = "success"
    if_: Annotated[str, Meta(description="A condition; empty is true.")] = ""


class Again(Part, frozen=True, kw_only=True, rename={"if_": "if"}):
    """Go back to a step, this one or an earlier one, while a condition holds."""

    to: Annotated[StepId, Meta(description="It and all that follows it is done again.")]
    if_: Annotated[str, Meta(description="Looked at when this step completes; empty is true.")] = ""
    max: Annotated[int, Meta(ge=1, le=MOST_ITERATIONS, description="How often at most.")]


Resolve = Literal["majority", "weighted", "adjudicator", "more", "fail"]


class Consensus(Part, frozen=True, kw_only=True):
    """How far the answers to an ask must agree, and what happens when they do not."""

    metric: Annotated[
        Literal["percent", "cohen", "weighted_cohen", "fleiss", "krippendorff", "iou"],
        Meta(description="How agreement is measured."),
    ] = "percent"
    threshold: Annotated[float, Meta(ge=-1, description="At or above it the majority holds.")] = 0.5
    level: Annotated[
        Literal["nominal", "ordinal", "interval"], Meta(description="Of krippendorff: what answers are.")
    ] = "nominal"
    weighting: Annotated[
        Literal["linear", "quadratic"], Meta(description="Of weighted_cohen: how a distance counts.")
    ] = "linear"
    resolve: Annotated[Resolve, Meta(description="What decides below the threshold.")] = "majority"
    ties: Annotated[
        Literal["first", "escalate"], Meta(description="Whose answer holds where two are as common.")
    ] = "first"
    weights: Annotated[
        dict[BotName, Annotated[float, Meta(ge=0)]],
        Meta(description="Of weighted: what each rater counts; 1 if not told."),
    ] = {}
    adjudicator: Annotated[
        BotName | None, Meta(description="The bot or person who sees all answers and decides.")
    ] = None
    raters: Annotated[list[BotName], Meta(description="Of more: who is asked next, in order.")] = []
    max: Annotated[
        Annotated[int, Meta(ge=1, le=100)] | None, Meta(description="Of more: how many of raters at most.")
    ] = None
    fallback: Annotated[
        Literal["majority", "weighted", "adjudicator", "fail"],
        Meta(description="Of more: what decides when all were asked."),
    ] = "fail"


class Step(Part, frozen=True, kw_only=True, rename={"with_": "with"}):
    """One step."""

    id: Annotated[StepId, Meta(description="Its name in expressions and edges; unique in the file.")]
    uses: Annotated[str, Meta(min_length=1, max_length=200, description="What kind of step it is.")]
    description: Annotated[Text, Meta(description="For people.")] = ""
    with_: Annotated[dict[str, Any], Meta(description="Its parameters; texts are templates.")] = {}
    timeout: Annotated[TimeOut, Meta(description="How long one attempt may take.")] = "5m"
    retry: Annotated[Retry | None, Meta(description="How transient faults are tried again.")] = None
    needs: Annotated[
        str | list[StepId] | None, Meta(description="Steps that must have ended well before this one.")
    ] = None
    next: Annotated[
        str | Next | list[str | Next] | None, Meta(description="Edges to steps that follow, in order.")
    ] = None
    route: Annotated[
        Literal["all", "first"],
        Meta(description="Whether all edges of `next` that hold are taken, or the first that does."),
    ] = "all"
    join: Annotated[
        Literal["all", "settled", "any"] | Annotated[int, Meta(ge=1, le=MOST_STEPS)] | None,
        Meta(
            description="Which of the edges that lead here must be satisfied: all, settled, any, or a number."
        ),
    ] = None
    again: Annotated[Again | None, Meta(description="Go back to a step while a condition holds.")] = None
    on_interrupt: Annotated[
        Literal["retry", "fail", "hold"],
        Meta(description="What becomes of an attempt that was in flight when the server died."),
    ] = "retry"
    consensus: Annotated[Consensus | None, Meta(description="Of an ask: how answers become one.")] = None

    def edges(self) -> tuple[Next, ...]:
        """Return the edges of `next`, however it was written."""
        said = self.next
        written = [] if said is None else said if isinstance(said, list) else [said]
        return tuple(Next(to=one) if isinstance(one, str) else one for one in written)

    def needed(self) -> tuple[str, ...]:
        """Return the steps of `needs`, however it was written."""
        if self.needs is None:
            return ()
        return (self.needs,) if isinstance(self.needs, str) else tuple(self.needs)


# ── the whole ────────────────────────────────────────────────────────────────────────────────────────────


class Owner(Part, frozen=True, kw_only=True):
    """A bot that owns the workflow."""

    bot: Annotated[BotName, Meta(description="Its name.")]


class Concurrency(Part, frozen=True, kw_only=True):
    """How many runs there may be at once."""

    key: Annotated[
        str, Meta(description="A template: runs for which it gives the same are counted together.")
    ] = ""
    limit: Annotated[int, Meta(ge=1, le=1_000_000, description="Runs at once.")] = 1
    on_limit: Annotated[
        Literal["queue", "reject", "replace"], Meta(description="What becomes of a run past the limit.")
    ] = "queue"


class Definition(Part, frozen=True, kw_only=True):
    """A workflow: what starts it, its steps, and what it gives back."""

    name: Annotated[WorkflowName, Meta(description="No other workflow has it, whoever owns it.")]
    description: Annotated[Text, Meta(description="For people.")] = ""
    owner: Annotated[Literal["global"] | Owner, Meta(description="global, or {bot: NAME}.")] = "global"
    input: Annotated[
        dict[str, Any] | None, Meta(description="A JSON Schema that `trigger` is checked against.")
    ] = None
    on: Annotated[
        list[On], Meta(max_length=MOST_TRIGGERS, description="What starts runs, besides people.")
    ] = []
    vars: Annotated[dict[str, Any], Meta(description="Values that expressions see as `vars`.")] = {}
    timeout: Annotated[TimeOut, Meta(description="How long attempts of one run may take in all.")] = "1h"
    deadline: Annotated[
        TimeOut | None, Meta(description="How long a run may take, its waiting included; none if not told.")
    ] = None
    concurrency: Annotated[Concurrency | None, Meta(description="How many runs there may be at once.")] = None
    max_parallel: Annotated[int, Meta(ge=1, le=100, description="Attempts of one run at once.")] = 10
    on_failure: Annotated[
        Literal["stop", "continue"],
        Meta(description="Whether an unhandled failure stops the run, or independent branches end first."),
    ] = "stop"
    context: Annotated[
        Literal["summary", "full", "keys"],
        Meta(description="How much of the outputs is kept on the run's row for reading."),
    ] = "summary"
    steps: Annotated[
        list[Step], Meta(min_length=1, description="The steps, in the order in which they are read.")
    ]
    output: Annotated[Any, Meta(description="Templates; what they give is the run's output.")] = None


# ── one spelling ─────────────────────────────────────────────────────────────────────────────────────────


def canonical(definition: Definition) -> bytes:
    """Return a definition in one spelling: white space, order of keys and short forms make no difference."""
    return msgspec.json.encode(plain(definition), order="deterministic")


def plain(value: Any) -> Any:  # noqa: ANN401 - any part of a definition
    """Return a value without structs, its keys in the order of this file.

    A key at its default says nothing, also when it is written out.
    """
    if isinstance(value, Step):
        # Short forms of edges are written out; no edges are as good as none said.
        edges = {"next": list(value.edges()) or None, "needs": list(value.needed()) or None}
        value = msgspec.structs.replace(value, **edges)
    if isinstance(value, Part):
        return {
            field.encode_name: plain(getattr(value, field.name))
            for field in _fields(type(value))
            if not _says_nothing(getattr(value, field.name), field)
        }
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value


@cache
def _fields(kind: type[Part]) -> tuple[msgspec.structs.FieldInfo, ...]:
    return msgspec.structs.fields(kind)  # made anew each time it is asked for


def _says_nothing(value: object, field: msgspec.structs.FieldInfo) -> bool:
    factory = field.default_factory
    default = factory() if callable(factory) else field.default
    return value == default and type(value) is type(default)


def checksum(definition: Definition) -> str:
    """Return the SHA-256 of the canonical form: the same content has the same, however it is written."""
    return hashlib.sha256(canonical(definition)).hexdigest()
