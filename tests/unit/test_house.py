"""The rules of the house are kept by tools; here each rule is broken once, and the tool must see it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.proof import scaled

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
SETTINGS: dict[str, Any] = tomllib.loads(PYPROJECT)
CONFTEST = (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8")
LISTS = ("build", "runtime", "development")


# ── floors, and who may know which library ───────────────────────────────────────────────────────────────

BROKEN = [
    # contract, file, what is written at its end
    ("floors", "errors.py", "import callboard.clock"),
    ("floors", "clock.py", "def later() -> None:\n    from callboard import ids"),
    ("floors", "ids.py", "if TYPE_CHECKING:\n    from callboard.store.port import Store"),
    ("floors", "actors/supervisor.py", "import callboard.stores.sqlite"),
    ("floors", "app.py", "import callboard.bench"),
    ("floors", "somewhere.py", "# a new file that has not chosen its floor"),
    ("floors", "somewhere/__init__.py", "# nor has this folder"),
    ("floors-facts", "facts/membership.py", "import callboard.facts.events"),
    ("floors-store", "store/changes.py", "import callboard.store.port"),
    ("floors-authoring", "authoring/handling.py", "import callboard.authoring.bot"),
    ("floors-planning", "planning/step.py", "import callboard.planning.plan"),
    ("floors-publish", "publish/shelf.py", "import callboard.publish.drafting"),
    ("pykka", "actors/supervisor.py", "import pykka"),
    ("pykka", "app.py", "from pykka import ActorRef"),
    ("sqlite", "actors/journal.py", "import sqlite3"),
    ("sqlite", "app.py", "import aiosqlite"),
    ("http", "app.py", "import uvicorn"),
    ("http", "web/__init__.py", "from starlette.applications import Starlette"),
    ("http-out", "company/roster.py", "import aiohttp"),
    ("http-out", "app.py", "from aiohttp import web"),
    ("files", "app.py", "import watchfiles"),
    ("terminal", "logs.py", "import rich.console"),
    ("terminal", "app.py", "import cyclopts"),
    ("jinja", "config.py", "from jinja2 import nodes"),
    ("jinja", "messages.py", "import jinja2"),
    ("yaml", "config.py", "import yaml"),
    ("cron", "planning/plan.py", "from croniter import croniter"),
    ("uvloop", "actors/runtime.py", "import uvloop"),
]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Copy the source and its settings, to be spoiled."""
    shutil.copytree(ROOT / "src", tmp_path / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(house: Path, *contracts: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("lint-imports")
    chosen = [argument for contract in contracts for argument in ("--contract", contract)]
    environment = os.environ | {"PYTHONPATH": str(house / "src"), "NO_COLOR": "1", "COLUMNS": "120"}
    return subprocess.run(
        [program, "--no-cache", "--no-logo", *chosen],
        cwd=house,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_house_as_it_stands_keeps_every_contract(house: Path) -> None:
    done = lint_imports(house)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("contract", "file", "offence"), BROKEN)
def test_a_contract_that_is_broken_is_seen(house: Path, contract: str, file: str, offence: str) -> None:
    path = house / "src" / "callboard" / file
    path.parent.mkdir(exist_ok=True)
    with path.open("a", encoding="utf-8") as source:
        source.write(f"\n{offence}\n")
    done = lint_imports(house, contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Contracts: 0 kept, 1 broken." in done.stdout
    assert file.removesuffix(".py").removesuffix("/__init__").replace("/", ".") in done.stdout


def test_every_contract_is_tried() -> None:
    contracts = {contract["id"] for contract in SETTINGS["tool"]["importlinter"]["contracts"]}
    assert contracts == {contract for contract, _, _ in BROKEN}


def test_every_floor_is_there() -> None:
    """A floor in parentheses may be missing; the house is complete, so none is."""
    floors = next(c for c in SETTINGS["tool"]["importlinter"]["contracts"] if c["id"] == "floors")
    assert not [layer for layer in floors["layers"] if "(" in layer]


# ── every exception says why ─────────────────────────────────────────────────────────────────────────────

RULE_WITH_REASON = re.compile(r'^ +"([A-Z]+[0-9]+)",\s+# \S.{10,}$', re.MULTILINE)


def test_every_rule_that_ruff_ignores_is_explained_on_its_line() -> None:
    lint = SETTINGS["tool"]["ruff"]["lint"]
    ignored = [*lint["ignore"], *(rule for rules in lint["per-file-ignores"].values() for rule in rules)]
    section = PYPROJECT[PYPROJECT.index("[tool.ruff.lint]") : PYPROJECT.index("[tool.ruff.lint.pydocstyle]")]
    assert lint["select"] == ["ALL"]
    assert sorted(RULE_WITH_REASON.findall(section)) == sorted(ignored)


@pytest.mark.parametrize("folder", ["src", "tests"])
def test_every_exception_at_a_single_place_says_why_there(folder: str) -> None:
    bare = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"# (ruff: )?noqa(: [A-Z0-9, ]+)?$", line)
    ]
    assert bare == []


# ── the lists of requirements ────────────────────────────────────────────────────────────────────────────


def pins(name: str) -> dict[str, str]:
    """Return package → version of one list."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==([^\s;]+)", text, re.MULTILINE))


def wanted(name: str) -> list[Requirement]:
    """Return what pyproject.toml asks for, that the list must answer."""
    groups = SETTINGS["dependency-groups"]
    asked = {
        "build": groups["build"] + SETTINGS["build-system"]["requires"],
        "runtime": SETTINGS["project"]["dependencies"],
    }
    asked["development"] = [
        *asked["build"],
        *asked["runtime"],
        *(line for group in groups.values() for line in group),
    ]
    return [Requirement(line) for line in asked[name]]


@pytest.mark.parametrize("name", LISTS)
def test_a_list_answers_all_that_the_project_asks_for(name: str) -> None:
    """Whoever changes pyproject.toml calls `make lock`."""
    pinned = pins(name)
    for requirement in wanted(name):
        version = pinned[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version), f"{requirement} is pinned to {version}"


def test_the_lists_agree() -> None:
    development = pins("development")
    assert pins("build").items() <= development.items()
    assert pins("runtime").items() <= development.items()


@pytest.mark.parametrize("name", LISTS)
def test_every_line_of_a_list_has_a_hash_and_none_has_an_address(name: str) -> None:
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8")
    entries = re.split(r"\n(?=\S)", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE).strip())
    assert entries
    assert all(re.match(r"^[a-z0-9.-]+==\S+.*\\\n +--hash=sha256:[0-9a-f]{64}", entry) for entry in entries)
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text


# ── how hard the tests try, and that none is skipped ─────────────────────────────────────────────────────

SKIPPED = {
    "by a mark": "@pytest.mark.skip(reason='no such program')\ndef test_it(): ...",
    "by a condition": "@pytest.mark.skipif(True, reason='no such program')\ndef test_it(): ...",
    "by a call": "def test_it():\n    pytest.skip('no such program')",
    "by a fixture": "@pytest.fixture\ndef it():\n    pytest.skip('no such program')\ndef test_it(it): ...",
    "by an import": "def test_it():\n    pytest.importorskip('no_such_module', reason='no such program')",
    "as a whole file": "pytest.skip('no such program', allow_module_level=True)",
}


@pytest.mark.parametrize("code", SKIPPED.values(), ids=SKIPPED)
def test_a_skip_is_a_failure_where_none_is_allowed(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(f"import pytest\n{code}")
    monkeypatch.setenv("PROOF_NO_SKIPS", "1")
    result = pytester.runpytest_inprocess("-p", "no:asyncio")
    assert result.ret != pytest.ExitCode.OK
    assert not result.parseoutcomes().keys() & {"passed", "skipped"}
    result.stdout.fnmatch_lines(["*no such program*", "*PROOF_NO_SKIPS=1*"])


@pytest.mark.parametrize("code", SKIPPED.values(), ids=SKIPPED)
def test_a_skip_is_a_skip_elsewhere(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(f"import pytest\n{code}")
    monkeypatch.delenv("PROOF_NO_SKIPS", raising=False)
    assert pytester.runpytest_inprocess("-p", "no:asyncio").parseoutcomes() == {"skipped": 1}


def test_a_failure_that_is_expected_is_no_skip(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile("import pytest\n@pytest.mark.xfail\ndef test_it():\n    assert False")
    monkeypatch.setenv("PROOF_NO_SKIPS", "1")
    assert pytester.runpytest_inprocess("-p", "no:asyncio").parseoutcomes() == {"xfailed": 1}


def test_proof_scales_a_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROOF", "5")
    assert scaled(40) == 200


@pytest.mark.parametrize("unset", [None, ""])
def test_without_proof_a_count_is_what_it_says(monkeypatch: pytest.MonkeyPatch, unset: str | None) -> None:
    monkeypatch.delenv("PROOF", raising=False)
    if unset is not None:
        monkeypatch.setenv("PROOF", unset)
    assert scaled(40) == 40


@pytest.mark.parametrize("wrong", ["0", "-1", "1.5", "much"])
def test_a_proof_that_is_no_whole_number_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("PROOF", wrong)
    with pytest.raises(ValueError, match="PROOF must be a whole number"):
        scaled(40)
