import json

import pytest
from pydantic import ValidationError

from policy.severity import load_policy
from schemas.policy import Policy


def document():
    return json.loads(load_policy().model_dump_json(by_alias=True))


@pytest.mark.parametrize(
    ("path", "says"),
    [
        pytest.param(("cells", "critical"), "no entry for critical", id="a criticality is missing"),
        pytest.param(("cells", "normal", "value_to_null"), "no entry for value_to_null", id="a cell class is missing"),
        pytest.param(("rows", "multiplicity"), "no entry for multiplicity", id="a row class is missing"),
    ],
)
def test_a_policy_with_a_gap_is_refused(path, says):
    policy = document()
    parent = policy
    for step in path[:-1]:
        parent = parent[step]
    del parent[path[-1]]

    with pytest.raises(ValidationError, match=says):
        Policy.model_validate(policy)


def test_a_misspelt_cell_class_is_refused():
    policy = document()
    policy["cells"]["key"]["vlaue"] = "LOW"

    with pytest.raises(ValidationError, match="unknown vlaue"):
        Policy.model_validate(policy)
