"""SQLite passes the store's conformance suite: in a file, in memory, and inline as a simulation uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from callboard.store.port import Store
from callboard.stores.sqlite import SqliteStore, inline
from callboard.testing.store_conformance import DurableStoreConformance, StoreConformance


class TestInAFile(DurableStoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SqliteStore(tmp_path / "callboard.db")


class TestInAFileInline(DurableStoreConformance):
    @pytest.fixture
    def make_store(self, tmp_path: Path) -> Callable[[], Store]:
        return lambda: SqliteStore(tmp_path / "callboard.db", connect=inline)


class TestInMemory(StoreConformance):
    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return SqliteStore


class TestInMemoryInline(StoreConformance):
    @pytest.fixture
    def make_store(self) -> Callable[[], Store]:
        return lambda: SqliteStore(connect=inline)
