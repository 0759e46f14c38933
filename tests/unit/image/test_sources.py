"""Where an image is: transports and URLs, read from a table."""

from __future__ import annotations

import pytest

from wherry.base.errors import InvalidName, UsageError
from wherry.image import Source, parse_checksum, parse_source

HEX = "ab" * 32
SUM = parse_checksum(HEX)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker://debian:12", Source("docker", "debian:12")),
        ("docker://host:5000/a/b@sha256:" + HEX, Source("docker", f"host:5000/a/b@sha256:{HEX}")),
        ("docker-daemon:lab:1", Source("docker-daemon", "lab:1")),
        ("containers-storage:localhost/lab:1", Source("containers-storage", "localhost/lab:1")),
        ("oci:dir", Source("oci", "dir")),
        ("oci:/a/dir:v1", Source("oci", "/a/dir", "v1")),
        ("oci:dir:host:5000/lab:1", Source("oci", "dir", "host:5000/lab:1")),
        ("oci-archive:a.tar:v1", Source("oci-archive", "a.tar", "v1")),
        ("docker-archive:a.tar", Source("docker-archive", "a.tar")),
        ("docker-archive:a.tar:lab:1", Source("docker-archive", "a.tar", "lab:1")),
        ("docker-archive:a.tar:@1", Source("docker-archive", "a.tar", "@1")),
        ("dir:./d:x", Source("dir", "./d:x")),
        ("sif:a.sif", Source("sif", "a.sif")),
        ("file:///data/a.sif", Source("file", "/data/a.sif")),
        ("file://localhost/data/a.sif", Source("file", "/data/a.sif")),
        ("oras://host/lab:1", Source("oras", "host/lab:1")),
        ("https://host/a.tar", Source("url", "https://host/a.tar")),
        (f"https://host/a.tar#sha256={HEX}", Source("url", "https://host/a.tar", "", SUM)),
        (f"http://host/a.tar?x=1#sha256:{HEX.upper()}", Source("url", "http://host/a.tar?x=1", "", SUM)),
    ],
)
def test_a_source_is_what_its_transport_says(text: str, expected: Source) -> None:
    assert parse_source(text) == expected


@pytest.mark.parametrize("text", ["debian:12", "docker:dind", "host:5000/oci:1", "./oci:dir", "/a/dir:x", "a.tar", ""])
def test_a_plain_name_or_path_has_no_transport(text: str) -> None:
    assert parse_source(text) is None


@pytest.mark.parametrize("text", ["oci:", "docker-archive::x", "docker://", "https://", "https:///a", "https://h/a b"])
def test_a_transport_to_nowhere_is_refused(text: str) -> None:
    with pytest.raises(InvalidName, match=r"names no image|not a web address"):
        parse_source(text)


@pytest.mark.parametrize("text", ["library://a/b", "shub://a", "instance://a", "ftp://h/a", "s3://b/a", "ostree:x@/r"])
def test_what_is_not_spoken_is_refused_with_a_way_out(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_source(text)
    assert text in caught.value.what and caught.value.why and caught.value.hint


@pytest.mark.parametrize("text", ["https://h/a#sha256=12", "https://h/a#md5=00", "https://h/a#part"])
def test_a_bad_checksum_is_refused(text: str) -> None:
    with pytest.raises(InvalidName, match="is not a checksum"):
        parse_source(text)


def test_a_source_is_shown_as_it_was_written() -> None:
    for text in ("docker://debian:12", "oci:dir:v1", "docker-archive:a.tar", "docker-daemon:lab:1"):
        assert str(parse_source(text)) == text
