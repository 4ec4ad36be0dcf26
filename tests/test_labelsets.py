"""Sets of labels written as one text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from askwise.core import BadInput
from askwise.labelsets import NONE, SEPARATOR, check_label, labels_of, write_set

NAMES = st.text(st.characters(exclude_characters=SEPARATOR, exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
    lambda name: name.strip() == name and name != NONE
)


@given(st.lists(NAMES, min_size=1, max_size=6, unique=True), st.data())
def test_a_written_set_is_read_back(order: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.sampled_from(order), max_size=8))
    written = write_set(chosen, order)
    assert written  # never an empty text, which would mean that nobody has answered
    assert set(labels_of(written)) == set(chosen)
    assert write_set(reversed(chosen), order) == written, "one set, one text"
    assert write_set(labels_of(written), [*order, "later"]) == written, "a label added later changes nothing"


@pytest.mark.parametrize(
    ("text", "labels"),
    [("a|b", ("a", "b")), (" a | b ", ("a", "b")), ("a||b|", ("a", "b")), (NONE, ()), (f" {NONE} ", ()), ("", ())],
)
def test_what_people_write_is_read(text: str, labels: tuple[str, ...]) -> None:
    assert labels_of(text) == labels


def test_an_unknown_label_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="'c'"):
        write_set(["a", "c"], ["a", "b"])


@pytest.mark.parametrize("name", ["a|b", "|", NONE])
def test_a_label_that_would_be_read_as_a_set_is_refused(name: str) -> None:
    with pytest.raises(BadInput, match="another name"):
        check_label(name)
