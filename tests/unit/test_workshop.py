"""The workshop: actions from files that change while steps call them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from callboard.authoring.registering import MODULES, Changes, Workshop

HEAD = """
import msgspec
from callboard import action
class Nothing(msgspec.Struct): pass
"""
PRICE = HEAD + "@action('price')\ndef price(_: Nothing) -> str: return 'old'\n"
COST = PRICE.replace("price", "cost")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "actions"
    folder.mkdir()
    (folder / "price.py").write_text(PRICE)
    (folder / "cost.py").write_text(COST)
    return folder


def called(shop: Workshop, name: str) -> object:
    return shop.actions[name].function(None)


def names(done: Changes) -> tuple[list[str], list[str], list[str], list[str]]:
    return done.added, done.replaced, done.gone, done.kept


def test_what_changed_is_told_by_the_name_of_each_action(folder: Path) -> None:
    shop = Workshop(folder)
    assert names(shop.read()) == (["cost", "price"], [], [], [])
    before = shop.actions["price"].function
    assert names(shop.read()) == ([], [], [], ["cost", "price"])
    assert shop.actions["price"].function is before, "what did not change is not imported again"
    (folder / "price.py").write_text(PRICE.replace("old", "new"))
    assert names(shop.read()) == ([], ["price"], [], ["cost"])
    assert (called(shop, "price"), before(None)) == ("new", "old")
    (folder / "cost.py").unlink()
    assert names(shop.read()) == ([], [], ["cost"], ["price"])


def test_a_file_saved_twice_within_a_second_is_taken_as_it_was_saved_last(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Same length, same time: a compiled copy would be of the first."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    shop, file = Workshop(folder), folder / "price.py"
    os.utime(file, (1_000, 1_000))
    shop.read()
    file.write_text(PRICE.replace("old", "new"))
    os.utime(file, (1_000, 1_000))
    shop.read()
    assert called(shop, "price") == "new"


def test_a_file_with_a_fault_keeps_its_actions_and_their_module(folder: Path) -> None:
    """And no others: those of other files are what these say now."""
    shop = Workshop(folder)
    shop.read()
    (folder / "price.py").write_text("\n\n1 / 0\n")
    (folder / "cost.py").write_text(COST.replace("old", "new"))
    assert names(shop.read()) == ([], ["cost"], [], ["price"])
    (fault,) = shop.faults
    assert (fault.file, fault.line) == (str(folder / "price.py"), 3)
    assert (called(shop, "price"), called(shop, "cost")) == ("old", "new")
    assert sys.modules[f"{MODULES}.price"].__dict__ is shop.actions["price"].function.__globals__
    (folder / "price.py").write_text(PRICE)
    assert names(shop.read()) == ([], [], [], ["cost", "price"])
    assert shop.faults == []


def test_a_name_that_two_claim_stays_with_the_one_that_had_it(folder: Path) -> None:
    shop = Workshop(folder)
    shop.read()
    (folder / "again.py").write_text(PRICE.replace("old", "new"))
    assert names(shop.read()) == ([], [], [], ["cost", "price"])
    assert "two actions are called 'price'" in shop.faults[0].message
    assert called(shop, "price") == "old"
    (folder / "price.py").unlink()
    assert names(shop.read()) == ([], ["price"], [], ["cost"])
    assert called(shop, "price") == "new"


@pytest.mark.parametrize(
    "line", ["from callboard_actions._sum import SUM", "from callboard_actions import _sum\nSUM = _sum.SUM"]
)
def test_a_change_of_what_a_file_imports_is_a_change_of_its_actions(folder: Path, line: str) -> None:
    (folder / "_sum.py").write_text("SUM = 1\n")
    (folder / "price.py").write_text(f"{line}\n{PRICE.replace(repr('old'), 'str(SUM)')}")
    shop = Workshop(folder)
    shop.read()
    assert called(shop, "price") == "1"
    (folder / "_sum.py").write_text("SUM = 2\n")
    assert "price" in shop.read().replaced
    assert called(shop, "price") == "2"
