"""What people type as an image's name, with short names from ``registries.conf``."""

from __future__ import annotations

from wherry.base.outside import Outside
from wherry.base.reference import DEFAULT_REGISTRY, Reference
from wherry.base.settings import Settings
from wherry.registry import registriesconf
from wherry.registry.registriesconf import RegistriesConf

__all__ = ["complete", "parse_reference"]


def parse_reference(text: str, settings: Settings, outside: Outside) -> Reference:
    """Read a reference with Docker's defaults, the setting ``registry.default`` and the short names of this machine.

    Raises :class:`~wherry.base.errors.InvalidName` and, for a broken ``registries.conf`` with such a name in it,
    ``SettingsError``.
    """
    text = text.removeprefix("docker://")  # as skopeo and Apptainer write a registry's name
    if Reference.parse(text, default_registry="unqualified.invalid").registry != "unqualified.invalid":
        return Reference.parse(text)
    return complete(text, settings, registriesconf.read_names(outside, _split(text)[0]))


def complete(text: str, settings: Settings, conf: RegistriesConf) -> Reference:
    """The reference that a name without a registry means: always one, never a search over the network.

    First ``registry.default`` where somebody set it, as Wherry's own settings win for mirrors, too; then an alias; then
    docker.io, unless registries.conf lists registries to search and leaves docker.io out: then the first of those.
    (Podman asks each in turn, by which a stranger can answer for a name that is missing further up.)
    """
    name, suffix = _split(text)
    chosen = settings.has("registry.default")
    alias = conf.aliases.get(name)
    if alias and not chosen:
        return Reference.parse(alias + suffix)
    if chosen or not conf.search or DEFAULT_REGISTRY in conf.search:
        return Reference.parse(text, default_registry=settings.text("registry.default"))
    return Reference.parse(text, default_registry=conf.search[0])


def _split(text: str) -> tuple[str, str]:
    end = text.find("@")
    name = text if end < 0 else text[:end]
    colon = name.rfind(":")
    if colon > name.rfind("/"):
        name = name[:colon]
    return name, text[len(name) :]
