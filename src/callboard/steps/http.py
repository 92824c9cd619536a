"""Requests over HTTP: what is asked, and what an answer makes of the step.

    2xx, or what `expect` lists     the output: {status, headers, body}
    408, 425, 429, 5xx              tried again; not before `Retry-After`
    no connection, time-out         tried again
    any other status                failed for good, with a code such as HTTP_404

All attempts of a step carry one `Idempotency-Key`, so a server that knows such keys does once what is asked
twice. The body is decoded where its type says JSON, and is text otherwise. How it goes over the wire, and
where it may go, is in `client.py`.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import msgspec

from callboard.errors import AnswerUnreadable, BadInput
from callboard.facts import encode
from callboard.outcome import Done, Fail, Failure, Outcome, Retry
from callboard.planning import catalogue
from callboard.retry import asked_pause
from callboard.steps.exchange import Answer, Request
from callboard.steps.work import Work, hidden

OK, REDIRECT = 200, 300
LATER = frozenset({408, 425, 429})
"""Answers of the caller's fault that are none: the same again may succeed."""
BROKEN = 500
"""From here on it is the server's fault."""
TOLD = 500
"""So many characters of an unwelcome answer are kept."""

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_OURS = frozenset(
    {"accept-encoding", "connection", "content-length", "expect", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
"""Headers that say how the request goes over the wire."""
_JSON = re.compile(r"(application|text)/(json|[\w.-]+\+json)", re.ASCII)
_CHARSET = re.compile(r"(utf-?(8|16|32)|us-ascii|iso-8859-\d{1,2}|windows-125\d)", re.ASCII | re.IGNORECASE)


async def request(work: Work) -> Outcome:
    """Make a request."""
    given = work.read(catalogue.HttpRequest)

    def well(status: int) -> bool:
        return OK <= status < REDIRECT if given.expect is None else status in given.expect

    answer = await work.house.client().exchange(_asked(work, given), work.house.output_bytes, well)
    if well(answer.status):
        body = _body(given.method, answer)
        return Done({"status": answer.status, "headers": answer.headers, "body": body})
    text = hidden(_text(answer), work.secrets)
    details = {"status": answer.status, "body": text[:TOLD]}
    failure = Failure(f"HTTP_{answer.status}", f"{_place(given.url)} answered {answer.status}.", details)
    if answer.status in LATER or answer.status >= BROKEN:
        return Retry(failure, asked_pause(answer.headers.get("retry-after", ""), work.now))
    return Fail(failure)


def _asked(work: Work, given: catalogue.HttpRequest) -> Request:
    headers = {
        "User-Agent": "Callboard",
        "Idempotency-Key": work.attempt.key,
        "X-Correlation-Id": work.attempt.run,
    }
    body = None
    if "json" in work.value:  # null is a body too
        headers["Content-Type"], body = "application/json", encode(given.json).encode()
    elif given.body is not None:
        headers["Content-Type"], body = "text/plain; charset=utf-8", given.body.encode(errors="replace")
    for name, value in given.headers.items():
        if not _NAME.fullmatch(name) or name.lower() in _OURS:
            raise BadInput(f"with.headers: {name[:100]!r} is no header that a step may set.")
        if _CONTROL.search(value):
            raise BadInput(f"with.headers.{name}: a header is one line of text.")
    said = {name.lower() for name in given.headers}
    headers = {name: value for name, value in headers.items() if name.lower() not in said}
    return Request(given.method, given.url, {**headers, **given.headers, "Accept-Encoding": "identity"}, body)


def _place(url: str) -> str:
    """Return an address as errors may show it: the user, and what follows a ?, may be secrets."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def _body(method: str, answer: Answer) -> object:
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if not _JSON.fullmatch(kind):
        return _text(answer)
    if method == "HEAD" or not answer.body.strip():
        return None
    try:
        return msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AnswerUnreadable(f"The answer says that it is JSON, and cannot be read: {error}.") from None


def _text(answer: Answer) -> str:
    found = re.search(r"charset=\"?([\w-]+)", answer.headers.get("content-type", ""))
    charset = found[1] if found is not None and _CHARSET.fullmatch(found[1]) else "utf-8"
    try:
        return answer.body.decode(charset, errors="replace")
    except LookupError:
        return answer.body.decode(errors="replace")
