"""``[engine]``: the programs by which a container may be entered."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (
    Key(
        "engine.proot", "text", "", "the proot to use; empty: the one in PATH, else of the site's or your tools folder"
    ),
    Key(
        "engine.site",
        "text",
        "",
        "the program of the engine 'site': apptainer, singularity, ch-run, podman or a path; empty: the first found",
    ),
)
