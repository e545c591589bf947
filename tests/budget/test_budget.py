"""
No core path costs more instructions than recorded, nor fewer without being recorded anew: what is
won shall stay won. Instructions are counted because they are the same each time; seconds are not.
"""

import pytest

from paths import PATHS


@pytest.mark.parametrize("path", PATHS)
def test_a_path_costs_what_is_recorded(path, functions_of, budget):
    complaint = budget.complaint(path, functions_of[path])
    if complaint:
        pytest.fail(complaint, pytrace=False)
