from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.coverage import CoverageFacts, coverage
from schemas.errors import EngineError


def facts(rows=(10, 10), columns=(3, 3), partitions=(1, 1), **others):
    return CoverageFacts(
        rows_compared=rows[0],
        rows_total=rows[1],
        columns_compared=columns[0],
        columns_total=columns[1],
        partitions_compared=partitions[0],
        partitions_total=partitions[1],
        **others,
    )


def test_all_of_it_is_one_and_said_in_numbers():
    proven = coverage(facts(rows=(2_000_000, 2_000_000), partitions=(5, 5)))

    assert (proven.rows, proven.columns, proven.partitions) == (1.0, 1.0, 1.0)
    assert proven.text == "2,000,000 of 2,000,000 rows (100 %), 3 of 3 columns (100 %), 5 of 5 partitions (100 %)."


def test_one_row_short_is_never_printed_as_all():
    proven = coverage(facts(rows=(10**15 - 1, 10**15)))

    assert proven.rows < 1
    assert "(99.99 %)" in proven.text
    assert "100 %), 3 of 3" not in proven.text


def test_what_numbers_cannot_say_is_said():
    assert coverage(facts(left_out=("rows outside region = 'EU'", "column note"))).text.endswith(
        " Left out: rows outside region = 'EU'; column note."
    )


def test_nothing_of_nothing_proves_nothing_unless_it_is_expected():
    assert coverage(facts(rows=(0, 0))).rows == 0
    assert coverage(facts(rows=(0, 0), expect_empty=True)).rows == 1
    assert coverage(facts(columns=(0, 0), expect_empty=True)).columns == 0


@pytest.mark.parametrize("part", ["rows", "columns", "partitions"])
def test_more_than_all_is_a_contradiction(part):
    with pytest.raises(EngineError, match=f"6 of 5 {part}"):
        coverage(facts(**{part: (6, 5)}))


@given(st.integers(1, 2**70).flatmap(lambda total: st.tuples(st.integers(0, total), st.just(total))))
def test_a_share_is_never_above_the_truth(rows):
    share = coverage(facts(rows=rows)).rows

    assert (share == 1) == (rows[0] == rows[1])
    assert Fraction(round(share * 10**6), 10**6) <= Fraction(*rows)
