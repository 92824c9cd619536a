"""The cases of templates: versions that follow from facts and never change, and the active one."""

from __future__ import annotations

import hashlib

import pytest

from callboard.store.port import Store
from callboard.templates.publishing import (
    TemplateActivated,
    TemplatePublished,
    TemplateTaken,
    template_stream,
)
from callboard.templates.rows import TemplateQuery, TemplateRow
from callboard.testing.store_conformance.board import LATER, THEIRS, Board, CasesOnABoard
from callboard.testing.store_conformance.material import NOON

LETTERS = template_stream("letters")


def published(version: int, name: str = "letters", **more: str) -> TemplatePublished:
    """Say that a template has a version."""
    text = f'{{"v":{version}}}'
    checksum = hashlib.sha256(text.encode()).hexdigest()
    return TemplatePublished(
        *(name, version, checksum, text, more.get("kind", "document")),  # type: ignore[arg-type]  # one of two words
        description=f"in words {version}",
    )


class TemplateCases(CasesOnABoard):
    """Templates and their versions."""

    async def test_a_template_is_used_in_the_version_that_was_published_last(
        self, store: Store, board: Board
    ) -> None:
        """Every version stays what it was, with its text."""
        await board.append(LETTERS, published(1))
        newest = await board.append(LETTERS, published(2), at=LATER)
        row = TemplateRow("letters", "document", 2, 2, "in words 2", 0, LATER)
        assert (await store.template("letters"), await store.templates()) == (row, [row])
        active = await store.template_version("letters")
        assert active is not None
        assert (active.version, active.text, active.published, active.active) == (2, '{"v":2}', newest, True)
        old = await store.template_version("letters", 1)
        assert old is not None
        assert (old.text, old.active, old.published_at) == ('{"v":1}', False, NOON)
        assert await store.template_versions("letters", None, 9) == [active, old]
        assert await store.template_versions("letters", 2, 9) == [old]
        assert await store.template_versions("letters", None, 1) == [active]
        assert await store.template_like("letters", old.checksum) == 1
        assert await store.template_like("letters", "0" * 64) is None
        assert await store.rebuild() == []

    async def test_an_older_version_of_a_template_is_active_again(self, store: Store, board: Board) -> None:
        """What its file was stays what it was."""
        await board.append(LETTERS, published(1))
        await board.append(LETTERS, published(2), TemplateTaken("letters", 2), at=LATER)
        await board.append(LETTERS, TemplateActivated("letters", 1, "document", "again"))
        assert await store.template("letters") == TemplateRow("letters", "document", 1, 2, "again", 2, NOON)
        active = await store.template_version("letters")
        assert active is not None
        assert active.version == 1
        assert await store.rebuild() == []

    async def test_a_template_of_another_tenant_is_not_there(self, store: Store, board: Board) -> None:
        """Nor is one that nobody published, or a number that none has."""
        await board.append(LETTERS, published(1))
        assert await store.template("letters", tenant=THEIRS) is None
        assert await store.templates(tenant=THEIRS) == []
        assert await store.template_version("letters", tenant=THEIRS) is None
        assert await store.template_versions("letters", None, 9, tenant=THEIRS) == []
        assert await store.template_like("letters", published(1).checksum, tenant=THEIRS) is None
        assert await store.template("other") is None
        for number in (0, -1, 2, 2**63, 2**80):
            assert await store.template_version("letters", number) is None

    @pytest.mark.parametrize(
        ("query", "names"),
        [
            (TemplateQuery(), ["alpha", "beta", "gamma"]),
            (TemplateQuery(kind="workflow"), ["beta"]),
            (TemplateQuery(search="WORDS 3"), ["gamma"]),
            (TemplateQuery(search="bet"), ["beta"]),
            (TemplateQuery(search="%"), []),
            (TemplateQuery(after="alpha", limit=1), ["beta"]),
        ],
    )
    async def test_templates_are_listed_by_what_narrows_them(
        self, store: Store, board: Board, query: TemplateQuery, names: list[str]
    ) -> None:
        """By kind, by what they say of themselves, and in pages."""
        for number, (name, kind) in enumerate(
            (("gamma", "document"), ("beta", "workflow"), ("alpha", "document"))
        ):
            await board.append(template_stream(name), published(3 - number, name, kind=kind))
        assert [row.name for row in await store.templates(query)] == names
