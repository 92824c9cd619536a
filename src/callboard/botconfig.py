"""The tables `[bots.NAME]` of `config/callboard.toml`: what an operator says about single bots.

    [bots.desk]
    attempts = 3

    [bots.desk.settings]
    shelf = "B"

    [bots.billing]
    kind = "webhook"
    url = "https://billing.example/callboard"

    [bots.triage]
    kind = "workflow"
    workflow = "claims-triage"

What stands here is stronger than what the bot's class says. The names of keys, their values and whether a key
means anything for the kind of bot are checked here; `settings` are checked against the bot's class when that
is loaded (`terms.py`), since only the class knows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

import msgspec

from callboard.errors import ConfigInvalid, KindUnavailable, NameInvalid
from callboard.messages import check_new_bot, check_pattern
from callboard.spelling import did_you_mean, shown
from callboard.units import seconds

Kind = Literal["python", "outside", "person", "webhook", "workflow"]
KINDS: tuple[str, ...] = get_args(Kind)
NOT_YET = frozenset({"llm"})
"""Kinds that are promised and not there: they are refused by name, never taken for another."""

_NO_HEADERS: Mapping[str, str] = MappingProxyType({})
_NO_SETTINGS: Mapping[str, Any] = MappingProxyType({})

OWN_HEADERS = frozenset(
    {
        "accept-encoding",
        "callboard-bot",
        "connection",
        "content-length",
        "content-type",
        "host",
        "idempotency-key",
        "transfer-encoding",
        "x-correlation-id",
        "x-hub-signature-256",
    }
)
"""What a webhook bot says itself, or its connection does; a setting of that name would break it."""

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_WORKFLOW = re.compile(r"[a-z0-9][a-z0-9-]*")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


class BotConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What is said of one bot; None is what its class or the default says."""

    kind: Kind | None = None
    description: str | None = None
    subscribes: tuple[str, ...] | None = None
    hears_itself: bool | None = None
    timeout: float | None = None
    attempts: int | None = None
    on_error: Literal["pass", "block"] | None = None
    mailbox: int | None = None
    settings: Mapping[str, Any] = _NO_SETTINGS
    url: str | None = None
    secret: str | None = None
    """The name of the environment variable that holds it."""
    headers: Mapping[str, str] = _NO_HEADERS
    workflow: str | None = None


def check_kind(kind: str) -> Kind:
    """Return a kind of bot that there is, or refuse it: KindUnavailable for one that is not there yet."""
    if kind in NOT_YET:
        raise KindUnavailable(
            f"Bots of kind {kind} are not there yet; there are {', '.join(KINDS)}.", kind=kind
        )
    if kind not in KINDS:
        raise KindUnavailable(
            f"{shown(kind)} is no kind of bot; there are {', '.join(KINDS)}"
            f"{did_you_mean(kind, KINDS) or '.'}",
            kind=kind,
        )
    return cast("Kind", kind)


# ── values ───────────────────────────────────────────────────────────────────────────────────────────────


def _kind(value: object) -> Kind:
    try:
        return check_kind(_text(value))
    except KindUnavailable as error:
        raise ValueError(error.message.rstrip(".")) from None


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("expected text")  # noqa: TRY004 - every fault of a value is a ValueError here
    return value


def _truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError("expected true or false")  # noqa: TRY004 - as above
    return value


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ValueError("expected a whole number, 1 or more")
    return value


def _duration(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError('expected text such as "30s"')  # noqa: TRY004 - as above
    found = seconds(value)
    if found <= 0:
        raise ValueError("no handler is done in no time")
    return found


def _on_error(value: object) -> str:
    if not isinstance(value, str) or value not in {"pass", "block"}:
        raise ValueError('expected "pass" or "block"')
    return value


def _patterns(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError('expected a list such as ["tickets.new"]')  # noqa: TRY004 - as above
    try:
        return tuple(check_pattern(_text(pattern)) for pattern in value)
    except NameInvalid as error:
        raise ValueError(error.message.rstrip(".")) from None


def _table(value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("expected a table: write it under a line of its own, such as [bots.desk.settings]")  # noqa: TRY004 - as above
    return MappingProxyType(value)


def _url(value: object) -> str:
    text = _text(value)
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"it is no address: {error}") from None
    plain = text.isascii() and text.isprintable() and " " not in text
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not plain:
        raise ValueError('expected an address such as "https://billing.example/callboard"')
    if "@" in parts.netloc:
        raise ValueError("a name and a password have no place in an address: give them as a header")
    if parts.fragment:
        raise ValueError("what follows a # is never sent: leave it out")
    return text


def _variable(value: object) -> str:
    text = _text(value)
    if _VARIABLE.fullmatch(text) is None:
        raise ValueError(
            "expected the NAME of the environment variable that holds it, such as BILLING_SECRET"
        )
    return text


def _headers(value: object) -> Mapping[str, str]:
    for name, said in _table(value).items():
        if _HEADER.fullmatch(name) is None:
            raise ValueError(f"{shown(name)} cannot be the name of a header")
        if name.lower() in OWN_HEADERS:
            raise ValueError(f"{name} is said by Callboard itself and cannot be set")
        if not isinstance(said, str) or not said.isascii() or (said and not said.isprintable()):
            raise ValueError(f"{name} needs text of printable ASCII characters")
    return _table(value)


def _workflow(value: object) -> str:
    text = _text(value)
    if _WORKFLOW.fullmatch(text) is None:
        raise ValueError("expected the name of a workflow, such as claims-triage")
    return text


_TALKING = frozenset({"description", "subscribes", "hears_itself"})
_HANDLING = frozenset({"timeout", "attempts", "on_error", "mailbox"})

FOR: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "python": _TALKING | _HANDLING | {"settings"},
        "webhook": _TALKING | _HANDLING | {"url", "secret", "headers"},
        "workflow": _TALKING | _HANDLING | {"workflow"},
        "outside": _TALKING,
        "person": _TALKING,
    }
)
"""Which keys mean something for which kind."""

READERS: Mapping[str, Callable[[object], Any]] = MappingProxyType(
    {
        "kind": _kind,
        "description": _text,
        "subscribes": _patterns,
        "hears_itself": _truth,
        "timeout": _duration,
        "attempts": _count,
        "on_error": _on_error,
        "mailbox": _count,
        "settings": _table,
        "url": _url,
        "secret": _variable,
        "headers": _headers,
        "workflow": _workflow,
    }
)


_UNSEEN = frozenset({"secret", "headers"})
"""What may hold a secret, by mistake or not, is not repeated in an error: that ends in a log."""


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────


def read_file(file: Path) -> dict[str, BotConfig]:
    """Return what a file says of single bots, and nothing else; ConfigInvalid tells all that is wrong."""
    import tomllib  # noqa: PLC0415 - the CLI starts faster without

    try:
        tables = tomllib.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as fault:
        raise ConfigInvalid(f"{file} cannot be read: {fault}.") from None
    faults: list[str] = []
    found = read(tables.get("bots", {}), lambda place, message: faults.append(f"{place} {message}"))
    if faults:
        raise ConfigInvalid(f"What {file} says of bots is wrong: {'; '.join(faults)}.", faults=faults)
    return found


def read(tables: object, wrong: Callable[[str, str], object]) -> dict[str, BotConfig]:
    """Return what `[bots.*]` says, by name; `wrong` is told the path and the fault of what is not right."""
    found: dict[str, BotConfig] = {}
    if not isinstance(tables, dict):
        wrong("bots", "must be tables: write [bots.NAME] on its own line")
        return found
    for name, table in tables.items():
        try:
            check_new_bot(name)
        except NameInvalid as error:
            wrong(f"bots.{name}", error.message.rstrip("."))
            continue
        if not isinstance(table, dict):
            wrong(f"bots.{name}", f"must be a table: write [bots.{name}] on its own line")
            continue
        values = dict(_values(name, table, wrong))
        _fits(name, table, values, wrong)
        found[name] = BotConfig(**values)
    return found


def _values(
    name: str, table: Mapping[str, object], wrong: Callable[[str, str], object]
) -> Iterator[tuple[str, Any]]:
    for key, value in table.items():
        place = f"bots.{name}.{key}"
        reader = READERS.get(key)
        if reader is None:
            dotted = f'; the name of a bot with a dot is written [bots."{name}.{key}"]'
            hint = did_you_mean(key, READERS) or (dotted if isinstance(value, dict) else "")
            wrong(place, f"is not a setting of a bot{hint}")
            continue
        try:
            yield key, reader(value)
        except ValueError as fault:
            wrong(place, str(fault) if key in _UNSEEN else f"{shown(value)}: {fault}")


def _fits(
    name: str,
    table: Mapping[str, object],
    values: Mapping[str, Any],
    wrong: Callable[[str, str], object],
) -> None:
    """Tell of what means nothing for this kind of bot, and of what it lacks."""
    if "kind" in table and "kind" not in values:
        return  # it is wrong, and was told so: what fits it nobody knows
    kind = values.get("kind", "python")
    for key in sorted(set(values) - FOR[kind] - {"kind"}):
        kinds = [other for other in KINDS if key in FOR[other]]
        said = "" if "kind" in values else ", which it is unless its kind says otherwise"
        wrong(
            f"bots.{name}.{key}",
            f"means nothing for a bot of kind {kind}{said}: it is for {', '.join(kinds)}",
        )
    if kind == "webhook" and "url" not in table:
        wrong(f"bots.{name}.url", "is missing: a webhook bot needs an address to post to")
    if kind == "workflow" and "workflow" not in table:
        wrong(f"bots.{name}.workflow", "is missing: say of which workflow a message to it starts a run")


EXAMPLE = """\
# What is said of single bots, in tables of their own; it is stronger than what a bot's class says.
# [bots.desk]
# How often a message is tried, how long one try may take, and whether others wait for it: pass or block.
# attempts = 3
# timeout = "30s"
# on_error = "block"
# Listens to these in place of what the class says.
# subscribes = ["tickets.new", "tickets.urgent.*"]

# What the class declares as its Settings.
# [bots.desk.settings]
# shelf = "B"

# Kinds other than python are declared here: outside, person, webhook, to which messages are posted, and
# workflow, where a message starts a run and what the run comes to is the reply.
# [bots.triage]
# kind = "workflow"
# workflow = "claims-triage"

# [bots.billing]
# kind = "webhook"
# description = "Writes invoices."
# url = "https://billing.example/callboard"
# The NAME of the environment variable that holds the key of the signature.
# secret = "BILLING_SECRET"
# headers = {Accept-Language = "en"}
"""
"""How such tables look, for the end of `config/callboard.toml`."""
