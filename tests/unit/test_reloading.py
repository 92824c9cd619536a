"""A reload in a whole house: what it takes, what it tells, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from callboard import config
from callboard.app import Callboard
from callboard.desk import FrontDesk
from callboard.errors import WorkflowInvalid
from callboard.ids import DEFAULT_TENANT, LOCAL_USER
from tests.unit.test_workshop import PRICE

FLOW = "name: pricing\nsteps:\n  - {id: a, uses: python, with: {action: price}}\n"


async def opened(project: Path, *, publishes: bool = True) -> tuple[Callboard, FrontDesk]:
    flags = {"door.port": 0, "workflows.auto_publish": publishes}
    house = Callboard(config.load(project, flags=flags))
    await house.start()
    assert house._desk is not None
    return house, house._desk


async def test_a_new_action_is_known_at_once_to_whoever_publishes(tmp_path: Path) -> None:
    """And the log says who loaded it."""
    house, desk = await opened(tmp_path)
    try:
        assert house.reloading is not None
        publish = desk.workflows._publisher.publish
        with pytest.raises(WorkflowInvalid):
            await publish(FLOW)
        (tmp_path / "actions").mkdir()
        (tmp_path / "actions" / "price.py").write_text(PRICE)
        assert (await house.reloading.reload(principal=LOCAL_USER)).actions.added == ["price"]
        assert (await publish(FLOW))[0].version == 1
        rows = (await desk.log_page(None, 100, DEFAULT_TENANT)).data
        (row,) = [one for one in rows if one.type == "actions.reload"]
        assert row.principal == LOCAL_USER
    finally:
        await house.stop()


async def test_files_are_not_published_where_that_is_off(tmp_path: Path) -> None:
    house, desk = await opened(tmp_path, publishes=False)
    try:
        folder = tmp_path / "config" / "workflows"
        folder.mkdir(parents=True)
        (folder / "faulty.yaml").write_text("name: faulty\n")
        assert house.reloading is not None
        done = await house.reloading.reload()
        assert (done.workflows, done.templates, done.faults) == (None, None, [])
        (said,) = [one for one in (await desk.doctor(full=False)).checks if one.name == "files"]
        assert (said.ok, said.detail) == (True, "not looked at")
    finally:
        await house.stop()


async def test_the_doctor_names_a_file_of_actions_that_could_not_be_loaded(tmp_path: Path) -> None:
    file = tmp_path / "actions" / "price.py"
    file.parent.mkdir()
    file.write_text("\n1 / 0\n")
    house, desk = await opened(tmp_path)
    try:
        (wrong,) = [one for one in (await desk.doctor(full=False)).checks if one.name == "actions"]
        assert (wrong.ok, f"{file}:2: ZeroDivisionError" in wrong.detail) == (False, True)
        assert wrong.fix is not None
        assert "callboard bots reload" in wrong.fix
        file.write_text(PRICE)
        assert house.reloading is not None
        await house.reloading.reload()
        (well,) = [one for one in (await desk.doctor(full=False)).checks if one.name == "actions"]
        assert (well.ok, well.detail) == (True, "1 loaded")
    finally:
        await house.stop()


async def test_the_doctor_names_files_that_were_not_published(tmp_path: Path) -> None:
    """At the start and after each reload: who asks why a workflow is not there is told."""
    flow = tmp_path / "config" / "workflows" / "faulty.yaml"
    letters = tmp_path / "config" / "templates" / "letters.yaml"
    for file, text in ((flow, "name: faulty\nstep: []\n"), (letters, "name: letters\n")):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    house, desk = await opened(tmp_path)
    try:
        (wrong,) = [one for one in (await desk.doctor(full=False)).checks if one.name == "files"]
        assert (wrong.ok, f"{flow}:1: " in wrong.detail, str(letters) in wrong.detail) == (False, True, True)
        assert wrong.detail.count("not published: ") == 2, "each file is named once"
        assert "(1 more)" in wrong.detail
        assert wrong.fix is not None
        assert "callboard check" in wrong.fix
        flow.unlink()
        letters.write_text("name: letters\ndocuments:\n  hello: {body: Good day}\n")
        assert house.reloading is not None
        await house.reloading.reload()
        (well,) = [one for one in (await desk.doctor(full=False)).checks if one.name == "files"]
        assert (well.ok, well.detail) == (True, "all workflows and templates are published")
    finally:
        await house.stop()
