"""The operator's word over the class's."""

from __future__ import annotations

from typing import Literal

import pytest

from callboard.authoring.bot import Bot, Settings, shape_of
from callboard.authoring.terms import Terms, terms_of
from callboard.botconfig import BotConfig
from callboard.errors import BotInvalid


class Shelf(Settings):
    shelf: str = "A"
    most: int = 10


class Desk(Bot):
    """Takes tickets."""

    subscribes = ("tickets",)
    timeout = "5s"
    attempts = 9
    mailbox = 3
    settings: Shelf


class Strict(Settings):
    low: int = 1
    high: int = 2

    def __post_init__(self) -> None:
        if self.low > self.high:
            raise ValueError("low is above high")


class Plain(Bot):
    """Takes no settings."""


def terms(cls: type[Bot], **said: object) -> Terms:
    return terms_of(cls, shape_of(cls), BotConfig(**said))  # type: ignore[arg-type]


def test_what_the_class_says_holds_where_nobody_says_otherwise() -> None:
    assert terms_of(Desk, shape_of(Desk)) == Terms(
        description="Takes tickets.",
        subscribes=("tickets",),
        hears_itself=False,
        timeout=5.0,
        attempts=9,
        on_error="pass",
        mailbox=3,
        settings=Shelf(),
    )


def test_what_the_operator_says_is_stronger() -> None:
    block: Literal["block"] = "block"
    said = {
        "description": "Closed.",
        "subscribes": (),
        "hears_itself": True,
        "timeout": 0.5,
        "attempts": 1,
        "on_error": block,
        "mailbox": 1,
        "settings": {"shelf": "B"},
    }
    assert terms(Desk, **said) == Terms(**{**said, "settings": Shelf("B")})  # type: ignore[arg-type]


def test_all_wrong_settings_are_told_at_once_with_their_places() -> None:
    with pytest.raises(BotInvalid) as caught:
        terms(Desk, settings={"shlef": "B", "most": "many"})
    assert "bots.desk.settings.shlef is not a setting of Shelf; did you mean shelf?" in caught.value.message
    assert "bots.desk.settings.most = 'many': expected `int`" in caught.value.message


def test_a_bot_without_settings_is_given_none() -> None:
    assert terms(Plain).settings is None
    with pytest.raises(BotInvalid, match="Plain takes no settings"):
        terms(Plain, settings={"a": 1})


def test_a_class_may_check_its_settings_as_a_whole() -> None:
    class Careful(Bot):
        settings: Strict

    with pytest.raises(BotInvalid, match=r"bots\.careful\.settings: low is above high"):
        terms(Careful, settings={"low": 3})
