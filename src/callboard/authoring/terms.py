"""On which terms a bot works: what its class says, and over it what the operator says in `[bots.NAME]`.

    terms = terms_of(Desk, shape_of(Desk), config.bots.get("desk"))
    terms.attempts, terms.settings

The operator's settings are checked here, against the `Settings` that the class declares: all that is wrong is
told at once, and a bot whose settings are wrong is not started. It would work on guesses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from callboard.authoring.bot import Bot, Settings, Shape
from callboard.botconfig import BotConfig
from callboard.errors import BotInvalid
from callboard.spelling import did_you_mean, shown
from callboard.units import seconds

NOTHING_SAID = BotConfig()


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """How one bot works."""

    description: str
    subscribes: tuple[str, ...]
    hears_itself: bool
    timeout: float
    """Seconds that a handler may take."""
    attempts: int
    on_error: Literal["pass", "block"]
    mailbox: int
    settings: Settings | None


def terms_of(cls: type[Bot], shape: Shape, said: BotConfig | None = None) -> Terms:
    """Put the operator's word over the class's; BotInvalid tells everything that is wrong with it."""
    said = said or NOTHING_SAID
    return Terms(
        description=_first(said.description, shape.description),
        subscribes=_first(said.subscribes, tuple(cls.subscribes)),
        hears_itself=_first(said.hears_itself, cls.hears_itself),
        timeout=_first(said.timeout, seconds(cls.timeout)),
        attempts=_first(said.attempts, cls.attempts),
        on_error=_first(said.on_error, cls.on_error),
        mailbox=_first(said.mailbox, cls.mailbox),
        settings=_settings(cls, shape, said.settings),
    )


def _first(said: Any, otherwise: Any) -> Any:  # noqa: ANN401 - one value of any field
    return otherwise if said is None else said


def _settings(cls: type[Bot], shape: Shape, given: Mapping[str, Any]) -> Settings | None:
    kind, place = shape.settings, f"bots.{shape.name}.settings"
    if kind is None:
        if given:
            raise BotInvalid(
                f"{place}: {cls.__qualname__} takes no settings; annotate it with its `settings`."
            )
        return None
    faults = list(_faults(kind, place, given))
    if not faults:
        try:
            return msgspec.convert(dict(given), kind)
        except msgspec.ValidationError as error:
            faults = [f"{place}: {error}"]  # what only the whole of it shows, such as a __post_init__
    raise BotInvalid("; ".join(faults) + ".", faults=faults)


def _faults(kind: type[Settings], place: str, given: Mapping[str, Any]) -> Iterator[str]:
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    for key, value in given.items():
        field = fields.get(key)
        if field is None:
            yield f"{place}.{key} is not a setting of {kind.__qualname__}{did_you_mean(key, fields)}"
            continue
        try:
            msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            yield f"{place}.{key} = {shown(value)}: {str(error)[:1].lower()}{str(error)[1:]}"
