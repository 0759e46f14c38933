"""Package managers in recipes give files to others as for real root: rpm, dnf, zypper; apt, dpkg and their kin."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

import images
from docker_daemon import Docker
from rpm_packages import MANAGERS, write_specs
from tree_entries import Seen, built_by_root, entries
from wherry_command import Wherry

_RPM = """
FROM managers
RUN dnf -y --releasever=1 install telescope observatory-1.0 && rpm -V --nomtime observatory telescope
RUN echo 'open = never' >>/etc/dome.conf && dnf -y --releasever=1 upgrade && rpm -V --nomtime --noconfig observatory
RUN rpm --force-debian -e telescope && test -d /var/lib/dome/nights
"""
_PRETENDED = "FROM managers\nRUN dnf -y --releasever=1 install telescope\n"
_RECIPES = {
    "rpm": _RPM + "RUN rpm --force-debian -i /repo/*/shutter-1.0-1.*.rpm && test -c /srv/shutter\n",
    "zypper": """
FROM managers
RUN zypper --non-interactive ar --no-gpgcheck file:///repo local && zypper --non-interactive install telescope \\
    && zypper --non-interactive remove telescope
""",
    "debian": """
FROM managers
RUN apt-get update && apt-get install -y --no-install-recommends at iputils-ping plocate uuid-runtime \\
    && getcap /usr/bin/ping | grep cap_net_raw
RUN useradd -m -G staff ann && dpkg-statoverride --update --add ann staff 2750 /usr/bin/at \\
    && dpkg-statoverride --add daemon users 640 /etc/later && apt-get install -y --reinstall at \\
    && stat -c %U:%G:%a /usr/bin/at | grep ann:staff:2750
RUN install -o ann -g users -m 2755 /bin/true /usr/local/bin/hers && install -d -o ann -g staff /srv/a/b \\
    && setcap cap_net_bind_service=+ep /usr/local/bin/hers && cp -a /usr/local/bin/hers /srv/a/b/copied \\
    && su ann -c 'touch ~/mine && mkdir ~/all && chmod 2777 ~/all'
RUN tar -C / --xattrs --xattrs-include='*' -cpf /srv/t.tar srv/a home/ann usr/bin/at usr/bin/plocate \\
    && mkdir /srv/out && tar --xattrs --xattrs-include='*' -xpf /srv/t.tar -C /srv/out && rm /srv/t.tar \\
    && getcap /srv/out/srv/a/b/copied | grep cap_net_bind_service
RUN dpkg --purge uuid-runtime && userdel -r ann
""",
}

_NOISE = (
    r"(var/(log|cache|lib/(rpm|dnf|zypp|apt|ucf|systemd/deb-systemd-.*))|root/(rpmbuild|\.rpmdb)|run|tmp)(/.*)?|"
    r"etc/(passwd|group|g?shadow|subuid|subgid)-|etc/\.pwd\.lock|var/lib/dpkg/.*-old|var/lib/dpkg/(triggers/)?[Ll]ock.*"
)
"""Databases, logs and caches with the hour in them, and what the rules of a build leave out for that."""

_DIFFERS = r"etc/shadow|etc/ld\.so\.cache|var/lib/dpkg/status.*"
"""Files with the day of a change in them."""


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Wherry]:
    """The command in a store that has the image ``managers``."""
    wherry = Wherry(tmp_path_factory.mktemp("packages"))
    wherry.ok("tag", wherry.ok("load", "-q", f"oci:{images.image('small')}").split()[-1], "debian:12")
    context = wherry.folder / "context"
    context.mkdir()
    write_specs(context)
    (context / "Dockerfile").write_text(MANAGERS)
    wherry.ok("build", "-q", "-t", "managers", str(context), timeout=280)
    yield wherry


@pytest.fixture(scope="module")
def daemon(builder: Wherry, docker: Docker) -> Docker:
    """Docker with the image ``managers``."""
    archive = builder.folder / "managers.tar"
    builder.ok("save", "-o", str(archive), "managers")
    docker.load(archive)
    archive.unlink()
    return docker


def build(builder: Wherry, name: str, recipe: str, *more: str) -> Path:
    """The folder of the context whose image got the name."""
    context = builder.folder / name
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(recipe)
    result = builder("build", "--progress", "plain", "-t", name, *more, str(context), timeout=280)
    assert result.status == 0, str(result)
    return context


def tree(builder: Wherry, name: str) -> dict[str, Seen]:
    path = builder.folder / f"{name}.tar"
    builder.ok("export", "-o", str(path), name)
    try:
        with tarfile.open(path) as archive:
            return entries(archive, _NOISE, _DIFFERS)
    finally:
        path.unlink()


def test_rpm_gives_files_what_the_packages_say(builder: Wherry) -> None:
    build(builder, "rpm", _RECIPES["rpm"])
    found = tree(builder, "rpm")
    said = {name: (oct(seen.mode), seen.uid, seen.gid) for name, seen in found.items()}
    assert said["etc/dome.conf"] == said["etc/dome.conf.rpmnew"] == ("0o640", 301, 301)
    assert said["usr/libexec/dome-open"] == ("0o4750", 0, 301)
    assert said["usr/libexec/dome-ping"] == ("0o755", 0, 0)
    assert found["usr/libexec/dome-ping"].capability != ""
    assert said["srv/plates"] == ("0o2775", 0, 301)
    assert said["var/spool/dome"] == ("0o1777", 0, 0)
    assert said["var/lib/dome"] == ("0o750", 301, 301)
    assert said["var/lib/dome/nights"] == ("0o2770", 301, 301)
    assert said["var/lib/dome/state"] == ("0o600", 301, 301)
    assert said["srv/shutter"] == ("0o660", 0, 301)
    assert (found["srv/shutter"].kind, found["srv/shutter"].device) == (tarfile.CHRTYPE, (1, 3))
    assert found["usr/share/observatory/stars"] == found["usr/share/observatory/suns"]
    assert "var/lib/dome/telescope" not in found


@pytest.mark.parametrize("name", _RECIPES)
def test_real_root_makes_the_same_tree(builder: Wherry, daemon: Docker, name: str) -> None:
    context = build(builder, name, _RECIPES[name])
    theirs = built_by_root(daemon, context, f"packages-{name}")
    ours = tree(builder, name)
    with daemon.exported(theirs) as other:
        expected = entries(other, _NOISE, _DIFFERS)
    assert ours.keys() ^ expected.keys() == set()
    different = {path: (ours[path], expected[path]) for path in ours if ours[path] != expected[path]}
    assert different == {}


@pytest.mark.parametrize("name", _RECIPES)
def test_two_builds_give_the_same_bytes(builder: Wherry, name: str) -> None:
    context = build(builder, name, _RECIPES[name])
    result = builder("build", "-q", "--check", str(context), timeout=280)
    assert result.status == 0, str(result)


def test_real_ids_make_the_same_tree(builder: Wherry) -> None:
    for way in ("supervisor", "range"):
        build(builder, f"rpm-{way}", _RPM, "--owners", way)
    assert tree(builder, "rpm-supervisor") == tree(builder, "rpm-range")


def test_pretending_lets_dnf_through(builder: Wherry) -> None:
    build(builder, "rpm-pretend", _PRETENDED, "--owners", "pretend")
    found = tree(builder, "rpm-pretend")
    assert found["usr/libexec/dome-open"][1:4] == (0o4750, 0, 0)
    assert found["var/lib/dome/telescope/metres"].uid == 0
