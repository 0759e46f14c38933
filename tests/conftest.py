"""What all tests share: nothing of the caller's settings, property tests without a database and without a deadline."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("wherry", database=None, deadline=None)
settings.load_profile("wherry")

# Who runs the tests may use Wherry; a test that depended on it would fail for somebody else. (Workers of a parallel run
# inherit this environment and read it again: what tests are told is named WHERRY_TEST_*.)
for _name in [name for name in os.environ if name.startswith("WHERRY_") and not name.startswith("WHERRY_TEST_")]:
    _value = os.environ.pop(_name)
    if _name == "WHERRY_SCHEMAS":
        os.environ["WHERRY_TEST_SCHEMAS"] = _value

# A shell starts background jobs with these ignored, and so would be all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def schemas() -> Path:
    """The folder with OCI's JSON schemas (``image-spec``, ``runtime-spec``): ``make test WHERRY_SCHEMAS=FOLDER``."""
    folder = os.environ.get("WHERRY_TEST_SCHEMAS", "")
    if not folder:
        pytest.skip("no OCI schemas here: give their folder in WHERRY_SCHEMAS")
    return Path(folder)
