"""The examples of config/workflows that start by themselves do so."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callboard.errors import Unauthenticated, WebhookClosed
from callboard.triggers.delivery import deliver
from tests.unit.triggers.house import House, house

FOLDER = Path(__file__).parents[3] / "config" / "workflows"


def example(name: str) -> str:
    return (FOLDER / f"{name}.yaml").read_text()


async def said(h: House, channel: str, count: int = 1) -> list[Any]:
    async def there() -> bool:
        return len(await h.stage.said(channel=channel)) >= count

    await h.until(there)
    return [one.message.body for one in await h.stage.said(channel=channel)]


async def test_a_week_begins_on_monday_morning(tmp_path: Path) -> None:
    async with house(tmp_path / "db", example("weekly-digest")) as h:
        await h.clock.sleep(4 * 86_400 + 9 * 3_600)
        first = (await said(h, "digests"))[0]
        assert first == {"since": "2026-01-05T08:00:00+00:00"}


async def test_what_comes_from_outside_is_sorted_on_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    body = b'{"kind": "claim", "claim": 7, "amount": 400}'
    async with house(tmp_path / "db", example("incoming"), example("sorting")) as h:
        with pytest.raises(WebhookClosed):
            await deliver(h.triggers, "incoming", {}, body)
        monkeypatch.setenv("INCOMING_SECRET", "a-long-secret")
        with pytest.raises(Unauthenticated):
            await deliver(h.triggers, "incoming", {}, body)
        let_in = {"authorization": "Bearer a-long-secret"}
        assert (await deliver(h.triggers, "incoming", let_in, b'{"kind": "news"}')).code == "CONDITION_FALSE"
        assert (await deliver(h.triggers, "incoming", let_in, body)).run is not None
        assert await said(h, "sorted") == [{"claim": 7, "size": "large"}]
