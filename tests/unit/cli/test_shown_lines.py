"""An error that has lines to show shows them below its message, without control characters, before what to do next."""

from __future__ import annotations

import pytest

from wherry.build.dockerfile import RecipeError, parse
from wherry.cli.main import complain


def test_the_line_and_a_caret_stand_below_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RecipeError) as caught:
        parse("FROM debian\nRUM \x1b[31m make\n", "fit/Dockerfile")
    assert complain(caught.value) == 125
    assert capsys.readouterr().err == (
        "wherry: fit/Dockerfile:2:1: unknown instruction 'RUM'\n"
        "  2 | RUM ?[31m make\n"
        "    | ^\n"
        "  next: did you mean 'RUN'?\n"
    )
