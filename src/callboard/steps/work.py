"""The work of one attempt: what the step is given, and what the house lends it.

    given = work.read(Echo)                 # the rendered parameters, as the struct of the kind
    work.say(To.bot("clerk"), "claim", {"amount": 7})

What a kind says with `say` is sent in the turn in which the step ends, and not at all if it does not end
well. An exception is an outcome too: `came_to` tells a passing fault, which is tried again, from one that
would be the same the next time.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from callboard import logs
from callboard.authoring.handling import Say
from callboard.authoring.registering import raised_at
from callboard.errors import BadInput, CallboardError
from callboard.facts import encode
from callboard.ids import MessageId
from callboard.messages import To, check_name
from callboard.outcome import Fail, Failure, Made, Outcome, Retry
from callboard.planning.step import Action, Attempt
from callboard.steps.callee import Callee
from callboard.steps.exchange import Client
from callboard.steps.program import Programs
from callboard.templates import Documents
from callboard.workflow import Path, Shape, described, path_text
from callboard.workflow.definition import Consensus

P = TypeVar("P", bound=msgspec.Struct)

LONGEST_ERROR = 2_000
_PASSING = frozenset(
    {
        errno.ECONNABORTED,
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.EHOSTDOWN,
        errno.EHOSTUNREACH,
        errno.ENETDOWN,
        errno.ENETUNREACH,
        errno.EPIPE,
        errno.ETIMEDOUT,
    }
)
"""What the system says of a connection that failed, and may go well another time."""


class House(Protocol):
    """What the house lends to an attempt.

    While the store cannot be read, what is read from it is waited for: the fault of our disk is no outcome.
    """

    def action(self, name: str) -> Action:
        """Return an action of the project, or refuse its name."""

    def check(self, sender: str, to: To, json: str) -> None:
        """Refuse a message that nobody could ever receive, that is too large, or one too many."""

    def must_know(self, bots: Iterable[str]) -> None:
        """Refuse the name of a bot that nobody has."""

    def new_id(self) -> MessageId:
        """Return an id for a message."""

    output_bytes: int
    """How much the output of a step may hold."""

    def client(self) -> Client:
        """Return what makes requests over HTTP."""

    def programs(self) -> Programs:
        """Return what runs programs, or refuse it where that is off."""

    async def documents(self, name: str, version: int | None) -> Documents:
        """Return a version of a set of documents, the active one if none is named, or refuse its name."""

    async def workflow(self, name: str, version: int | None) -> Callee:
        """Return a version of a workflow, the current one if none is named, or refuse its name."""

    async def created(self, system: str, type_: str, id_: str) -> Made | None:
        """Return which run has created a thing that lives elsewhere, if one has."""

    def in_a_thread(self, key: str, call: Callable[[], object]) -> Awaitable[object]:
        """Carry out a plain function, after an earlier one of the same key that has not ended yet."""


class Work(msgspec.Struct):
    """One attempt of a step."""

    attempt: Attempt
    value: Any
    """The rendered parameters, secrets in their places."""
    now: datetime
    house: House
    says: list[Say] = []
    secrets: list[str] = []
    """Those in the parameters: what they hold must not come to light."""
    consensus: Consensus = Consensus()
    """Of an ask: how answers become one."""

    def read(self, kind: type[P]) -> P:
        """Return the parameters as the struct of the kind, or refuse what the templates gave."""
        return read(self.value, kind, "with")

    def say(self, to: To, type_: str, body: object) -> MessageId:
        """Send a message with the step's end."""
        check_name(to.kind, to.name)
        check_name("message type", type_)
        json, name = encode(body), self.house.new_id()
        self.house.check(self.sender, to, json)
        self.says.append(Say(name, to, type_, json, {}, None, f"run:{self.attempt.run}", 0.0))
        return name

    @property
    def sender(self) -> str:
        """Under which name the run speaks."""
        return f"workflow.{self.attempt.workflow}"


def taken(value: object, kind: type[P], what: str) -> P:
    """Return a value of the right types as a struct, as it is: nothing but types is said of it."""
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return read(value, kind, what)


def read(value: object, kind: type[P], what: str) -> P:
    """Return a value as a struct, or refuse it with the place and a sentence."""
    found: list[tuple[Path, str]] = []

    def note(path: Path, _code: str, message: str, _key: bool) -> None:  # noqa: FBT001 - a callback
        found.append((path, message))

    Shape(note, templates=False).read(value, described(kind), ())
    if found:
        path, message = found[0]
        place = path_text((*what.split("."), *path))
        raise BadInput(f"{place}: {message.rstrip('.')}.")
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise BadInput(f"{what}: {error}.") from None


def hidden(text: str, secrets: Iterable[str]) -> str:
    """Return a text without the values of secrets; before it is cut, for nobody finds half a secret."""
    for secret in sorted(secrets, key=len, reverse=True):  # one may be the beginning of another
        if len(secret) >= logs.SHORTEST_SECRET:
            text = text.replace(secret, logs.MASK)
    return text


def came_to(error: BaseException, secrets: Iterable[str] = ()) -> Outcome:
    """Return what an exception makes of an attempt: tried again if it is passing, else failed for good."""
    if isinstance(error, CallboardError):
        failure = Failure(error.code, hidden(error.message, secrets)[:LONGEST_ERROR])
        return Retry(failure) if error.retryable else Fail(failure)
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    text = hidden(text.encode(errors="backslashreplace").decode(), secrets)[:LONGEST_ERROR]
    if isinstance(error, TimeoutError):
        return Retry(Failure("TIMEOUT", text))
    passing = isinstance(error, OSError) and error.errno in _PASSING
    if passing or isinstance(error, ConnectionError | socket.gaierror | EOFError):
        return Retry(Failure("CONNECTION_FAILED", text))
    at = raised_at(error)
    return Fail(Failure("STEP_FAILED", text, {} if at is None else {"at": at}))
