"""``--installed``: a start in which the image's programs find what they would find had they been installed here.

The image keeps what its programs are made of (``/usr``, ``/etc`` ...); all else is the host's, at its place: files,
current directory, home, ``/tmp``, devices, environment. What the caller's words name within the image's own
directories, and the image lacks, is shown too, at each start (``NAMED`` in ``native/launcher/ops.def``).
"""

from __future__ import annotations

import os

import msgspec

from wherry.base.outside import Outside
from wherry.host import Host
from wherry.launch.options import Bind, RunOptions
from wherry.launch.plan import CURRENT
from wherry.launch.views import Image, Tree

__all__ = ["OWN_FOLDERS", "as_installed"]

OWN_FOLDERS = ("bin", "etc", "lib", "lib32", "lib64", "libx32", "opt", "sbin", "usr", "var")
"""Of the image; what is named below these on the host is shown where the image lacks it."""

_UNSHOWN = frozenset((*OWN_FOLDERS, "boot", "dev", "lost+found", "proc", "root", "run", "sys"))

_OWN_VARIABLES = (
    *("PATH", "HOME", "HOSTNAME", "SHELL", "ENV", "BASH_ENV", "BASH_FUNC_*", "LD_*", "GLIBC_TUNABLES", "GCONV_PATH"),
    *("LOCPATH", "LANG", "LANGUAGE", "LC_*", "TERMINFO", "TERMINFO_DIRS", "NIX_*", "FAKEROOTKEY", "WHERRY_*"),
    *("PYTHON*", "VIRTUAL_ENV*", "CONDA_*", "_CONDA_*", "_CE_*", "MAMBA_*", "PIP_*", "PIPX_*", "UV_*"),
    *("PERL5*", "PERLLIB", "PERL_*", "RUBY*", "GEM_*", "BUNDLE_*", "NODE_*", "NPM_*", "R_*", "JULIA_DEPOT_PATH"),
    *("JULIA_LOAD_PATH", "LUA_*", "TCLLIBPATH", "TCL_LIBRARY", "JAVA_*", "JDK_*", "_JAVA_OPTIONS", "CLASSPATH"),
    *("GOPATH", "GOROOT", "GOBIN", "CARGO_HOME", "RUSTUP_*", "CPATH", "C_INCLUDE_PATH", "CPLUS_INCLUDE_PATH"),
    *("LIBRARY_PATH", "PKG_CONFIG_*", "CMAKE_PREFIX_PATH", "ACLOCAL_PATH", "MANPATH", "INFOPATH", "XDG_DATA_DIRS"),
    *("XDG_CONFIG_DIRS", "GTK_PATH", "GTK_MODULES", "GIO_*", "GI_TYPELIB_PATH", "GDK_PIXBUF_*", "QT_PLUGIN_PATH"),
    *("QML*", "QT_QPA_PLATFORM_PLUGIN_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "CURL_CA_BUNDLE"),
    *("REQUESTS_CA_BUNDLE", "MODULEPATH*", "MODULESHOME", "MODULES_*", "LOADEDMODULES", "_LMFILES_", "LMOD_*"),
    *("_ModuleTable*", "__MODULES_*", "__LMOD_*"),
)
"""Of the caller's variables, those that name the host's programs and libraries: inside they would lead astray."""


def as_installed(options: RunOptions, image: Image, tree: Tree, host: Host, outside: Outside) -> RunOptions:
    """The options with what ``installed`` means; what they say themselves wins. Reads the host's top directories."""
    own = tuple(text.partition("=")[0] for text in image.config.config.env or ())
    kept = tuple(f"!{name}" for name in (*_OWN_VARIABLES, *own))
    taken = {bind.target for bind in options.binds} | {target for target, _ in options.tmpfs}
    binds = tuple(bind for bind in _binds(tree, host, outside, taken) if bind.target not in taken)
    return msgspec.structs.replace(
        options,
        binds=(*binds, *options.binds),
        places=(*options.places, *(bind.target for bind in binds)),
        pass_env=options.pass_env or ("*", *kept),
        named=tuple(f"/{name}" for name in OWN_FOLDERS),
        workdir=options.workdir or CURRENT,
        here=False,
        home=os.path.isdir(host.home) if options.home is None else options.home,
        hostauth=True,
        interactive=True,
    )


def _binds(tree: Tree, host: Host, outside: Outside, taken: set[str]) -> list[Bind]:
    found = [_shown("/dev"), _shown("/var/tmp")]
    session = outside.env("XDG_RUNTIME_DIR") or ""
    found += [_shown(path) for path in (session, "/run/munge") if path.startswith("/run/")]
    for name in _listed("/", outside):
        if name in _UNSHOWN:
            continue
        path = f"/{name}"
        divided = tree.listdir(path) or any(target.startswith(f"{path}/") for target in taken)
        if name == "tmp" or (not divided and not _is_empty(path, outside)):
            found.append(_shown(path))
        elif not divided:
            continue
        else:  # the image, or the user, has something of another's there
            missing = (f"{path}/{inner}" for inner in _listed(path, outside))
            found += [_shown(inner) for inner in missing if not tree.exists(inner)]
    return [bind for bind in found if os.path.isdir(bind.source) and bind.target != host.home]


def _is_empty(folder: str, outside: Outside) -> bool:
    """Whether there is nothing to show; when something comes, or is mounted there, the plan is made anew."""
    try:
        with os.scandir(folder) as entries:
            if next(entries, None) is not None:
                return False
    except OSError:
        return False
    outside.stat(folder)
    return True


def _listed(folder: str, outside: Outside) -> list[str]:
    """The directories in a directory of the host, the plan being made anew when one comes or goes."""
    outside.stat(folder)
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))
    except OSError:
        return []


def _shown(path: str) -> Bind:
    return Bind(path, path, propagation="slave", optional=True)
