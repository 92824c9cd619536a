"""What holds for every test: how hard it tries, and that none is skipped where all must run.

`PROOF` (see `tests/proof.py`) also scales how many examples Hypothesis tries where a test does not say.

`PROOF_NO_SKIPS=1` turns every skip into a failure, wherever it comes from: a mark, a call in the test, a
missing import, a whole file. A developer may lack a component and go on; continuous integration has them all,
and a test that does not run there proves nothing. Neither name begins with `CALLBOARD_`: the server refuses
variables of that prefix that it does not know, and the tests start servers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Generator

import pytest
from hypothesis import HealthCheck, settings

from tests.proof import scaled as scaled_count

settings.register_profile(
    "proof",
    max_examples=scaled_count(100),
    deadline=None,  # one slow example on a busy machine is no fault; the whole run has a limit of its own
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("proof")


@pytest.fixture(scope="session")
def scaled() -> Callable[[int], int]:
    """Return `tests.proof.scaled`, for tests that would rather be handed it than import it."""
    return scaled_count


def _refuse_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """Make a failure of a skip, where none is allowed; an expected failure is not a skip."""
    if not report.skipped or hasattr(report, "wasxfail") or os.environ.get("PROOF_NO_SKIPS") != "1":
        return
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
    report.outcome = "failed"
    report.longrepr = f"{reason}\nPROOF_NO_SKIPS=1: a test that skips here fails, all it needs must be here."


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outermost, so that it sees what every other plugin made of it
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skip(report)
    return report


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skip(report)
    return report
