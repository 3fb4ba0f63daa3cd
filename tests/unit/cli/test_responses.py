"""Parsing of columns and cells."""

import io

import pytest

from stanine.cli.exits import InvalidInputError
from stanine.cli.io.cell_parsers import MISSING
from stanine.cli.io.forms import AttributeColumn, Form, ItemColumn
from stanine.cli.io.responses import Response, Responses
from stanine.cli.io.sheet import Sheet

FORM = Form(
    items=[ItemColumn("A1", [1, 2, 3, "na"]), ItemColumn("A2", [0.5, "yes", "no"])],
    attributes=[
        AttributeColumn("sex", "Text", ["female", "male"]),
        AttributeColumn("age", "Integer", []),
        AttributeColumn("iq", "Number", []),
    ],
)


def read(text: str, form: Form = FORM) -> list[Response]:
    return list(Responses(Sheet(io.BytesIO(text.encode()), "f.csv"), form))


@pytest.mark.parametrize("cell", ["2", " 2 ", "2.0", "2.", "+2", "20e-1"])
def test_a_number_may_be_written_in_any_decimal_way(cell: str) -> None:
    assert read(f"A1,A2\n{cell},yes\n")[0].codes == bytes([1, 1])


@pytest.mark.parametrize("cell", ["", " ", "NA"])
def test_blank_and_na_are_missing(cell: str) -> None:
    assert read(f"A1,A2\n{cell},0.50\n")[0].codes == bytes([MISSING, 0])


@pytest.mark.parametrize(
    "cell", ["4", "0", "nan", "inf", "1_0", "٢", "2 3", "Yes", "-", "1e400", "--2", "n/a"]
)
def test_an_unknown_option_is_an_error_at_its_column(cell: str) -> None:
    (response,) = read(f"A2,A1\nyes,{cell}\n")
    assert response.fault is not None
    assert response.fault[:2] == (2, 2)
    assert response.fault.detail.startswith("A1: not one of its options")
    assert response.codes == b""


def test_an_error_does_not_quote_the_answer() -> None:
    (response,) = read("A1,A2\nsecret,yes\n")
    assert response.fault is not None
    assert "secret" not in response.fault.detail


def test_cached_and_new_cells_are_parsed_alike() -> None:
    responses = read("A1,A2\n2,yes\n 2,yes\n9,yes\n2,yes\n9,yes\n")
    assert [bool(response.fault) for response in responses] == [False, False, True, False, True]
    assert {response.codes for response in responses if not response.fault} == {bytes([1, 1])}


def test_column_order_is_free_and_unknown_columns_are_ignored() -> None:
    responses = Responses(Sheet(io.BytesIO(b'"",A2,note,A1,key\n7,no,x,3,k1\n'), "f.csv"), FORM)
    assert responses.ignored == ["(column 1, no name)", "note"]
    assert [(response.key, response.codes) for response in responses] == [("k1", bytes([2, 2]))]


def test_a_missing_item_column_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="missing column for A2"):
        read("A1\n1\n")


def test_semicolons_as_separators_are_detected() -> None:
    with pytest.raises(InvalidInputError, match="separated by semicolons"):
        read("A1;A2\n1;yes\n")


def test_a_duplicate_item_column_is_an_error() -> None:
    with pytest.raises(
        InvalidInputError, match=r"f\.csv:1:3: duplicate column 'A1', first at column 1"
    ):
        read("A1,A2,A1\n1,yes,1\n")


def test_attributes_are_parsed_by_their_declaration() -> None:
    header = "A1,A2,participant,revision,sex,age,iq\n"
    (response,) = read(header + "1,yes,p-1,2,female,31.0,99.5\n")
    assert (response.participant, response.revision, response.attributes) == (
        "p-1",
        2,
        {"sex": "female", "age": 31, "iq": 99.5},
    )
    (response,) = read(header + "1,yes,NA,,NA,,\n")
    assert (response.participant, response.revision, response.attributes) == (None, None, {})


@pytest.mark.parametrize(
    ("row", "column"),
    [
        ("1,yes,p,0,,,", 4),
        ("1,yes,p,1.5,,,", 4),
        ("1,yes,p,1,other,,", 5),
        ("1,yes,p,1,,31.5,", 6),
        ("1,yes,p,1,,,x", 7),
        ("1,yes," + "p" * 129 + ",,,,", 3),
    ],
)
def test_undeclared_attribute_values_are_errors(row: str, column: int) -> None:
    (response,) = read("A1,A2,participant,revision,sex,age,iq\n" + row + "\n")
    assert response.fault is not None
    assert response.fault.column == column


def test_keys_are_kept_as_given_even_for_invalid_rows() -> None:
    responses = read("key,A1,A2\nk 1,9,yes\n,1,yes\n" + "k" * 65 + ",1,yes\n")
    assert [response.key for response in responses] == ["k 1", None, "k" * 65]
    assert [bool(response.fault) for response in responses] == [True, False, True]


def test_the_cell_cache_is_bounded() -> None:
    form = Form(items=[ItemColumn("A1", [1])], attributes=[])
    responses = Responses(
        Sheet(
            io.BytesIO(b"A1\n" + b"".join(b"1.%d\n" % 0 + b" " * i + b"1\n" for i in range(1500))),
            "f.csv",
        ),
        form,
    )
    assert all(response.codes == b"\0" for response in responses)
    assert len(responses._items[0].known) <= 1_000
