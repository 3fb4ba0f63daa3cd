"""The list of deviations names tests that exist."""

import ast
from pathlib import Path

from tests.integration.broker_contract.deviations import DEVIATIONS
from tests.integration.broker_contract.stage import KINDS


def test_every_deviation_is_of_a_test_and_a_broker_of_this_suite() -> None:
    tests = {
        node.name
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
    }
    assert {test for _, test in DEVIATIONS} <= tests
    assert {kind for kind, _ in DEVIATIONS} <= set(KINDS)
