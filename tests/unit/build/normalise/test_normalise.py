"""Rules over an upper directory: noise goes, all else stays, and what two runs leave is the same."""

from __future__ import annotations

import os
import py_compile
import time
from pathlib import Path

import pytest

from wherry.base.errors import NotFound, UsageError
from wherry.build.certificates import added
from wherry.build.normalise import RULES, Change, chosen, epoch, fingerprint, normalise, summary, warnings
from wherry.build.normalise.epochs import FIXED

EPOCH = 1_000_000_000
PEM = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"


def write(folder: Path, path: str, content: bytes = b"x", mode: int = 0o644) -> Path:
    place = folder / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(content)
    place.chmod(mode)
    return place


def done(changes: tuple[Change, ...]) -> dict[str, tuple[str, str]]:
    return {change.path: (change.rule, change.done) for change in changes}


def test_the_seven_noisy_files_of_an_apt_layer_go_and_nothing_else(tmp_path: Path) -> None:
    noise = {
        "var/cache/apt/pkgcache.bin": "apt-caches",
        "var/cache/apt/srcpkgcache.bin": "apt-caches",
        "var/cache/ldconfig/aux-cache": "ldconfig-cache",
        "var/log/alternatives.log": "dpkg-logs",
        "var/log/apt/history.log": "apt-logs",
        "var/log/apt/term.log": "apt-logs",
        "var/log/dpkg.log": "dpkg-logs",
    }
    kept = (
        "var/lib/dpkg/status",
        "etc/ld.so.cache",
        "var/log/mine.log",
        "srv/var/log/dpkg.log",
        "var/log/dpkg.log.d/x",
    )
    for path in (*noise, *kept):
        write(tmp_path, path)
    assert done(normalise(str(tmp_path), RULES, EPOCH, EPOCH)) == {
        path: (rule, "dropped") for path, rule in noise.items()
    }
    assert [path for path in noise if (tmp_path / path).exists()] == []
    assert [path for path in kept if not (tmp_path / path).exists()] == []


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    write(tmp_path, "etc/machine-id", b"0123456789abcdef0123456789abcdef\n")
    write(tmp_path, "var/log/dpkg.log")
    assert len(normalise(str(tmp_path), RULES, EPOCH, EPOCH)) == 2
    assert normalise(str(tmp_path), RULES, EPOCH, EPOCH) == ()


def test_two_machines_get_one_identity(tmp_path: Path) -> None:
    for machine, text in (("a", b"3" * 32), ("b", b"4" * 32)):
        write(tmp_path / machine, "etc/machine-id", text + b"\n", 0o444)
        normalise(str(tmp_path / machine), RULES, EPOCH, EPOCH)
    one, two = tmp_path / "a/etc/machine-id", tmp_path / "b/etc/machine-id"
    assert one.read_bytes() == two.read_bytes() != b"3" * 32 + b"\n"
    assert len(one.read_bytes()) == 33
    assert one.stat().st_mode & 0o7777 == 0o444


def test_notes_that_dnf_keeps_as_attributes_go_and_the_rest_of_the_file_stays(tmp_path: Path) -> None:
    place = write(tmp_path, "var/cache/dnf/local-1/repodata/1-primary.xml.gz", b"packages")
    os.setxattr(write(tmp_path, "srv/mine"), "user.Librepo.checksum.mtime", b"1")
    for name, value in (
        ("user.Librepo.checksum.mtime", b"1"),
        ("user.Librepo.checksum.sha256", b"2"),
        ("user.x", b"3"),
    ):
        os.setxattr(place, name, value)
    os.utime(place, (5, 7))
    place.chmod(0o444)
    changed = {"var/cache/dnf/local-1/repodata/1-primary.xml.gz": ("dnf-attributes", "rewritten")}
    assert done(normalise(str(tmp_path), RULES, EPOCH, EPOCH)) == changed
    assert (os.listxattr(place), place.read_bytes(), place.stat().st_mtime) == (["user.x"], b"packages", 7)
    assert place.stat().st_mode & 0o7777 == 0o444
    assert os.listxattr(tmp_path / "srv/mine") == ["user.Librepo.checksum.mtime"]
    assert normalise(str(tmp_path), RULES, EPOCH, EPOCH) == ()


def test_times_modes_links_and_attributes_of_what_is_rewritten_stay(tmp_path: Path) -> None:
    place = write(tmp_path, "etc/shadow", b"root:*:20000:0:99999:7:::\n", 0o640)
    os.setxattr(place, "user.wherry.owner", b"0:42:640")
    os.link(place, tmp_path / "etc/second")
    os.utime(place, (5, 7))
    os.utime(tmp_path / "etc", (5, 9))
    assert done(normalise(str(tmp_path), RULES, EPOCH, EPOCH)) == {"etc/shadow": ("account-days", "rewritten")}
    assert (tmp_path / "etc/second").read_bytes() == b"root:*:11574:0:99999:7:::\n"
    found = place.stat()
    assert (found.st_mtime, found.st_mode & 0o7777, found.st_nlink) == (7, 0o640, 2)
    assert (tmp_path / "etc").stat().st_mtime == 9
    assert os.getxattr(place, "user.wherry.owner") == b"0:42:640"


@pytest.mark.parametrize("mode", [0o000, 0o200, 0o400])
def test_a_file_that_not_even_its_owner_may_read_or_write_is_rewritten_and_stays_so(tmp_path: Path, mode: int) -> None:
    place = write(tmp_path, "etc/shadow", b"root:*:20000:0:99999:7:::\n", mode)
    assert done(normalise(str(tmp_path), RULES, EPOCH, EPOCH)) == {"etc/shadow": ("account-days", "rewritten")}
    assert place.stat().st_mode & 0o7777 == mode
    place.chmod(0o600)
    assert place.read_bytes() == b"root:*:11574:0:99999:7:::\n"


def test_a_folder_keeps_its_time_when_something_in_it_goes(tmp_path: Path) -> None:
    write(tmp_path, "var/log/dpkg.log")
    os.utime(tmp_path / "var/log", (3, 4))
    normalise(str(tmp_path), RULES, EPOCH, EPOCH)
    assert (tmp_path / "var/log").stat().st_mtime == 4


def test_only_what_the_step_made_counts_where_its_beginning_is_known(tmp_path: Path) -> None:
    began = 20_500 * 86_400
    odd = b"odd:line\nhuge:*:" + b"9" * 5000 + b":0:99999:7:::\n"
    place = write(tmp_path, "etc/shadow", b"old:*:20000:0:99999:7:::\nnew:*:20500:0:99999:7:::\n" + odd)
    normalise(str(tmp_path), RULES, EPOCH, began)
    assert place.read_bytes() == b"old:*:20000:0:99999:7:::\nnew:*:11574:0:99999:7:::\n" + odd


def test_compiled_python_follows_its_source_whose_time_is_clamped(tmp_path: Path) -> None:
    for name in ("late.py", "early.py"):
        source = write(tmp_path, f"lib/{name}", b"x = 1\n")
        os.utime(source, (EPOCH + 50, EPOCH + 50) if name == "late.py" else (EPOCH - 50, EPOCH - 50))
        py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP, doraise=True)
    changes = normalise(str(tmp_path), RULES, EPOCH, EPOCH)
    assert [Path(change.path).name.split(".")[0] for change in changes] == ["late"]
    times = {place.name.split(".")[0]: place.read_bytes()[8:12] for place in tmp_path.glob("lib/__pycache__/*.pyc")}
    assert times == {"late": EPOCH.to_bytes(4, "little"), "early": (EPOCH - 50).to_bytes(4, "little")}


@pytest.mark.parametrize(
    "mode", [py_compile.PycInvalidationMode.CHECKED_HASH, py_compile.PycInvalidationMode.TIMESTAMP]
)
def test_compiled_python_that_says_no_time_or_another_one_is_left(tmp_path: Path, mode: object) -> None:
    source = write(tmp_path, "lib/a.py", b"x = 1\n")
    os.utime(source, (EPOCH + 50, EPOCH + 50))
    py_compile.compile(str(source), invalidation_mode=mode, doraise=True)  # type: ignore[arg-type]
    os.utime(source, (EPOCH + 60, EPOCH + 60))
    (compiled,) = tmp_path.glob("lib/__pycache__/*.pyc")
    before = compiled.read_bytes()
    assert normalise(str(tmp_path), RULES, EPOCH, EPOCH) == ()
    assert compiled.read_bytes() == before


def test_compiled_python_beside_its_source_counts_as_well(tmp_path: Path) -> None:
    source = write(tmp_path, "lib/a.py", b"x = 1\n")
    os.utime(source, (EPOCH + 50, EPOCH + 50))
    timestamp = py_compile.PycInvalidationMode.TIMESTAMP
    py_compile.compile(str(source), str(tmp_path / "lib/a.pyc"), invalidation_mode=timestamp, doraise=True)
    assert done(normalise(str(tmp_path), RULES, EPOCH, EPOCH)) == {"lib/a.pyc": ("python-compiled", "rewritten")}


def test_a_link_in_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path, "outside/machine-id", b"3" * 32 + b"\n")
    write(tmp_path, "outside/dpkg.log")
    upper = tmp_path / "upper"
    (upper / "etc").mkdir(parents=True)
    (upper / "var").mkdir()
    (upper / "etc/machine-id").symlink_to(outside)
    (upper / "var/log").symlink_to(tmp_path / "outside")
    assert normalise(str(upper), RULES, EPOCH, EPOCH) == ()
    assert outside.read_bytes() == b"3" * 32 + b"\n"
    assert (tmp_path / "outside/dpkg.log").exists()


def test_what_may_not_be_changed_is_left_and_told(tmp_path: Path) -> None:
    write(tmp_path, "var/log/dpkg.log")
    (tmp_path / "var/log").chmod(0o555)
    try:
        (change,) = normalise(str(tmp_path), RULES, EPOCH, EPOCH)
        assert (change.rule, change.done, change.note) == ("dpkg-logs", "left", "permission denied")
    finally:
        (tmp_path / "var/log").chmod(0o755)


def test_a_tree_deeper_than_paths_are_long_ends_without_an_error(tmp_path: Path) -> None:
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(60):
        os.mkdir("n" * 200, dir_fd=here)
        below = os.open("n" * 200, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    write(tmp_path, "var/log/dpkg.log")
    assert done(normalise(str(tmp_path), RULES, EPOCH, EPOCH)) == {"var/log/dpkg.log": ("dpkg-logs", "dropped")}


def test_a_warning_changes_nothing(tmp_path: Path) -> None:
    place = write(tmp_path, "etc/ssh/ssh_host_rsa_key", b"secret")
    (change,) = normalise(str(tmp_path), RULES, EPOCH, EPOCH)
    assert (change.done, place.read_bytes()) == ("warned", b"secret")
    assert "everybody" in change.note


def test_the_building_machine_s_authorities_leave_a_set_that_was_copied_up(tmp_path: Path) -> None:
    images = PEM % b"aW1hZ2U="
    shown = added(images, (PEM % b"aG9zdA==",))
    place = write(tmp_path, "etc/ssl/certs/ca-certificates.crt", shown + PEM % b"bW9yZQ==")
    whole = write(tmp_path, "opt/copied.pem", shown)
    assert {change.rule for change in normalise(str(tmp_path), RULES, EPOCH, EPOCH)} == {"host-authorities"}
    assert place.read_bytes() == images + PEM % b"bW9yZQ=="
    assert whole.read_bytes() == images


def test_names_that_are_not_utf8_pass(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/b\xffd"
    os.mkdir(folder)
    with open(folder + b"/perllocal.pod", "wb"):
        pass
    (change,) = normalise(str(tmp_path), RULES, EPOCH, EPOCH)
    assert os.fsencode(change.path) == b"b\xffd/perllocal.pod"


def test_a_rule_can_be_turned_off(tmp_path: Path) -> None:
    write(tmp_path, "var/log/dpkg.log")
    rules = chosen(["dpkg-logs"])
    assert len(rules) == len(RULES) - 1
    assert normalise(str(tmp_path), rules, EPOCH, EPOCH) == ()
    assert chosen(["all"]) == ()
    with pytest.raises(NotFound, match="there is no rule 'dpkg-log'") as raised:
        chosen(["dpkg-log"])
    assert raised.value.hint == "did you mean 'dpkg-logs'?"


def test_what_rules_mean_is_in_the_key_of_a_step() -> None:
    assert fingerprint(RULES, EPOCH) == fingerprint(chosen(), EPOCH)
    assert fingerprint(RULES, EPOCH) != fingerprint(RULES, EPOCH + 1)
    assert fingerprint(RULES, EPOCH) != fingerprint(chosen(["dpkg-logs"]), EPOCH)
    assert fingerprint(RULES, EPOCH) == fingerprint(chosen(["host-keys"]), EPOCH), "a warning changes no layer"


def test_the_epoch_is_the_variable_then_the_commit_then_fixed() -> None:
    assert epoch(7, {"SOURCE_DATE_EPOCH": "5"}) == (5, "SOURCE_DATE_EPOCH")
    assert epoch(7, {"SOURCE_DATE_EPOCH": ""}) == (7, "the recipe's commit")
    assert epoch(None, {}) == (FIXED, "a fixed date")
    for text in ("-1", "1e9", "tomorrow", "²", "9" * 30):
        with pytest.raises(UsageError, match="SOURCE_DATE_EPOCH"):
            epoch(None, {"SOURCE_DATE_EPOCH": text})


def test_a_zip_archive_can_hold_the_fixed_date_in_every_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    import zipfile

    for zone in ("UTC+12", "UTC-14"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        assert zipfile.ZipInfo("x", time.localtime(FIXED)[:6]).date_time[0] == 1980
    monkeypatch.undo()
    time.tzset()


def test_what_rules_did_is_told_in_a_line_and_what_they_cannot_in_a_sentence(tmp_path: Path) -> None:
    for path in ("var/log/dpkg.log", "var/log/alternatives.log", "etc/machine-id", "etc/ssh/ssh_host_a_key"):
        write(tmp_path, path, b"3" * 32)
    write(tmp_path, "etc/ssh/ssh_host_\x1b[31m_key")
    changes = normalise(str(tmp_path), RULES, EPOCH, EPOCH)
    assert summary(changes) == "made to repeat: dpkg-logs 2, machine-id"
    (text,) = warnings(changes)
    assert text.startswith("'/etc/ssh/ssh_host_\\x1b[31m_key' and 1 more will differ from build to build (host-keys): ")
    assert (summary(()), warnings(())) == ("", ())
