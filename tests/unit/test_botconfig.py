"""What an operator says of single bots: all that is wrong is told, with its place and what was meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard import config
from callboard.botconfig import BotConfig, check_kind
from callboard.errors import ConfigInvalid, KindUnavailable


def read(project: Path, text: str) -> dict[str, BotConfig]:
    (project / "config").mkdir(exist_ok=True)
    (project / config.FILE).write_text(text, "utf-8")
    return dict(config.load(project).bots)


def faults_of(project: Path, text: str) -> dict[str, str]:
    with pytest.raises(ConfigInvalid) as caught:
        read(project, text)
    faults = caught.value.details["faults"]
    assert {fault["source"] for fault in faults} == {str(project / config.FILE)}
    return {fault["field"]: fault["message"] for fault in faults}


def test_everything_that_can_be_said_of_a_python_bot_is_read(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        [bots.desk]
        kind = "python"
        description = "Takes tickets."
        subscribes = ["tickets.**", "lost"]
        hears_itself = true
        timeout = "250ms"
        attempts = 2
        on_error = "block"
        mailbox = 7
        [bots.desk.settings]
        shelf = "B"
        [bots."desk.night"]
        attempts = 1
        """,
    )
    assert found["desk"] == BotConfig(
        kind="python",
        description="Takes tickets.",
        subscribes=("tickets.**", "lost"),
        hears_itself=True,
        timeout=0.25,
        attempts=2,
        on_error="block",
        mailbox=7,
        settings={"shelf": "B"},
    )
    assert found["desk.night"] == BotConfig(attempts=1)


def test_a_webhook_has_an_address_a_secret_and_headers(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        """
        [bots.billing]
        kind = "webhook"
        url = "http://127.0.0.1:8080/in?token=x"
        secret = "BILLING_SECRET"
        headers = {Authorization = "Bearer abc"}
        """,
    )
    assert found["billing"].url == "http://127.0.0.1:8080/in?token=x"
    assert found["billing"].secret == "BILLING_SECRET"
    assert found["billing"].headers == {"Authorization": "Bearer abc"}


def test_all_that_is_wrong_is_told_at_once_with_its_place_and_what_was_meant(tmp_path: Path) -> None:
    told = faults_of(
        tmp_path,
        """
        [dor]
        [bots]
        loose = 1
        Desk = {}
        [bots.desk]
        atempts = 3
        attempts = 0
        timeout = 30
        mailbox = true
        on_error = "explode"
        subscribes = "tickets"
        hears_itself = "yes"
        url = "https://a.example"
        settings = 4
        [bots.desk.night]
        attempts = 1
        [bots.hook]
        kind = "webhook"
        settings = {a = 1}
        [bots.reader]
        kind = "outside"
        attempts = 3
        [bots.idle]
        kind = "workflow"
        [bots.triage]
        kind = "workflow"
        workflow = "Claims Triage"
        url = "https://billing.example/"
        """,
    )
    assert set(told) == {
        "dor",
        "bots.loose",
        "bots.Desk",
        *(f"bots.desk.{key}" for key in ("atempts", "attempts", "timeout", "mailbox", "on_error", "night")),
        *(f"bots.desk.{key}" for key in ("subscribes", "hears_itself", "url", "settings")),
        "bots.hook.settings",
        "bots.hook.url",
        "bots.reader.attempts",
        "bots.idle.workflow",
        "bots.triage.workflow",
        "bots.triage.url",
    }
    assert "did you mean attempts?" in told["bots.desk.atempts"]
    assert "1 or more" in told["bots.desk.attempts"]
    assert '"30s"' in told["bots.desk.timeout"]
    assert '[bots."desk.night"]' in told["bots.desk.night"]
    assert "it is for webhook" in told["bots.desk.url"]
    assert "is missing" in told["bots.hook.url"]
    assert "it is for python, webhook, workflow" in told["bots.reader.attempts"]
    assert "of which workflow" in told["bots.idle.workflow"]
    assert "expected the name of a workflow" in told["bots.triage.workflow"]


@pytest.mark.parametrize("kind", ["llm"])
def test_a_kind_that_is_not_there_yet_is_refused_by_name(tmp_path: Path, kind: str) -> None:
    told = faults_of(tmp_path, f'[bots.desk]\nkind = "{kind}"\nurl = "x"\n')
    assert "not there yet" in told["bots.desk.kind"]
    with pytest.raises(KindUnavailable, match="not there yet"):
        check_kind(kind)


def test_an_unknown_kind_is_told_what_was_meant(tmp_path: Path) -> None:
    assert "did you mean webhook?" in faults_of(tmp_path, '[bots.a]\nkind = "webhok"\n')["bots.a.kind"]


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("billing.example", "expected an address"),
        ("ftp://billing.example/", "expected an address"),
        ("http://", "expected an address"),
        ("http://[::1", "no address"),
        ("http://a.example:99999/", "no address"),
        ("http://a.example/a b", "expected an address"),
        ("https://me:pass@a.example/", "as a header"),
        ("https://a.example/#x", "never sent"),
    ],
)
def test_what_is_no_address_is_refused(tmp_path: Path, url: str, said: str) -> None:
    told = faults_of(tmp_path, f'[bots.a]\nkind = "webhook"\nurl = "{url}"\n')
    assert said in told["bots.a.url"]


def test_what_may_be_a_secret_is_not_repeated(tmp_path: Path) -> None:
    told = faults_of(
        tmp_path,
        """
        [bots.a]
        kind = "webhook"
        url = "https://a.example/"
        secret = "hunter-2"
        headers = {Token = "hunter-2\\u0000"}
        """,
    )
    assert "NAME of the environment variable" in told["bots.a.secret"]
    assert "Token" in told["bots.a.headers"]
    assert "hunter" not in str(told)


@pytest.mark.parametrize("name", ["Host", "idempotency-key", "X-Hub-Signature-256", "a b", "Content-Length"])
def test_a_header_that_would_break_the_request_is_refused(tmp_path: Path, name: str) -> None:
    told = faults_of(
        tmp_path, f'[bots.a]\nkind = "webhook"\nurl = "https://a.example"\nheaders = {{"{name}" = "x"}}\n'
    )
    assert name in told["bots.a.headers"]


def test_tables_of_bots_that_are_none_are_refused(tmp_path: Path) -> None:
    assert "must be tables" in faults_of(tmp_path, "bots = 3")["bots"]
    assert "did you mean bots?" in faults_of(tmp_path, "[bot.desk]")["bot"]
