"""``[lint]``: what ``wherry lint`` says about recipes."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (
    Key("lint.ignore", "list", (), "rules that say nothing, by name or code (DL3008)", project=True),
    Key("lint.enable", "list", (), "rules to add that say something only when asked for; all: every one", project=True),
    Key(
        "lint.level",
        "text",
        "warning",
        "the least that is shown and counts: error, warning or info",
        choices=("error", "warning", "info"),
        project=True,
    ),
    Key(
        "lint.labels",
        "list",
        (
            "org.opencontainers.image.licenses",
            "org.opencontainers.image.authors",
            "org.opencontainers.image.source",
        ),
        "labels that every image should have",
        project=True,
    ),
    Key("lint.registries", "list", (), "the registries that images may come from; none: any"),
)
