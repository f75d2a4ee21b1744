"""Some random hard fits; `hard_fits` runs thousands."""

import pytest

from tests.studies.hard_fits import solved


@pytest.mark.slow
def test_no_fit_is_silently_wrong():
    outcomes = [solved(number) for number in range(12)]
    assert [outcome for outcome in outcomes if outcome.wrong] == []
    assert any(outcome.answer == "maximum" for outcome in outcomes)
