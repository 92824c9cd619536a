"""Whatever people do to a workflow, in any order: what they see is what was done, and can be made anew."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callboard.errors import CallboardError, Conflict, NotFound, WorkflowInactive, WrongState
from callboard.ids import PrincipalId
from callboard.planning.catalogue import catalogue
from callboard.publish.drafting import Drafts
from callboard.publish.publisher import Publisher
from tests.proof import scaled
from tests.unit.company.stage import stage

ANN = PrincipalId("ann")
NUMBERS = st.integers(0, 4)
DEEDS = st.one_of(
    st.tuples(st.just("publish"), NUMBERS, st.booleans()),
    st.tuples(st.just("file"), NUMBERS),
    st.tuples(st.just("save"), NUMBERS, st.booleans()),
    st.tuples(st.just("draft"), st.booleans()),
    st.tuples(st.just("drop")),
    st.tuples(st.just("delete")),
    st.tuples(st.just("activate"), st.integers(1, 6)),
    st.tuples(st.just("archive")),
    st.tuples(st.just("reactivate"), st.none() | st.integers(1, 6)),
)


def text(number: int) -> str:
    return f"name: w\ndescription: number {number}\nsteps: [{{id: a, uses: core.echo}}]\n"


class Model:
    """One workflow, as a person would keep a list of it."""

    def __init__(self) -> None:
        self.versions: list[int] = []
        """The content of each."""
        self.active = 0
        self.archived = False
        self.draft: int | None = None
        self.filed = 0

    @property
    def status(self) -> str | None:
        if self.active:
            return "archived" if self.archived else "active"
        return "draft" if self.versions or self.draft is not None else None

    def publish(self, content: int, *, activate: bool) -> int:
        if activate and self.archived:
            raise WrongState("")
        if content not in self.versions:
            self.versions.append(content)
        number = self.versions.index(content) + 1
        self.active = number if activate else self.active
        return number

    def do(self, deed: str, *given: Any) -> None:  # noqa: C901, PLR0912 - one line for each deed
        match deed, given:
            case "publish", (content, activate):
                self.publish(content, activate=activate)
            case "file", (content,):
                if not (self.filed and self.versions[self.filed - 1] == content):
                    self.filed = self.publish(content, activate=not self.archived)
            case "save", (content, aware):
                if not aware and self.draft is not None:
                    raise Conflict("")
                self.draft = content
            case "draft", (activate,):
                if self.draft is None:
                    raise NotFound("")
                self.publish(self.draft, activate=activate)
                self.draft = None
            case "drop", ():
                if self.draft is None:
                    raise NotFound("")
                self.draft = None
            case "delete", ():
                if self.status is None:
                    raise NotFound("")
                if self.versions:
                    raise WrongState("")
                self.draft = None
            case "activate", (number,):
                if number > len(self.versions):
                    raise NotFound("")
                if self.archived:
                    raise WrongState("")
                self.active = number
            case "archive", ():
                if self.status is None:
                    raise NotFound("")
                if self.status != "active":
                    raise WrongState("")
                self.archived = True
            case "reactivate", (number,):
                if self.status is None:
                    raise NotFound("")
                if not self.archived:
                    raise WrongState("")
                if (number or 1) > len(self.versions):
                    raise NotFound("")
                self.active, self.archived = number or self.active, False


class House:
    """The same, for real."""

    def __init__(self, here: Any, folder: Path) -> None:
        self.store = here.store
        self.publisher = Publisher(here.store, here.company.services.journal, catalogue)
        self.drafts = Drafts(here.store, self.publisher)
        self.folder = folder

    async def do(self, deed: str, *given: Any) -> None:
        match deed, given:
            case "publish", (content, activate):
                await self.publisher.publish(text(content), activate=activate, principal=ANN)
            case "file", (content,):
                (self.folder / "w.yaml").write_text(text(content))
                await self.publisher.publish_folder(self.folder)
            case "save", (content, aware):
                row = await self.store.workflow("w")
                seen = row.draft if aware and row is not None else 0
                await self.drafts.save("w", text(content), seen, principal=ANN)
            case "draft", (activate,):
                await self.drafts.publish("w", activate=activate, principal=ANN)
            case "drop", ():
                await self.drafts.drop("w", principal=ANN)
            case "delete", ():
                await self.drafts.delete("w", principal=ANN)
            case "activate", (number,):
                await self.publisher.activate("w", number, principal=ANN)
            case "archive", ():
                await self.publisher.archive("w", principal=ANN)
            case "reactivate", (number,):
                await self.publisher.reactivate("w", number, principal=ANN)

    async def agrees(self, model: Model) -> None:
        """Compare what is told with the model, and what can be run with what should be."""
        row, draft = await self.store.workflow("w"), await self.store.draft("w")
        assert (None if row is None else row.status) == model.status
        assert (None if draft is None else draft.text) == (None if model.draft is None else text(model.draft))
        if row is None:
            return
        assert (row.version, row.versions, row.filed) == (model.active, len(model.versions), model.filed)
        assert (row.archived is not None) == model.archived
        versions = await self.store.versions("w", None, 100)
        assert [one.description for one in versions] == [f"number {n}" for n in reversed(model.versions)]
        assert [one.version for one in versions if one.active] == ([model.active] if model.active else [])
        if model.status == "active":
            assert (await self.publisher.current("w"))[0] == model.active
        else:
            with pytest.raises(WorkflowInactive):
                await self.publisher.current("w")


@settings(max_examples=scaled(40), deadline=None)
@given(st.lists(DEEDS, min_size=1, max_size=25))
def test_what_is_told_is_what_was_done(tmp_path_factory: pytest.TempPathFactory, deeds: list[Any]) -> None:
    """After each deed, also after those that were refused; and the rows can be made anew from the log."""

    async def live() -> None:
        async with stage(Path(":memory:")) as here:
            house, model = House(here, tmp_path_factory.mktemp("folder")), Model()
            for deed in deeds:
                expected = await outcome(asyncio.to_thread(model.do, *deed))
                assert await outcome(house.do(*deed)) is expected, deed
                await house.agrees(model)
            assert await house.store.rebuild() == []
            await house.agrees(model)

    asyncio.run(live())


async def outcome(doing: Any) -> type[CallboardError] | None:
    """Return the kind of error with which something is refused, or None if it is done."""
    try:
        await doing
    except CallboardError as error:
        return type(error)
    return None
