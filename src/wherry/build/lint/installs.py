"""What package managers are told to install: the packages of a command line, and which of them have a version."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from wherry.build.lint.shellwords import Word
from wherry.build.lint.view import Command

__all__ = ["Install", "Package", "installs"]


class Package(msgspec.Struct, frozen=True):
    name: str
    word: Word
    versioned: bool


class Install(msgspec.Struct, frozen=True, kw_only=True):
    """One installation. ``manager`` is a key of the rules' tables (pip3 is ``pip``), ``shown`` its name as written."""

    manager: str
    verb: str
    command: Command
    packages: tuple[Package, ...]
    answered: bool = True

    @property
    def shown(self) -> str:
        return self.command.call.name


_ARCHIVES = (
    ".deb",
    ".rpm",
    ".apk",
    ".whl",
    ".gem",
    ".tgz",
    ".tar.gz",
    ".tar.bz2",
    ".conda",
    ".zip",
    ".tar.xz",
    ".udeb",
)


class _Manager(msgspec.Struct, frozen=True, kw_only=True):
    """``verbs`` install; ``valued`` are options whose value is the next word; ``version`` matches a versioned package;
    ``yes`` are the options that answer; ``spares``: with one of these a command needs no versions (lists, files)."""

    verbs: tuple[str, ...]
    valued: tuple[str, ...] = ()
    version: str = "="
    yes: tuple[str, ...] = ()
    spares: tuple[str, ...] = ()


_RPM = _Manager(
    verbs=("install", "groupinstall", "localinstall", "reinstall"),
    valued=("-c", "--config", "--enablerepo", "--disablerepo", "--repo", "--repoid", "--setopt", "--installroot", "-x"),
    version=r"-\d|^@|[<>=] *\d|\*$",
    yes=("-y", "--assumeyes", "--assumeno"),
)
_APT = _Manager(
    verbs=("install",),
    valued=("-o", "--option", "-t", "--target-release", "--default-release", "-c", "--config-file", "-a"),
    version=r"=|/|-$|\*$",
    yes=("-y", "--yes", "--assume-yes", "-qq", "--simulate", "-s", "--download-only"),
)
_CONDA = _Manager(
    verbs=("install", "create", "env"),
    valued=("-n", "--name", "-p", "--prefix", "-c", "--channel", "--solver", "-f", "--file", "--platform", "--subdir"),
    version=r"[=<>]|@|::.*=",
    yes=("-y", "--yes", "-f", "--file", "--dry-run", "-d"),
    spares=("--file", "-f"),
)
_MANAGERS = {
    "apt-get": _APT,
    "apt": _APT,
    "aptitude": _APT,
    "yum": _RPM,
    "dnf": _RPM,
    "dnf5": _RPM,
    "microdnf": _RPM,
    "zypper": _Manager(
        verbs=("install", "in"),
        valued=("-r", "--repo", "-t", "--type", "--from", "-R", "--root", "-C"),
        version=r"[=<>]|-\d",
        yes=("-y", "--no-confirm", "--non-interactive", "-n"),
    ),
    "apk": _Manager(
        verbs=("add",),
        valued=("-t", "--virtual", "-X", "--repository", "--repositories-file", "-p", "--root", "--arch", "--keys-dir"),
        version=r"[=<>~]|^\.",
    ),
    "npm": _Manager(
        verbs=("install", "i", "add"),
        valued=("--prefix", "--registry", "-C"),
        version=r".@(?!latest$)|^git|://|^\.|^/|#",
    ),
    "gem": _Manager(
        verbs=("install", "i"),
        valued=("-v", "--version", "-s", "--source", "-i", "--install-dir", "-n", "--bindir"),
        version=r":\d|=",
        spares=("-v", "--version", "-g", "--file"),
    ),
    "go": _Manager(
        verbs=("install", "get"), valued=("-o", "-p", "-tags", "-ldflags", "-C"), version=r"@(?!latest$)|^\."
    ),
    "conda": _CONDA,
    "mamba": _CONDA,
    "micromamba": _CONDA,
    "cargo": _Manager(
        verbs=("install",),
        valued=("--version", "--vers", "--path", "--git", "--rev", "--tag", "--branch", "--root", "--features", "-F"),
        version="@",
        spares=("--version", "--vers", "--path", "--git"),
    ),
    "pip": _Manager(
        verbs=("install",),
        valued=(
            *(
                "-r",
                "--requirement",
                "-c",
                "--constraint",
                "-e",
                "--editable",
                "-i",
                "--index-url",
                "--extra-index-url",
            ),
            *("-t", "--target", "--prefix", "--root", "-f", "--find-links", "--trusted-host", "--python", "-p"),
            *("--no-binary", "--only-binary", "--platform", "--python-version", "--cache-dir", "--proxy", "--cert"),
            *(
                "--timeout",
                "--retries",
                "--src",
                "--upgrade-strategy",
                "--config-settings",
                "-C",
                "--log",
                "--progress-bar",
            ),
        ),
        version=r"===?|[<>~!]=?|^\.|^/|\.(?:whl|gz|zip|bz2)(?:$|[#?\[])|@.*@|@ *file:|\.[\w]+/",
        spares=("-c", "--constraint", "--no-index", "--require-hashes"),
    ),
}
_CALLED = {"dnf5": "dnf", "microdnf": "dnf", "apt": "apt-get", "mamba": "conda", "micromamba": "conda"}
_PIP = re.compile(r"pip(?:\d(?:\.\d+)?)?$")
_PYTHON = re.compile(r"(?:python|pypy)(?:\d(?:\.\d+)?)?$")
_TOOLS_OF_PIP = frozenset(("pip", "setuptools", "wheel"))


def installs(command: Command) -> Iterator[Install]:
    """What the command installs; nothing for one that is no package manager, or does something else."""
    words = command.call.words
    name = command.call.name
    if name in ("Rscript", "R", "r", "littler", "install2.r", "julia"):
        yield from _by_language(command)
        return
    if _PYTHON.match(name) and len(words) > 2 and words[1].text == "-m" and words[2].text == "pip":
        name, words = "pip", words[2:]
    elif name == "uv" and len(words) > 1 and words[1].text == "pip":
        name, words = "pip", words[1:]
    elif _PIP.match(name) or name == "pipx":
        name = "pip"
    manager = _MANAGERS.get(name)
    if manager is None:
        return
    operands, options = _sorted_words(words[1:], manager)
    if not operands or operands[0].text not in manager.verbs:
        return
    verb, packages = operands[0].text, operands[1:]
    if verb == "env":  # conda env create -f FILE: its versions are the file's
        return
    loose_spared = any(option.partition("=")[0] in manager.spares for option in options)
    found = tuple(_package(word, manager, name, spared=loose_spared) for word in packages if _counts(word, name))
    yield Install(
        manager=_CALLED.get(name, name),
        verb=verb,
        command=command,
        packages=found,
        answered=not manager.yes or _is_answered(options, manager),
    )


def _sorted_words(words: tuple[Word, ...], manager: _Manager) -> tuple[list[Word], list[str]]:
    """Operands, and options without their values."""
    operands: list[Word] = []
    options: list[str] = []
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if word.text[:1] == "-" and len(word.text) > 1:
            options.append(word.text)
            position += word.text in manager.valued
        else:
            operands.append(word)
    return operands, options


def _is_answered(options: list[str], manager: _Manager) -> bool:
    for option in options:
        if option in manager.yes or option.partition("=")[0] in manager.yes:
            return True
        if re.fullmatch(r"-[A-Za-z]+", option) and "y" in option:
            return True
    return any(option.startswith("$") for option in options)


def _counts(word: Word, name: str) -> bool:
    """Whether the word names a package: no variable, no substitution, no local file."""
    text = word.text
    if not text or word.expands or text in (".", "..") or text[:1] in ("+", "<", ">"):
        return False
    if name != "pip" and "://" not in text and (text.startswith(("./", "../", "/")) or text.endswith(_ARCHIVES)):
        return False
    return "*" not in text or name in ("apt-get", "dnf", "yum")


def _package(word: Word, manager: _Manager, name: str, *, spared: bool) -> Package:
    versioned = spared or bool(re.search(manager.version, word.text))
    if name == "pip" and word.text.lower() in _TOOLS_OF_PIP:
        versioned = True  # the installer's own tools leave no trace in what is installed
    if name == "pip" and word.text.startswith(("git+", "hg+", "svn+")):
        versioned = "@" in word.text.partition("://")[2].partition("/")[2]
    return Package(word.text, word, versioned)


_R_CALL = re.compile(
    r"""(?<!\w)(?:install\.packages|BiocManager::install|install_github|pak::pkg_install|pak::pak)\(([^)]{0,2000}\)?[^)]{0,2000})"""
)
_R_QUOTED = re.compile(r"""(?<![=\w]\s)(?<![=\w])["']([A-Za-z][\w./-]*(?:@[\w.-]+)?)["']""")
_R_FIXED = re.compile(r"\d{4}-\d{2}-\d{2}|repos ?= ?NULL|\bversion ?=")
"""A dated snapshot, a local file, a release of Bioconductor."""
_JULIA_ADD = re.compile(r"""Pkg\.add\(\s*["'](\w+)["']\s*\)|\badd ([A-Z]\w*)(?![\w@])""")


def _by_language(command: Command) -> Iterator[Install]:
    """``install.packages("x")`` in ``Rscript -e``, ``Pkg.add("X")`` in ``julia -e``."""
    if command.call.name == "julia":
        for word in command.call.words[1:]:
            names = tuple(Package(found[1] or found[2], word, False) for found in _JULIA_ADD.finditer(word.text))
            if names and "version" not in word.text:
                yield Install(manager="julia", verb="add", command=command, packages=names)
        return
    for word in command.call.words[1:]:
        for call in _R_CALL.finditer(word.text):
            if _R_FIXED.search(word.text):
                continue
            body = re.sub(r"\w+\s*=\s*(?:c\([^)]*\)|[\"'][^\"']*[\"'])", "", call[1])
            names = tuple(Package(name, word, "@" in name) for name in _R_QUOTED.findall(body) if "://" not in name)
            if names:
                yield Install(manager="R", verb="install", command=command, packages=names)
