"""A short form of tests/kills.py: a run that is killed again and again comes to the same end."""

from pathlib import Path

import pytest

from tests.kills import Killer
from tests.slow import RUNNING


@pytest.mark.slow(*RUNNING)
def test_killed_anywhere_a_run_comes_to_the_same_end(tmp_path: Path) -> None:
    tally = Killer(tmp_path, jobs=2, seed=2).kill(times=4)
    assert tally.kills == 4 and tally.finished and not tally.failures
