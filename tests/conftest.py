"""What all tests share: nothing of the caller's settings, property tests without a database and without a deadline."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("wherry", database=None, deadline=None)
settings.load_profile("wherry")

# Who runs the tests may use Wherry; a test that depended on it would fail for somebody else.
_CALLERS = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("WHERRY_")}
os.environ.update({name: value for name, value in _CALLERS.items() if name.startswith("WHERRY_TEST_")})


# A shell starts background jobs with these ignored, and so would be all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGQUIT, signal.SIG_DFL)


@pytest.fixture(scope="session")
def schemas() -> Path:
    """The folder with OCI's JSON schemas (``image-spec``, ``runtime-spec``): ``make test WHERRY_SCHEMAS=FOLDER``."""
    folder = _CALLERS.get("WHERRY_SCHEMAS", "")
    if not folder:
        pytest.skip("no OCI schemas here: give their folder in WHERRY_SCHEMAS")
    return Path(folder)
