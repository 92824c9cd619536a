"""`callboard approvals`: what waits for people."""

from __future__ import annotations

import json

import msgspec
import pytest

from tests.unit.cli.conftest import say
from tests.unit.web import running
from tests.unit.web.running import APPROVAL

pytestmark = pytest.mark.usefixtures("running")


def test_what_waits_for_people_is_one_line_each_however_long_the_question(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    large = msgspec.structs.replace(APPROVAL, message="Pay all of this? " * 1_000)
    monkeypatch.setattr(running, "WAITING", [APPROVAL, large])
    code, out, _ = say(capsys, "approvals")
    short, long = out.splitlines()
    assert (code, short.split("\t")[1:]) == (0, ["claims/ask", "1 of ann", "Pay?"])
    assert long.endswith("… (17,000 characters: --json shows all)")
    assert len(long) < 400
    _, out, _ = say(capsys, "approvals", "--json")
    assert json.loads(out)["data"][1]["message"] == "Pay all of this? " * 1_000
