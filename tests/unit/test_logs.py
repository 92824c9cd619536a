"""Log lines: one shape for all, nothing secret, nothing forged, and never a line lost."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from callboard import logs
from callboard.ids import SystemIds

log = logs.get_logger("callboard.test")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Return where log lines go during a test, and put everything back after it."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level, secrets = list(root.handlers), root.level, dict(logs._secrets)
    logs.configure("info", "json", stream)
    yield stream
    root.handlers[:] = handlers
    root.setLevel(level)
    logs._secrets.clear()
    logs._secrets.update(secrets)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def read(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_one_json_object(lines: io.StringIO) -> None:
    log.info("handled", message_id="m1", attempt=2)
    (line,) = read(lines)
    assert list(line)[:3] == ["timestamp", "level", "event"]
    assert (line["event"], line["message_id"], line["attempt"]) == ("handled", "m1", 2)


def test_context_is_on_every_line_inside_and_gone_after(lines: io.StringIO) -> None:
    with logs.context(correlation_id="c1", bot="clerk", run_id=None):
        with logs.context(bot="chief"):
            log.info("inner")
        log.info("outer")
        assert logs.correlation_id() == "c1"
    log.info("after")
    inner, outer, after = read(lines)
    assert (inner["correlation_id"], inner["bot"], outer["bot"]) == ("c1", "chief", "clerk")
    assert "run_id" not in inner
    assert "bot" not in after
    assert logs.correlation_id() is None


async def test_an_attempt_is_on_every_line_of_its_task_and_on_no_other(lines: io.StringIO) -> None:
    async def attempt() -> None:
        logs.begin_attempt("r1", "sums", "add", 2)
        log.info("inner")
        await asyncio.to_thread(log.info, "thread", attempt=7)

    await asyncio.create_task(attempt())
    log.info("after")
    inner, thread, after = read(lines)
    assert (inner["run_id"], inner["workflow"], inner["step_id"], inner["attempt"]) == (
        "r1",
        "sums",
        "add",
        2,
    )
    assert (thread["run_id"], thread["attempt"]) == ("r1", 7)
    assert "run_id" not in after


async def test_context_of_one_task_does_not_reach_another(lines: io.StringIO) -> None:
    inside = asyncio.Event()

    async def one() -> None:
        with logs.context(bot="one"):
            inside.set()
            await asyncio.sleep(0)
            log.info("one")

    async def other() -> None:
        await inside.wait()
        log.info("other")

    await asyncio.gather(one(), other())
    assert {line["event"]: line.get("bot") for line in read(lines)} == {"one": "one", "other": None}


def test_lines_of_libraries_and_warnings_go_the_same_way(lines: io.StringIO) -> None:
    with logs.context(correlation_id="c1"):
        logging.getLogger("uvicorn.error").error("it %s", "broke")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("careful", stacklevel=1)
    broke, careful = read(lines)
    assert (broke["event"], broke["logger"], broke["correlation_id"]) == ("it broke", "uvicorn.error", "c1")
    assert (careful["logger"], careful["level"]) == ("py.warnings", "warning")


def test_what_is_below_the_level_is_not_written(lines: io.StringIO) -> None:
    log.debug("quiet")
    logging.getLogger("asyncio").debug("quiet")
    assert not lines.getvalue()
    logs.configure("debug", "json", lines)
    log.debug("loud")
    logging.getLogger("aiosqlite").debug("chatter")
    assert [line["event"] for line in read(lines)] == ["loud"]


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_a_secret_is_in_no_line_whatever_way_it_takes(lines: io.StringIO, style: str) -> None:
    """Event, field, nested value, foreign line and traceback: the key must be in none of them."""
    logs.configure("info", style, lines)
    secret = 'k3y-"quoted"-k3y'
    logs.keep_secret(secret)
    log.info("with %s", secret, field=secret, nested={"deep": [secret]})
    logging.getLogger("uvicorn.error").warning("Authorization: Bearer %s", secret)
    log.error("failed", exc_info=RuntimeError(secret))
    text = lines.getvalue()
    assert logs.MASK in text
    assert "k3y" not in text


def test_an_exception_is_text_in_json(lines: io.StringIO) -> None:
    try:
        int("broken")
    except ValueError:
        log.exception("failed")
    (line,) = read(lines)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("base 10: 'broken'")


@pytest.mark.parametrize("style", ["json", "pretty"])
def test_text_from_outside_cannot_forge_a_line_or_reach_the_terminal(lines: io.StringIO, style: str) -> None:
    logs.configure("info", style, lines)
    log.info("a\nforged", path="\x1b[31m\r\nforged\u2028forged")
    assert len(lines.getvalue().split("\n")) == 2
    assert "\x1b" not in lines.getvalue()


class Unwritable:
    def __repr__(self) -> str:
        raise RuntimeError("no")


@pytest.mark.parametrize("style", ["json", "pretty"])
@pytest.mark.parametrize(
    "value", ["\ud800", Unwritable(), {1, "a"}, {(1, 2): 3}, object(), b"\xff", float("nan")]
)
def test_a_value_that_json_cannot_hold_costs_its_spelling_not_the_line(
    lines: io.StringIO, value: object, style: str
) -> None:
    logs.configure("info", style, lines)
    logging.getLogger().handlers[:-1] = []  # pytest's own would ask such a value for its text
    log.info("still there", value=value)
    (line,) = lines.getvalue().splitlines()
    assert "still there" in line
    assert style == "pretty" or json.loads(line)["event"] == "still there"


def test_auto_means_json_where_nobody_looks(lines: io.StringIO) -> None:
    logs.configure("info", "auto", lines)
    log.info("x")
    assert read(lines)[0]["event"] == "x"


@pytest.mark.parametrize("offered", ["a", "A-1._x", "x" * 64])
def test_a_usable_correlation_id_is_kept(offered: str) -> None:
    assert logs.accept_correlation_id(offered, SystemIds()) == offered


@pytest.mark.parametrize("offered", [None, "", "a b", "a\r\nX: y", "x" * 65, "é", "a\n"])
def test_any_other_is_replaced(offered: str | None) -> None:
    fresh = logs.accept_correlation_id(offered, SystemIds())
    assert fresh != offered
    assert logs.CORRELATION_ID.fullmatch(fresh)
