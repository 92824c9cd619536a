"""Every error that Callboard raises, drawn as one tree.

CallboardError                      INTERNAL
├── BadInput                        BAD_INPUT               the caller must send something else
│   ├── ConfigInvalid               CONFIG_INVALID
│   ├── RequestInvalid              REQUEST_INVALID
│   │   └── BodyTooLarge            BODY_TOO_LARGE
│   ├── Unencodable                 UNENCODABLE
│   ├── TurnTooLarge                TURN_TOO_LARGE
│   ├── NameInvalid                 NAME_INVALID
│   ├── BodyInvalid                 BODY_INVALID
│   ├── MessageTooLarge             MESSAGE_TOO_LARGE
│   ├── KindUnavailable             KIND_UNAVAILABLE
│   ├── BotInvalid                  BOT_INVALID
│   ├── WorkflowInvalid             WORKFLOW_INVALID
│   ├── WorkflowInactive            WORKFLOW_INACTIVE
│   ├── TemplateInvalid             TEMPLATE_INVALID
│   ├── TemplateAnswers             TEMPLATE_ANSWERS
│   ├── ActionInvalid               ACTION_INVALID
│   ├── TurnSealed                  TURN_SEALED
│   ├── PositionUnknown             POSITION_UNKNOWN
│   ├── BackupInvalid               BACKUP_INVALID
│   ├── ExpressionInvalid           EXPRESSION_INVALID
│   └── ExpressionFailed            EXPRESSION_FAILED
├── Denied                          DENIED                  who asks may not
│   └── Unauthenticated             UNAUTHENTICATED
├── NotFound                        NOT_FOUND
│   ├── StreamNotFound              STREAM_NOT_FOUND
│   ├── RecipientUnknown            RECIPIENT_UNKNOWN
│   └── VerbNotAllowed              VERB_NOT_ALLOWED
├── Conflict                        CONFLICT                the state is not what the caller thought
│   ├── ConcurrencyConflict         CONCURRENCY_CONFLICT
│   ├── ConstraintViolated          CONSTRAINT_VIOLATED
│   ├── AlreadyExists               ALREADY_EXISTS
│   ├── ChannelInUse                CHANNEL_IN_USE
│   ├── KeyReused                   KEY_REUSED
│   ├── ReaderConflict              READER_CONFLICT
│   ├── NotServed                   NOT_SERVED
│   ├── WrongState                  WRONG_STATE
│   ├── ConcurrencyLimit            CONCURRENCY_LIMIT
│   ├── AskCycle                    ASK_CYCLE
│   ├── HopLimitReached             HOP_LIMIT
│   └── AskChanged                  ASK_CHANGED
├── Unavailable                     UNAVAILABLE             not now; nothing was done
│   ├── StoreUnavailable            STORE_UNAVAILABLE
│   │   ├── DiskFull                DISK_FULL
│   │   ├── StoreReadOnly           STORE_READ_ONLY
│   │   ├── StoreLocked             STORE_LOCKED
│   │   └── StoreCorrupt            STORE_CORRUPT
│   ├── ShuttingDown                SHUTTING_DOWN
│   ├── Overloaded                  OVERLOADED
│   ├── RateLimited                 RATE_LIMITED
│   ├── WebhookClosed               WEBHOOK_CLOSED
│   └── ServerUnreachable           SERVER_UNREACHABLE
├── OutcomeUnknown                  OUTCOME_UNKNOWN         it may have happened; look before you repeat it
├── FactUnreadable                  FACT_UNREADABLE         the log holds what this version cannot read
├── VersionAltered                  VERSION_ALTERED         a version's text is not what was published
├── ActorError                      ACTOR_ERROR             one actor did not answer
│   ├── ActorStopped                ACTOR_STOPPED
│   ├── MailboxFull                 MAILBOX_FULL
│   ├── AskTimeout                  ASK_TIMEOUT
│   ├── HandlerTimeout              HANDLER_TIMEOUT
│   ├── WebhookFailed               WEBHOOK_FAILED
│   │   └── WebhookRefused          WEBHOOK_REFUSED
│   └── RunRefused                  RUN_REFUSED
├── HttpFailed                      HTTP_FAILED             a request of a step came to nothing
│   ├── TargetDenied                TARGET_DENIED
│   ├── RedirectRefused             REDIRECT_REFUSED
│   ├── AnswerTooLarge              OUTPUT_TOO_LARGE
│   ├── AnswerUnreadable            ANSWER_UNREADABLE
│   └── Unreachable                 CONNECTION_FAILED
└── StartRefused                    START_REFUSED           the server does not start like this
    ├── DataFolderLocked            DATA_FOLDER_LOCKED
    ├── SchemaTooNew                SCHEMA_TOO_NEW
    └── AddressInUse                ADDRESS_IN_USE

A code is stable: scripts and other languages compare it. The message is one sentence that says what happened
and what to do. `retryable` says whether the same call may succeed later unchanged; `status` is what HTTP
answers. What is not in this tree reaches users as INTERNAL with a correlation id; its trace goes to the log.
"""

from __future__ import annotations

from typing import Any, ClassVar


class CallboardError(Exception):
    """The root: a fault with a stable code and a sentence that a person can act on."""

    code: ClassVar[str] = "INTERNAL"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle with the details, which `Exception` alone would drop."""
        return _rebuild, (type(self), self.message, self.details)


def _rebuild(kind: type[CallboardError], message: str, details: dict[str, Any]) -> CallboardError:
    error = kind.__new__(kind)
    CallboardError.__init__(error, message, **details)
    return error


# ── the caller must send something else ──────────────────────────────────────────────────────────────────


class BadInput(CallboardError):
    """What was sent cannot be accepted; sending it again will not help."""

    code = "BAD_INPUT"
    status = 400


class ConfigInvalid(BadInput):
    """The configuration names something unknown or holds a value that cannot be."""

    code = "CONFIG_INVALID"


class RequestInvalid(BadInput):
    """A request's path, query or body is not of the shape that the route declares."""

    code = "REQUEST_INVALID"


class BodyTooLarge(RequestInvalid):
    """A request's body holds more bytes than the door takes."""

    code = "BODY_TOO_LARGE"
    status = 413


class Unencodable(BadInput):
    """A value that JSON cannot hold faithfully was handed in to be stored."""

    code = "UNENCODABLE"


class TurnTooLarge(BadInput):
    """One turn holds more facts or bytes than a turn may."""

    code = "TURN_TOO_LARGE"
    status = 413


class NameInvalid(BadInput):
    """A name of a bot, a channel or a type of message is not one, or a pattern is not."""

    code = "NAME_INVALID"


class BodyInvalid(BadInput):
    """The body of a message is not of the shape that its handler takes."""

    code = "BODY_INVALID"


class MessageTooLarge(BadInput):
    """The body of a message holds more bytes than a message may."""

    code = "MESSAGE_TOO_LARGE"
    status = 413


class KindUnavailable(BadInput):
    """A kind of bot that this version of Callboard does not have."""

    code = "KIND_UNAVAILABLE"


class BotInvalid(BadInput):
    """A bot's class, file or settings cannot be: the message says where and why."""

    code = "BOT_INVALID"


class WorkflowInvalid(BadInput):
    """A workflow file has errors; `details["faults"]` has each of them, with its place."""

    code = "WORKFLOW_INVALID"
    status = 422


class WorkflowInactive(BadInput):
    """No run of the workflow starts: it is a draft, or it is archived."""

    code = "WORKFLOW_INACTIVE"


class TemplateInvalid(BadInput):
    """A template file has errors; `details["faults"]` has each of them, with its place."""

    code = "TEMPLATE_INVALID"
    status = 422


class TemplateAnswers(BadInput):
    """What is to be filled into a template does not fit it; `details["faults"]` has each fault."""

    code = "TEMPLATE_ANSWERS"
    status = 422


class ActionInvalid(BadInput):
    """A function cannot be an action: the message says where and why."""

    code = "ACTION_INVALID"


class TurnSealed(BadInput):
    """A handler goes on after its turn was over: nothing that it says now can be part of it."""

    code = "TURN_SEALED"


class PositionUnknown(BadInput):
    """A cursor of another log, or one past the head: answering "nothing new" would be a lie."""

    code = "POSITION_UNKNOWN"


class BackupInvalid(BadInput):
    """A file that was to be restored, or was just backed up, did not pass its check."""

    code = "BACKUP_INVALID"


class ExpressionInvalid(BadInput):
    """A template or a condition cannot be parsed, or uses what the language does not have."""

    code = "EXPRESSION_INVALID"

    @property
    def line(self) -> int | None:
        """The line of the text, from 1, where it is known."""
        return self.details.get("line")

    @property
    def column(self) -> int | None:
        """The column, from 1, where it is known; Jinja's parser does not tell it."""
        return self.details.get("column")


class ExpressionFailed(BadInput):
    """A template cannot be evaluated with the values at hand, or within its limits."""

    code = "EXPRESSION_FAILED"
    status = 422


# ── who asks may not ─────────────────────────────────────────────────────────────────────────────────────


class Denied(CallboardError):
    """The principal is known and may not do this."""

    code = "DENIED"
    status = 403


class Unauthenticated(Denied):
    """No key, or not the right one."""

    code = "UNAUTHENTICATED"
    status = 401


# ── it is not there ──────────────────────────────────────────────────────────────────────────────────────


class NotFound(CallboardError):
    """Nothing has this name or id, here and for this tenant."""

    code = "NOT_FOUND"
    status = 404


class StreamNotFound(NotFound):
    """No event was ever appended to this stream."""

    code = "STREAM_NOT_FOUND"


class RecipientUnknown(NotFound):
    """No bot of this name was ever declared, so nobody would ever read the message."""

    code = "RECIPIENT_UNKNOWN"


class VerbNotAllowed(NotFound):
    """The path is there, but not for this HTTP verb."""

    code = "VERB_NOT_ALLOWED"
    status = 405


# ── the state is not what the caller thought ─────────────────────────────────────────────────────────────


class Conflict(CallboardError):
    """The request was sound, but the state has moved on."""

    code = "CONFLICT"
    status = 409


class ConcurrencyConflict(Conflict):
    """A stream is not at the version that the writer expected: somebody else appended first."""

    code = "CONCURRENCY_CONFLICT"
    retryable = True

    def __init__(self, stream: str, expected: int, actual: int) -> None:
        super().__init__(
            f"Stream {stream} is at version {actual}, not {expected}: read it again and decide anew.",
            stream=stream,
            expected=expected,
            actual=actual,
        )
        self.stream = stream
        self.expected = expected
        self.actual = actual

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.stream, self.expected, self.actual)


class ConstraintViolated(Conflict):
    """The store refused a row: something it refers to is missing, or it is there already."""

    code = "CONSTRAINT_VIOLATED"


class AlreadyExists(Conflict):
    """What was to be made is there already, and will not be overwritten."""

    code = "ALREADY_EXISTS"


class ChannelInUse(Conflict):
    """The channel still has subscribers, so it is not deleted unless forced."""

    code = "CHANNEL_IN_USE"


class KeyReused(Conflict):
    """An idempotency key was used before, for something else."""

    code = "KEY_REUSED"


class ConcurrencyLimit(Conflict):
    """As many runs with this concurrency key go on as its workflow allows."""

    code = "CONCURRENCY_LIMIT"
    retryable = True


class ReaderConflict(Conflict):
    """Another reader has this inbox; two that do not know of each other would each see half."""

    code = "READER_CONFLICT"


class NotServed(Conflict):
    """What is to be acknowledged was never served, so nobody can have handled it."""

    code = "NOT_SERVED"


class WrongState(Conflict):
    """What is wanted of a run cannot be done in the state in which it is."""

    code = "WRONG_STATE"


class AskCycle(Conflict):
    """The bot that was asked waits itself for an answer that hangs on this one."""

    code = "ASK_CYCLE"


class HopLimitReached(Conflict):
    """So many messages followed one from another that no question and its answer may follow."""

    code = "HOP_LIMIT"


class AskChanged(Conflict):
    """On its retry a handler asked something else than before, so the recorded answer does not fit."""

    code = "ASK_CHANGED"


# ── not now; nothing was done ────────────────────────────────────────────────────────────────────────────


class Unavailable(CallboardError):
    """Something that is needed is out of reach for now; the same call may succeed later."""

    code = "UNAVAILABLE"
    status = 503
    retryable = True


class StoreUnavailable(Unavailable):
    """The store cannot write or read now; readiness is false until it can."""

    code = "STORE_UNAVAILABLE"


class DiskFull(StoreUnavailable):
    """No room on the disk; work goes on when there is."""

    code = "DISK_FULL"


class StoreReadOnly(StoreUnavailable):
    """The database file or its folder cannot be written to."""

    code = "STORE_READ_ONLY"


class StoreLocked(StoreUnavailable):
    """Another process holds the database's write lock."""

    code = "STORE_LOCKED"


class StoreCorrupt(StoreUnavailable):
    """The database file is damaged, or the disk did not read it: `callboard doctor --full` tells which."""

    code = "STORE_CORRUPT"
    retryable = False


class ShuttingDown(Unavailable):
    """The server is closing and takes no new work."""

    code = "SHUTTING_DOWN"


class Overloaded(Unavailable):
    """A bounded queue stayed full for as long as the caller could wait."""

    code = "OVERLOADED"


class RateLimited(Unavailable):
    """One sender said more to one recipient than the settings allow in this time."""

    code = "RATE_LIMITED"
    status = 429


class WebhookClosed(Unavailable):
    """The secret of a webhook is not set on this server, so nobody is let in."""

    code = "WEBHOOK_CLOSED"
    retryable = False


class ServerUnreachable(Unavailable):
    """No Callboard answers where it should be running."""

    code = "SERVER_UNREACHABLE"


# ── neither yes nor no ───────────────────────────────────────────────────────────────────────────────────


class OutcomeUnknown(CallboardError):
    """A commit failed in a way that leaves open whether it took place, and the server ended before it knew.

    Not retryable: the same turn handed in again could happen twice. The next start settles what is true.
    """

    code = "OUTCOME_UNKNOWN"
    status = 503


class FactUnreadable(CallboardError):
    """A stored fact is of a type or revision that this version of Callboard does not know."""

    code = "FACT_UNREADABLE"


class VersionAltered(CallboardError):
    """The text of a version does not have the checksum under which it was published."""

    code = "VERSION_ALTERED"


class MemoryUnreadable(CallboardError):
    """A bot's memory does not decode; it is kept as it is, and the bot set aside until its code reads it."""

    code = "MEMORY_UNREADABLE"


# ── one actor did not answer ─────────────────────────────────────────────────────────────────────────────


class ActorError(CallboardError):
    """One actor did not do what it was asked; the others go on."""

    code = "ACTOR_ERROR"
    status = 503
    retryable = True


class ActorStopped(ActorError):
    """The actor ended before it handled the message."""

    code = "ACTOR_STOPPED"


class MailboxFull(ActorError):
    """The actor's inbox holds as many messages as it may."""

    code = "MAILBOX_FULL"


class AskTimeout(ActorError):
    """No answer came within the asker's time-out; the message may still be handled."""

    code = "ASK_TIMEOUT"
    status = 504


class HandlerTimeout(ActorError):
    """A handler took longer than it may; its delivery has failed."""

    code = "HANDLER_TIMEOUT"
    status = 504


class WebhookFailed(ActorError):
    """The server behind a webhook bot did not take a message."""

    code = "WEBHOOK_FAILED"
    status = 502

    @property
    def retry_after(self) -> float:
        """Seconds for which the server asked to be left alone."""
        return float(self.details.get("retry_after", 0.0))


class WebhookRefused(WebhookFailed):
    """The server behind a webhook bot refused a message; to send it again would not help."""

    code = "WEBHOOK_REFUSED"
    retryable = False


class RunRefused(ActorError):
    """A message to a workflow bot starts no run; to send it again would not help."""

    code = "RUN_REFUSED"
    retryable = False


# ── a request of a step ──────────────────────────────────────────────────────────────────────────────────


class HttpFailed(CallboardError):
    """A request that a step made came to nothing."""

    code = "HTTP_FAILED"
    status = 502


class TargetDenied(HttpFailed):
    """Workflows may not go there: the address is a private one, or its certificate is not valid."""

    code = "TARGET_DENIED"
    status = 403


class RedirectRefused(HttpFailed):
    """A redirect led where a request is not sent on to."""

    code = "REDIRECT_REFUSED"


class AnswerTooLarge(HttpFailed):
    """An answer is larger than the output of a step may be."""

    code = "OUTPUT_TOO_LARGE"


class AnswerUnreadable(HttpFailed):
    """An answer is not what it says it is."""

    code = "ANSWER_UNREADABLE"


class Unreachable(HttpFailed):
    """There is no connection, or it broke."""

    code = "CONNECTION_FAILED"
    retryable = True


# ── the server does not start like this ──────────────────────────────────────────────────────────────────


class StartRefused(CallboardError):
    """Starting would be wrong or impossible; nothing was changed."""

    code = "START_REFUSED"


class DataFolderLocked(StartRefused):
    """Another server owns the data folder."""

    code = "DATA_FOLDER_LOCKED"


class SchemaTooNew(StartRefused):
    """The database was written by a newer Callboard; it was left untouched."""

    code = "SCHEMA_TOO_NEW"


class AddressInUse(StartRefused):
    """Another program listens on the door's address."""

    code = "ADDRESS_IN_USE"
