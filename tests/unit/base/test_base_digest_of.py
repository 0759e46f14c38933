"""Digests of data, by whichever implementation is at hand."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import pytest

from wherry.base.digest import Digest


@pytest.mark.parametrize("size", [0, 1, 65536, 65537])
def test_data_has_its_digest_and_no_other(size: int) -> None:
    data = b"x" * size
    digest = Digest.of(data)
    assert digest.hex == hashlib.sha256(data).hexdigest()
    assert digest.is_of(data)
    assert not digest.is_of(data + b"y")
    assert Digest("sha512", hashlib.sha512(data).hexdigest()).is_of(data)


def test_small_data_need_no_openssl() -> None:
    """A start looks some documents up and must not pay for loading OpenSSL."""
    script = (
        "import sys; from wherry.base.digest import Digest;"
        "assert Digest.of(b'abc').hex.startswith('ba7816bf');"
        "assert '_hashlib' not in sys.modules, 'OpenSSL was loaded'"
    )
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": ":".join(sys.path)})
