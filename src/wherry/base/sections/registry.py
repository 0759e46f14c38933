"""``[registry]``: which registries there are and how they are reached."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (
    Key("registry.default", "text", "docker.io", "the registry of names without one"),
    Key("registry.parallel", "number", 3, "layers fetched or sent at a time"),
    Key("registry.auth_file", "text", "", "credentials; empty: ~/.docker/config.json", variable="REGISTRY_AUTH_FILE"),
    Key("registry.*.mirrors", "list", (), "registries (or registry/prefix) to try before this one"),
    Key("registry.*.insecure", "flag", False, "speak plain http, or do not check its certificate"),
    Key("registry.*.ca", "text", "", "PEM file of the authority that signed its certificate"),
    Key("registry.*.proxy", "text", "", "proxy to reach it, as http://proxy:3128; none: never use one"),
)
