"""Rules on package managers: versions, answers, upgrades. What they install is read by :mod:`.installs`."""

from __future__ import annotations

from collections.abc import Iterator

from wherry.build.lint.installs import Install, installs
from wherry.build.lint.values import Found, Rule
from wherry.build.lint.view import View

__all__ = ["RULES"]

_VERSIONED = {
    "apt-get": (
        "DL3008",
        "{}=VERSION; 'apt-cache policy {}' in the image shows it, snapshot.debian.org keeps old ones",
    ),
    "aptitude": ("DL3008", "{}=VERSION"),
    "pip": ("DL3013", "{}==VERSION, or a file with -r or -c that has all versions"),
    "npm": ("DL3016", "{}@VERSION"),
    "apk": ("DL3018", "{}=VERSION, or {}=~VERSION"),
    "gem": ("DL3028", "gem install {}:VERSION"),
    "yum": ("DL3033", "{}-VERSION"),
    "zypper": ("DL3037", "{}=VERSION"),
    "dnf": ("DL3041", "{}-VERSION"),
    "go": ("DL3062", "{}@VERSION"),
    "conda": ("", "{}=VERSION, or an environment file with versions"),
    "cargo": ("", "cargo install --locked {}@VERSION"),
    "R": ("", "remotes::install_version('{}', 'VERSION'), or a dated snapshot as repos"),
    "julia": ("", 'Pkg.add(name="{}", version="VERSION"), or a Manifest.toml'),
}
_ANSWERS = {
    "apt-get": ("DL3014", "apt-get -y"),
    "aptitude": ("DL3014", "aptitude -y"),
    "yum": ("DL3030", "yum -y"),
    "zypper": ("DL3034", "zypper --non-interactive"),
    "dnf": ("DL3038", "dnf -y"),
    "conda": ("", "conda -y"),
}


_APT = ("apt-get", "apt", "aptitude")


def _every(view: View) -> Iterator[Install]:
    for run in view.runs:
        for command in run.commands:
            yield from installs(command)


def _unversioned(view: View) -> Iterator[Found]:
    for install in _every(view):
        loose = [package for package in install.packages if not package.versioned]
        if not loose:
            continue
        code, hint = _VERSIONED[install.manager]
        names = ", ".join(f"'{package.name}'" for package in loose[:4])
        more = f" and {len(loose) - 4} more" if len(loose) > 4 else ""
        message = f"{install.shown} installs {names}{more} without a version"
        first = loose[0].name.partition("://")[0]
        yield Found(install.command.at(loose[0].word), message, hint.replace("{}", first), code)


def _unanswered(view: View) -> Iterator[Found]:
    for install in _every(view):
        if install.manager in _ANSWERS and not install.answered and not install.command.call.before.startswith("|"):
            code, hint = _ANSWERS[install.manager]
            message = f"{install.shown} asks a question that nobody answers"
            yield Found(install.command.position, message, f"{hint} {install.verb} ...", code)


def _recommended(view: View) -> Iterator[Found]:
    if any("Install-Recommends" in run.text for run in view.runs):
        return
    for install in _every(view):
        said = any("recommends" in word.lower() for word in install.command.call.arguments)
        if install.manager in ("apt-get", "aptitude") and install.packages and not said:
            message = f"{install.shown} also installs what is only recommended"
            yield Found(install.command.position, message, "apt-get install -y --no-install-recommends ...")


def _apt(view: View) -> Iterator[Found]:
    for run in view.runs:
        for command in run.called("apt"):
            if any(
                word in ("install", "update", "upgrade", "remove", "full-upgrade") for word in command.call.arguments
            ):
                yield Found(command.position, "'apt' is for people at a terminal", "apt-get or apt-cache")


def _upgraded(view: View) -> Iterator[Found]:
    verbs = {
        "apt-get": ("dist-upgrade",),
        "apt": ("full-upgrade", "dist-upgrade"),
        "zypper": ("dist-upgrade", "dup"),
        "dnf": ("distro-sync", "system-upgrade"),
        "yum": ("distro-sync",),
        "do-release-upgrade": ("",),
    }
    for run in view.runs:
        for command in run.called(*verbs):
            name = command.call.name
            verb = next((word for word in (*command.call.arguments, "") if word in verbs[name]), None)
            if verb is not None:
                message = f"'{' '.join((name, verb)).strip()}' changes the distribution beneath the recipe"
                hint = "begin with the image of the release that you want"
                yield Found(command.position, message, hint, "DL3035" if name == "zypper" else "")


def _update_alone(view: View) -> Iterator[Found]:
    for run in view.runs:
        real = [command for command in run.commands if command.call.name not in ("", "set", "echo", "export", "true")]
        if real and all(each.call.name in _APT and "update" in each.call.arguments for each in real):
            message = "the lists are brought up to date in a step of their own"
            hint = "RUN apt-get update && apt-get install -y ..., in one step"
            yield Found(real[0].position, message, hint)


RULES = (
    Rule(
        "unversioned-install",
        ("DL3008", "DL3013", "DL3016", "DL3018", "DL3028", "DL3033", "DL3037", "DL3041", "DL3062"),
        "warning",
        "a package is installed without a version",
        "the next build installs what is newest then: results change, and nobody knows since when",
        _unversioned,
    ),
    Rule(
        "unanswered-question",
        ("DL3014", "DL3030", "DL3034", "DL3038"),
        "warning",
        "an installation asks a question that nobody answers",
        "a build has no terminal: the package manager stops, or takes silence for a no",
        _unanswered,
    ),
    Rule(
        "recommended-packages",
        ("DL3015",),
        "info",
        "apt-get installs what is only recommended",
        "recommended packages often double an image, and pull in what nobody asked for",
        _recommended,
    ),
    Rule(
        "end-user-apt",
        ("DL3027",),
        "warning",
        "'apt' is used in a script",
        "apt says itself that its interface is not stable in scripts; apt-get's is",
        _apt,
    ),
    Rule(
        "distribution-upgrade",
        ("DL3035",),
        "warning",
        "the whole distribution is replaced",
        "the image is no longer what FROM says, and each build makes another one",
        _upgraded,
    ),
    Rule(
        "update-alone",
        (),
        "warning",
        "package lists are fetched in a step of their own",
        "the step is taken from the cache for weeks, and a later install then asks for versions that are gone",
        _update_alone,
    ),
)
