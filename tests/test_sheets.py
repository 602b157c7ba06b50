"""Contact sheets: as square as they can be without holes."""

import pytest
import torch

from stylegan_cli.pictures import Face, contact_sheet


def layout(count, columns=None):
    return [len(row) for row in contact_sheet([Face(torch.zeros(1, 1))] * count, columns).rows]


@pytest.mark.parametrize(
    ("count", "rows"),
    [
        (1, [1]),
        (2, [2]),
        (3, [3]),
        (4, [2, 2]),
        (5, [5]),
        (6, [3, 3]),
        (7, [7]),
        (8, [4, 4]),
        (10, [5, 5]),
        (11, [4, 4, 3]),
        (12, [4, 4, 4]),
        (13, [7, 6]),
        (14, [7, 7]),
        (16, [4] * 4),
        (20, [5] * 4),
        (64, [8] * 8),
    ],
)
def test_without_holes_where_it_can_be_had(count, rows):
    assert layout(count) == rows


def test_never_a_ribbon():
    for count in range(8, 300):
        rows = layout(count)
        assert len(rows) > 1
        assert rows[0] <= 4 * len(rows)


def test_columns_are_who_wants_them():
    assert layout(7, 3) == [3, 3, 1]
    assert layout(3, 9) == [3]
