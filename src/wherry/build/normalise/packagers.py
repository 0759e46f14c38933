"""What package managers of distributions leave: apt and dpkg, dnf and rpm, zypper, apk."""

from __future__ import annotations

from wherry.build.normalise.rule import Rule

__all__ = ["RULES"]

RULES = (
    Rule(
        name="apt-caches",
        program="apt",
        action="drop",
        sentence="apt's two index caches",
        why="they hold times of files; apt makes them anew from its lists when it needs them",
        paths=("var/cache/apt/pkgcache.bin", "var/cache/apt/srcpkgcache.bin"),
    ),
    Rule(
        name="apt-logs",
        program="apt",
        action="drop",
        sentence="apt's logs of what it did, and when",
        why="each line has a time; the packages are in dpkg's database",
        paths=("var/log/apt/history.log", "var/log/apt/term.log", "var/log/apt/eipp.log.xz"),
    ),
    Rule(
        name="dpkg-logs",
        program="dpkg",
        action="drop",
        sentence="the logs of dpkg, update-alternatives and debootstrap",
        why="each line has a time",
        paths=("var/log/dpkg.log", "var/log/alternatives.log", "var/log/bootstrap.log"),
    ),
    Rule(
        name="dpkg-backups",
        program="dpkg",
        action="drop",
        sentence="the states before the last change: of dpkg's database and debconf's answers",
        why="they depend on how the work was cut into transactions, and nothing reads them",
        paths=("var/lib/dpkg/*-old", "var/cache/debconf/*-old"),
    ),
    Rule(
        name="dnf-logs",
        program="dnf",
        action="drop",
        sentence="the logs of dnf, yum, hawkey and librepo",
        why="each line has a time",
        paths=("var/log/dnf*.log", "var/log/dnf*.log.[0-9]", "var/log/hawkey.log", "var/log/yum.log"),
    ),
    Rule(
        name="dnf-history",
        program="dnf",
        action="drop",
        sentence="the history of transactions of dnf and yum",
        why="it holds times; 'dnf history' of the image is empty, what is installed is in rpm's database",
        paths=(
            "var/lib/dnf/history.sqlite*",
            "usr/lib/sysimage/libdnf5/transaction_history.sqlite*",
            "var/lib/yum/history/*",
        ),
    ),
    Rule(
        name="dnf-caches",
        program="dnf",
        action="drop",
        sentence="what dnf and yum noted of their last fetch",
        why="it holds times; the next use fetches it again",
        paths=(
            "var/cache/dnf/*.json",
            "var/cache/dnf/last_makecache",
            "var/cache/dnf/*.solv*",
            "var/cache/libdnf5/**/*.solv*",
            "var/cache/yum/**/cachecookie",
            "var/cache/yum/**/timedhosts*",
        ),
    ),
    Rule(
        name="dnf-attributes",
        program="dnf",
        action="rewrite",
        rewriter="librepo-attributes",
        sentence="the notes of librepo at files that it fetched, which are attributes of these",
        why="they hold the time of the fetch; the next use reads the file once to make them anew",
        paths=("var/cache/dnf/**", "var/cache/libdnf5/**", "var/cache/yum/**"),
    ),
    Rule(
        name="rpm-locks",
        program="rpm",
        action="drop",
        sentence="the shared memory and locks of rpm's database",
        why="they describe processes that are gone; rpm makes them anew",
        paths=(
            "var/lib/rpm/__db.*",
            "var/lib/rpm/.rpm.lock",
            "usr/lib/sysimage/rpm/.rpm.lock",
            "**/rpmdb.sqlite-shm",
        ),
    ),
    Rule(
        name="zypper-logs",
        program="zypper",
        action="drop",
        sentence="the logs and the history of zypper",
        why="each line has a time",
        paths=(
            "var/log/zypper.log",
            "var/log/zypp/history",
            "var/lib/zypp/AnonymousUniqueId",
            "var/lib/zypp/LastDist*",
        ),
    ),
    Rule(
        name="zypper-caches",
        program="zypper",
        action="drop",
        sentence="the form in which libsolv reads repositories and the system's packages",
        why="it holds times; the next use makes it anew from what was fetched",
        paths=("var/cache/zypp/solv/**",),
    ),
    Rule(
        name="zypper-dates",
        program="zypper",
        action="rewrite",
        rewriter="zypp-date",
        sentence="the date in the list of packages that nobody asked for by name",
        why="it is that of the last change; the packages in it are kept",
        paths=("var/lib/zypp/AutoInstalled",),
    ),
    Rule(
        name="apk-logs",
        program="apk",
        action="drop",
        sentence="the log of apk",
        why="each line has a time",
        paths=("var/log/apk.log",),
    ),
)
