from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wherry.base.digest import Digest, Hasher
from wherry.base.errors import InvalidName


@given(st.binary(max_size=100))
def test_a_digest_of_bytes_reads_back(data: bytes) -> None:
    digest = Digest.of(data)
    assert str(digest) == "sha256:" + hashlib.sha256(data).hexdigest()
    assert Digest.parse(str(digest)) == digest
    assert digest.hex.startswith(digest.short)
    assert len(digest.short) == 12


@given(st.lists(st.binary(max_size=20)), st.sampled_from(["sha256", "sha512"]))
def test_bytes_in_pieces_have_the_digest_of_the_whole(pieces: list[bytes], algorithm: str) -> None:
    hasher = Hasher(algorithm)
    for piece in pieces:
        hasher.update(piece)
    digest = hasher.digest()
    assert digest == Digest(algorithm, hashlib.new(algorithm, b"".join(pieces)).hexdigest())
    assert Digest.parse(str(digest)) == digest
    again = digest.hasher()
    again.update(b"".join(pieces))
    assert again.digest() == digest


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "sha256:" + "0" * 63,
        "sha256:" + "0" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "SHA256:" + "0" * 64,
        "sha512:" + "0" * 64,
        "md5:" + "0" * 32,
        "0" * 64,
        "sha256:" + "0" * 63 + "\n",
        "sha256:../" + "0" * 61,
        " sha256:" + "0" * 64,
    ],
)
def test_what_is_not_a_digest_is_refused(text: str) -> None:
    with pytest.raises(InvalidName, match="is not a digest"):
        Digest.parse(text)


@given(st.text(max_size=80))
def test_any_text_is_a_digest_or_refused(text: str) -> None:
    try:
        assert str(Digest.parse(text)) == text
    except InvalidName:
        return
