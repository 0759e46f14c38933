"""Rules on what a recipe fetches from the network by itself."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator

from wherry.build.dockerfile.instructions import Add
from wherry.build.lint.shellwords import Word
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import Command, RunView, View

__all__ = ["RULES"]

_URL = re.compile(r"(?:https?|ftp)://", re.IGNORECASE)
_LOCAL = re.compile(r"https?://(?:localhost|127\.0\.0\.1|\[::1\]|deb\.debian\.org)(?:[:/]|$)")
_CHECKS = re.compile(
    r"\b(?:sha(?:1|224|256|384|512)(?:sum)?|shasum|b2sum|b3sum|cksum|md5sum|md5|gpgv?2?|minisign|cosign|signify|rhash)\b"
    r"|openssl (?:dgst|sha)|hashlib|--checksum"
)
_SHELLS = frozenset(
    ("sh", "bash", "dash", "ash", "zsh", "python", "python3", "perl", "ruby", "Rscript", "tclsh", "node")
)
_GIT_URL = re.compile(
    r"(?:git@[\w.-]+:|git://|ssh://|https?://[^#?]*?\.git(?:[#?]|$))|https?://github\.com/[^/]+/[^/#]+(?:#|$)"
)
_COMMIT = re.compile(r"\b[0-9a-f]{40}\b|\b[0-9a-f]{7,64}\b")
_VERSION = re.compile(r"\d+[._]\d+|^v?\d+$|-\d")
_KEYS = re.compile(r"\.(?:asc|gpg|sig|key|pub|sha\d+|sha\d+sum|md5|sum|minisig)(?:$|[?#])", re.IGNORECASE)


def _fetched(command: Command) -> Word | None:
    """The first URL that the command fetches."""
    if command.call.name not in ("curl", "wget", "aria2c", "axel"):
        return None
    words = command.call.words[1:]
    if any(word.text in ("-I", "--head", "--spider", "-X", "--request", "-d", "--data") for word in words):
        return None
    return next((word for word in words if _URL.match(word.text) and not _LOCAL.match(word.text)), None)


def _into_shell(view: View) -> Iterator[Found]:
    for run in view.runs:
        yield from (_run_at_once(command, word) for command, word in _run_fetches(run))


def _run_at_once(command: Command, word: Word) -> Found:
    hint = "fetch it to a file, compare its sha256sum, then run it"
    return Found(command.position, f"'{_short(word.text)}' is run as it comes from the network", hint)


def _run_fetches(run: RunView) -> Iterator[tuple[Command, Word]]:
    """What is fetched straight into an interpreter: by a pipe, or as a substitution in its words."""
    runners = (*_SHELLS, "eval", "source", ".")
    inside = sorted(
        (start, start + len(text))
        for command in run.commands
        if not command.call.nested and command.call.name in runners
        for word in command.call.words
        for start, text in word.inner
    )
    starts = [start for start, _ in inside]
    for pipeline in run.pipelines():
        last = max((index for index, command in enumerate(pipeline) if command.call.name in _SHELLS), default=-1)
        for index, command in enumerate(pipeline):
            word = _fetched(command)
            if word is None:
                continue
            at = bisect_right(starts, word.offset) - 1
            if index < last or (command.call.nested and at >= 0 and word.offset < inside[at][1]):
                yield command, word


def _unchecked(view: View) -> Iterator[Found]:
    for run in view.runs:
        if _CHECKS.search(run.text):
            continue
        run_at_once = {word.offset for _, word in _run_fetches(run)}
        for command in run.commands:
            word = _fetched(command)
            if word is not None and not _KEYS.search(word.text) and word.offset not in run_at_once:
                message = f"nothing compares '{_short(word.text)}' with a checksum"
                hint = "echo 'SHA256  FILE' | sha256sum -c, in the same RUN; or ADD --checksum=sha256:... URL FILE"
                yield Found(command.at(word), message, hint)
    for stage in view.stages:
        for add in stage.of(Add):
            for source in add.sources:
                if _URL.match(source) and not _GIT_URL.search(source) and not add.checksum:
                    message = f"nothing compares '{_short(source)}' with a checksum"
                    yield Found(view.at(add, source), message, "ADD --checksum=sha256:... " + _short(source))


def _short(url: str) -> str:
    """Without what may be a password, and not longer than a line."""
    shown = re.sub(r"//[^/@]*@", "//", url)
    return shown if len(shown) <= 60 else shown[:59] + "…"


def _unpinned_git(view: View) -> Iterator[Found]:
    for command, url, state in _clones(view):
        if state == "":
            hint = "git clone URL DIR && git -C DIR checkout COMMIT; or ADD URL#COMMIT DIR"
            yield Found(command.position, f"'{_short(url)}' is cloned as it is that day", hint)
    for stage in view.stages:
        for add in stage.of(Add):
            for source in add.sources:
                reference = source.partition("#")[2].partition(":")[0]
                if _GIT_URL.search(source) and "$" not in reference and not _is_pinned(reference) and not add.checksum:
                    message = f"'{_short(source)}' is fetched as it is that day"
                    yield Found(view.at(add, source), message, "name a commit: URL#COMMIT")


def _tagged_git(view: View) -> Iterator[Found]:
    for command, url, state in _clones(view):
        if state == "tag":
            hint = "name the commit: git checkout COMMIT"
            yield Found(command.position, f"'{_short(url)}' is cloned by a tag, which can be moved", hint)


def _is_pinned(reference: str) -> bool:
    return bool(_COMMIT.fullmatch(reference) or _VERSION.search(reference))


def _clones(view: View) -> Iterator[tuple[Command, str, str]]:
    """Each clone: what it clones, and by what: commit, tag or nothing."""
    for run in view.runs:
        fixed = any(_fixes(command) for command in run.commands)
        for command in run.called("git"):
            arguments = _after_options(command.call.words[1:])
            if not arguments or arguments[0].text != "clone":
                continue
            url = next((word.text for word in arguments[1:] if "://" in word.text or word.text.startswith("git@")), "")
            if not url:
                continue
            words = [word.text for word in arguments]
            branch = ""
            for index, word in enumerate(words):
                if word in ("-b", "--branch", "--revision") and index + 1 < len(words):
                    branch = words[index + 1]
                elif word.startswith(("--branch=", "--revision=")):
                    branch = word.partition("=")[2]
            is_tag = bool(branch) and ("$" in branch or _is_pinned(branch))
            yield command, url, "commit" if fixed else "tag" if is_tag else ""


def _fixes(command: Command) -> bool:
    """Whether a git command goes to a commit or a tag that the recipe names."""
    if command.call.name != "git":
        return False
    arguments = _after_options(command.call.words[1:])
    if not arguments or arguments[0].text not in ("checkout", "reset", "switch", "fetch", "submodule"):
        return False
    return any("$" in word.text or _is_pinned(word.text) or word.text.startswith("tags/") for word in arguments[1:])


def _after_options(words: tuple[Word, ...]) -> tuple[Word, ...]:
    """The words after git's own options."""
    while words and words[0].text[:1] == "-":
        words = words[2:] if words[0].text in ("-C", "-c", "--git-dir", "--work-tree") else words[1:]
    return words


_OFF = {
    "curl": re.compile(r"-[a-zA-Z]*k[a-zA-Z]*|--insecure|--proxy-insecure"),
    "wget": re.compile(r"--no-check-certificate|--no-hsts"),
    "apt-get": re.compile(
        r"--allow-unauthenticated|--force-yes|--allow-insecure-repositories|.*AllowUnauthenticated=.*"
    ),
    "yum": re.compile(r"--nogpgcheck|--no-gpgchecks"),
    "dnf": re.compile(r"--nogpgcheck|--no-gpgchecks"),
    "zypper": re.compile(r"--no-gpg-checks|--gpg-auto-import-keys"),
    "apk": re.compile(r"--allow-untrusted"),
    "git": re.compile(r"http\.sslVerify=(?:false|0)", re.IGNORECASE),
    "pip": re.compile(r"--trusted-host(?:=.*)?"),
    "pip3": re.compile(r"--trusted-host(?:=.*)?"),
    "npm": re.compile(r"--strict-ssl=false|--no-strict-ssl"),
    "conda": re.compile(r"--insecure|-k"),
}
_OFF_ANYWHERE = re.compile(
    r"\[[^]\n]{0,200}trusted=yes[^]\n]{0,200}\]|GIT_SSL_NO_VERIFY=(?:1|true)|NODE_TLS_REJECT_UNAUTHORIZED=0|PYTHONHTTPSVERIFY=0"
    r"|http\.sslVerify (?:false|0)|ssl_verify:? (?:false|no)|strict-ssl false",
    re.IGNORECASE,
)


def _unverified(view: View) -> Iterator[Found]:
    hint = "have the certificate or the key in the image instead: COPY it to where the program looks for it"
    for command in view.commands:
        pattern = _OFF.get(command.call.name)
        for word in command.call.words[1:] if pattern else ():
            if pattern and pattern.fullmatch(word.text):
                yield Found(
                    command.at(word), f"'{word.text}' turns off that {command.call.name} checks who answers", hint
                )
                break
    for instruction in view.all:
        found = _OFF_ANYWHERE.search(instruction.text)
        if found:
            yield Found(view.at(instruction, found[0]), f"'{found[0]}' turns off that signatures are checked", hint)


def _two_fetchers(view: View) -> Iterator[Found]:
    for stage in view.stages:
        used = {
            name: command
            for run in stage.runs
            for command in reversed(run.commands)
            if (name := command.call.name) in ("wget", "curl")
        }
        if len(used) == 2:
            later = max(used.values(), key=lambda command: command.position)
            yield Found(later.position, "both wget and curl are used", "take one of them, and install one less package")


def _noisy_wget(view: View) -> Iterator[Found]:
    quiet = re.compile(r"-[A-Za-z]*q|-nv|--quiet|--no-verbose|--progress|-[oa]$|--output-file|--append-output")
    for command in view.commands:
        if command.call.name == "wget" and _fetched(command) and not any(map(quiet.match, command.call.arguments)):
            message = "wget without a terminal writes a line for every 50 kB"
            yield Found(command.position, message, "wget --progress=dot:giga, or -nv")


RULES = (
    Rule(
        "download-to-shell",
        (),
        "warning",
        "a script is run as it comes from the network",
        "half a script is run if the connection breaks; another script is run if the server's owner changes",
        _into_shell,
    ),
    Rule(
        "download-unchecked",
        (),
        "warning",
        "a download is not compared with a checksum",
        "a replaced or broken file goes into the image unnoticed, today or at the next build",
        _unchecked,
    ),
    Rule(
        "git-unpinned",
        (),
        "warning",
        "a git repository is cloned as it is that day",
        "each build gets other code under the same name",
        _unpinned_git,
    ),
    Rule(
        "git-tag",
        (),
        "info",
        "a git repository is cloned by a tag",
        "tags can be moved, commits cannot",
        _tagged_git,
    ),
    Rule(
        "verification-off",
        (),
        "warning",
        "certificates or signatures are not checked",
        "whoever is on the way can replace what is downloaded; in most cases only a certificate authority is missing",
        _unverified,
    ),
    Rule(
        "two-downloaders",
        ("DL4001",),
        "info",
        "both wget and curl are used",
        "each brings its own libraries and settings for proxies and certificates",
        _two_fetchers,
    ),
    Rule(
        "wget-progress",
        ("DL3047",),
        "info",
        "wget fills the log with its progress",
        "the line that says what failed is not found in it",
        _noisy_wget,
    ),
)
