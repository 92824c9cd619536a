"""SQLite passes the store's conformance suite: in a file, in memory, and inline as a simulation uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from callboard.store import Store
from callboard.stores.sqlite import SqliteStore, inline
from callboard.testing.store_conformance import StoreConformance


class TestInAFile(StoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SqliteStore(tmp_path / "callboard.db")


class TestInAFileInline(StoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SqliteStore(tmp_path / "callboard.db", connect=inline)


class TestInMemory(StoreConformance):
    survives_restart = False

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return SqliteStore


class TestInMemoryInline(StoreConformance):
    survives_restart = False

    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return lambda: SqliteStore(connect=inline)
