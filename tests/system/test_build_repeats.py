"""Builds that repeat: noise of programs is taken out by rules, and what cannot repeat is named down to the byte."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from wherry_command import Result, Wherry

NOISE = """\
FROM tiny
RUN random=/proc/sys/kernel/random/uuid && mkdir -p /var/log/apt /var/cache/ldconfig /usr/lib && \\
    date >/usr/lib/kept.tmp && rm /usr/lib/kept.tmp && \\
    cat $random >/var/log/dpkg.log && cat $random >/var/log/apt/term.log && \\
    cat $random >/var/cache/ldconfig/aux-cache && \\
    head -c 16 /dev/urandom | md5sum | cut -d' ' -f1 >/etc/machine-id && \\
    echo "root:*:$(($(date +%s) / 86400)):0:99999:7:::" >/etc/shadow && \\
    echo same | gzip >/usr/lib/same.gz
"""


@pytest.fixture
def stores(tmp_path: Path, tiny: str) -> tuple[Wherry, Wherry]:
    """Two machines, as far as a build can tell."""
    both = (Wherry(tmp_path / "one"), Wherry(tmp_path / "two"))
    for each in both:
        each.ok("pull", "-q", tiny)
        each.ok("tag", tiny, "tiny")
    return both


def build(wherry: Wherry, recipe: str, *options: str) -> Result:
    context = wherry.folder / "home/context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(recipe)
    return wherry("build", "-q", *options, str(context))


def test_noise_of_package_managers_makes_no_difference_between_machines(stores: tuple[Wherry, Wherry]) -> None:
    one, two = (build(each, NOISE) for each in stores)
    assert one.status == two.status == 0, f"{one}{two}"
    assert one.stdout == two.stdout != ""


def test_a_rule_can_be_turned_off_on_the_command_line_and_in_settings(stores: tuple[Wherry, Wherry]) -> None:
    one, two = (build(each, NOISE, "--no-rule", "dpkg-logs") for each in stores)
    assert one.status == two.status == 0, f"{one}{two}"
    assert one.stdout != two.stdout
    with_setting = Wherry(stores[0].folder, {"WHERRY_BUILD_RULES_OFF": "dpkg-logs"})
    assert build(with_setting, NOISE).stdout == one.stdout
    refused = build(stores[0], NOISE, "--no-rule", "dpkg-log")
    assert refused.status == 125
    assert "did you mean 'dpkg-logs'?" in refused.stderr


def test_a_build_says_what_it_made_to_repeat_and_what_it_cannot(stores: tuple[Wherry, Wherry]) -> None:
    key = "RUN mkdir -p /etc/ssh && head -c 40 /dev/urandom >/etc/ssh/ssh_host_rsa_key\n"
    context = stores[0].folder / "home/context"
    context.mkdir()
    (context / "Dockerfile").write_text(NOISE + key)
    result = stores[0]("build", "--progress", "plain", str(context))
    assert result.status == 0, str(result)
    assert "made to repeat: account-days, apt-logs, dpkg-logs, ldconfig-cache, machine-id" in result.stderr
    assert "'/etc/ssh/ssh_host_rsa_key' will differ from build to build (host-keys): they are random" in result.stderr


def test_check_finds_nothing_in_a_recipe_that_repeats(stores: tuple[Wherry, Wherry]) -> None:
    result = build(stores[0], NOISE, "--check")
    assert result.status == 0, str(result)
    assert result.stdout == build(stores[1], NOISE).stdout


def test_check_names_the_file_the_byte_and_the_cause(stores: tuple[Wherry, Wherry]) -> None:
    result = build(stores[0], "FROM tiny\nRUN mkdir /opt && cat /proc/sys/kernel/random/uuid >/opt/id\n", "--check")
    assert result.status == 1, str(result)
    assert re.search(r"/opt/id: content at byte \d\n", result.stdout)  # one digit in sixteen is the same by chance
    assert "an identifier drawn at random" in result.stdout


def test_check_finds_the_time_of_a_step_that_took_less_than_a_second(stores: tuple[Wherry, Wherry]) -> None:
    result = build(stores[0], "FROM tiny\nRUN date > /when\n", "--check")
    assert result.status == 1, str(result)
    assert "/when: content at byte " in result.stdout
