"""Some random hard fits; `hard_fits` runs thousands."""

import pytest

from tests.studies.hard_fits import WRAPPED, solved


@pytest.mark.slow
def test_no_fit_is_silently_wrong():
    outcomes = [solved(number) for number in range(12)]
    assert [outcome for outcome in outcomes if outcome.wrong] == []
    assert any(outcome.answer == "maximum" for outcome in outcomes)


@pytest.mark.slow
def test_nor_is_one_of_zeros_of_odds_and_of_modifiers_around_modifiers():
    outcomes = [solved(number, WRAPPED) for number in range(12)]
    assert [outcome for outcome in outcomes if outcome.wrong] == []
    assert any(outcome.answer == "maximum" for outcome in outcomes)
