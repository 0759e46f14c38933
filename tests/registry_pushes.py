"""Pushing an image of one layer to a real registry, for tests of the registry client."""

from __future__ import annotations

import json
import random

from registry_server import RegistryServer
from registry_session import Visitor
from wherry.base.digest import Digest
from wherry.base.reference import Reference
from wherry.registry import Registry

__all__ = ["LAYER", "MANIFEST", "at", "descriptor", "push", "trust"]

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
LAYER = random.Random(3).randbytes(3_000_000)


def push(registry: Registry, reference: Reference, layer: bytes = LAYER) -> Digest:
    """An image of one layer; returns its manifest's digest."""
    config = b'{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}'
    for data in (layer, config):
        half = len(data) // 2
        registry.push_blob(
            reference, Digest.of(data), len(data), lambda data=data, half=half: (data[:half], data[half:])
        )
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": [descriptor("application/vnd.oci.image.layer.v1.tar", layer)],
    }
    return registry.put_manifest(reference, MANIFEST, json.dumps(manifest).encode())


def descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": str(Digest.of(data)), "size": len(data)}


def at(server: RegistryServer, name: str) -> Reference:
    return Reference.parse(f"{server.address}/{name}")


def trust(visitor: Visitor, server: RegistryServer) -> None:
    visitor.flags[f"registry.{server.address}.ca"] = str(server.ca)
