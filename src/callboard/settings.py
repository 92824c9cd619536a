"""The settings that there are: a struct for each table of `config/callboard.toml`, a field for each setting.

A field carries a line for people, the unit in which it is written and its bounds; its default is what holds
where nobody says otherwise. Where settings come from, and how they are read, is in `config.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal, NamedTuple

import msgspec

from callboard.units import DURATION, FOR_EVER, SIZE, Unit

LogLevel = Literal["debug", "info", "warning", "error"]
LogFormat = Literal["auto", "pretty", "json"]


class Setting(NamedTuple):
    """What a field says of itself: one line for people, its unit, and a check beyond bounds."""

    line: str
    unit: Unit | None = None
    check: Callable[[Any], str | None] = lambda _value: None


Positive = msgspec.Meta(ge=1)
Count = Literal["all"] | Annotated[int, msgspec.Meta(ge=0)]


def is_loopback(host: str) -> bool:
    """Whether a host, as written, can only be reached from this machine."""
    import ipaddress  # noqa: PLC0415 - the CLI starts faster without

    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _loopback_only(host: str) -> str | None:
    if is_loopback(host):
        return None
    return "must be a loopback address (127.0.0.1, ::1 or localhost) until Callboard can tell who is asking"


def _some_time(value: float | None) -> str | None:
    return "must be longer than no time" if value is not None and value <= 0 else None


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of the file."""


class Data(Section, frozen=True, kw_only=True):
    """Where everything that must outlive the process is kept."""

    folder: Annotated[
        str,
        msgspec.Meta(min_length=1),
        Setting("Folder of the database, the lock and the key; relative to the project folder."),
    ] = "data"


class Door(Section, frozen=True, kw_only=True):
    """The HTTP server."""

    host: Annotated[
        str,
        Setting("Address to listen on; loopback only, until identities exist.", check=_loopback_only),
    ] = "127.0.0.1"
    port: Annotated[
        int, msgspec.Meta(ge=0, le=65535), Setting("Port to listen on; 0 takes any that is free.")
    ] = 7331
    streams: Annotated[int, msgspec.Meta(ge=1), Setting("Streams of events that may be open at once.")] = 200


class Journal(Section, frozen=True, kw_only=True):
    """The one writer."""

    queue: Annotated[int, Positive, Setting("Turns that may wait for the disk; past it callers wait.")] = (
        10_000
    )
    batch: Annotated[int, Positive, Setting("Turns that one transaction may hold.")] = 1_000


class Log(Section, frozen=True, kw_only=True):
    """What is written to standard error."""

    level: Annotated[LogLevel, Setting("The least that is written: debug, info, warning or error.")] = "info"
    format: Annotated[
        LogFormat, Setting("pretty, json, or auto: pretty on a terminal and JSON lines elsewhere.")
    ] = "auto"


class Shutdown(Section, frozen=True, kw_only=True):
    """The orderly end."""

    grace: Annotated[float, Setting("How long work in flight may take to end after SIGTERM.", DURATION)] = (
        10.0
    )


class Retention(Section, frozen=True, kw_only=True):
    """How much is kept of what nobody has still to handle. The server looks once an hour."""

    messages_for: Annotated[float | None, Setting("How long messages are kept.", FOR_EVER)] = None
    messages_kept: Annotated[Count, Setting("How many of the newest messages are kept.")] = "all"
    ended_for: Annotated[float | None, Setting("How long ended runs are kept, whole.", FOR_EVER)] = None
    ended_kept: Annotated[Count, Setting("How many of the runs that ended last are kept.")] = "all"
    absent_after: Annotated[
        float | None,
        Setting(
            "How long a message waits for a bot that is absent or behind; then it is a dead letter.",
            FOR_EVER,
            check=_some_time,
        ),
    ] = 30 * 86_400.0


class Workflows(Section, frozen=True, kw_only=True):
    """The files of config/workflows, and the runs of what was published."""

    auto_publish: Annotated[
        bool,
        Setting("Whether files that changed are published at start and by a reload, config/templates too."),
    ] = True
    attempts_in_flight: Annotated[int, Positive, Setting("Attempts at once, of all runs together.")] = 100
    http_private: Annotated[
        bool, Setting("Whether http.request may reach private addresses, such as this machine's own.")
    ] = False
    shell: Annotated[bool, Setting("Whether shell.run may run programs, with all rights of the server.")] = (
        False
    )


class Limits(Section, frozen=True, kw_only=True):
    """Bounds; past each there is a clear error."""

    turn_facts: Annotated[int, Positive, Setting("Facts that one turn may hold.")] = 1_000
    turn_bytes: Annotated[int, Positive, Setting("Bytes that the facts of one turn may hold.", SIZE)] = (
        8 << 20
    )
    message_bytes: Annotated[int, Positive, Setting("Bytes that the body of one message may hold.", SIZE)] = (
        256 << 10
    )
    pair_rate: Annotated[
        int, msgspec.Meta(ge=0), Setting("Messages a minute from one sender to one recipient; 0 is no limit.")
    ] = 0
    body_bytes: Annotated[
        int, Positive, Setting("Bytes that the body of one HTTP request may hold.", SIZE)
    ] = 1 << 20


SECTIONS: Mapping[str, type[Section]] = MappingProxyType(
    {
        "data": Data,
        "door": Door,
        "journal": Journal,
        "log": Log,
        "shutdown": Shutdown,
        "retention": Retention,
        "workflows": Workflows,
        "limits": Limits,
    }
)
