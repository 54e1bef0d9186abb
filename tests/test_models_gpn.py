"""Dilations of GPN by the official formula, where the golden cases do not reach."""

import pytest

from darkregulome.models.gpn import read_gpn_config


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, [1, 2, 4, 8, 16, 32, 1, 2, 4]),
        ({"dilation_cycle": 5, "dilation_double_every": 2}, [1, 1, 2, 2, 4, 1, 1, 2, 2]),
        ({"dilation_cycle": 9, "dilation_max": 10}, [1, 2, 4, 8, 10, 10, 10, 10, 10]),
        ({"dilation_cycle": 4, "dilation_base": 3}, [1, 3, 9, 27, 1, 3, 9, 27, 1]),
    ],
)
@pytest.mark.parametrize("kind", [{"model_type": "ConvNet"}, {"model_type": "GPN", "encoder": "bytenet"}])
def test_dilations_grow_over_a_cycle_to_their_maximum(kind, fields, expected):
    config = read_gpn_config({"dilation_cycle": 6} | kind | fields)
    assert [config.dilation(layer) for layer in range(9)] == expected
