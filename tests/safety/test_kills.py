"""A few of the kills of `python -m tests.safety.kills`, which tries every command at many moments."""

import os

import pytest

from tests.safety.kills import try_kills

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork and no SIGKILL")


@pytest.mark.timeout(300)
@pytest.mark.parametrize(("name", "points"), [("data fetch", 3), ("two on one cache", 2), ("predict", 3), ("run", 2)])
def test_ended_at_random_it_gives_the_same(name, points):
    outcome = try_kills(name, points, seed=1)
    assert outcome.points == points and not outcome.faults, outcome.faults
