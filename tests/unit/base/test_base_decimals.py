"""What is a number in text, and what only looks like one."""

from __future__ import annotations

import pytest

from wherry.base.decimals import decimal


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("7", 7), ("007", 7), ("99999999999999999999", 10**20 - 1)])
def test_ascii_digits_are_a_number(text: str, number: int) -> None:
    assert number == decimal(text)


@pytest.mark.parametrize("text", ["", " 7", "7\n", "+7", "-7", "1_0", "0x7", "7.0", "²", "٣", "9" * 5000])
def test_all_else_is_none(text: str) -> None:
    assert decimal(text) is None
