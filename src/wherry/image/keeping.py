"""A packed image that came from a web server: a blob of the store, with a record, so that collecting knows it."""

from __future__ import annotations

import os
from datetime import UTC, datetime

import msgspec

from wherry.base.digest import Digest
from wherry.base.errors import NotFound
from wherry.image.model import OCI_MANIFEST
from wherry.image.packed import packed_facts
from wherry.store import ImageRecord, Store

__all__ = ["keep_packed"]

_EMPTY = b"{}"
_TYPES = {
    "sif": "application/vnd.sylabs.sif.layer.v1.sif",
    "squashfs": "application/octet-stream",
}


def keep_packed(store: Store, path: str, digest: Digest, shown: str) -> str:
    """Move the verified file (below the store's ``partial/``) among the blobs, and say what it is; its path there.

    Raises what :func:`wherry.image.packed_facts` raises; then nothing is kept.
    """
    facts = packed_facts(path)
    size = os.path.getsize(path)
    config = store.put_blob(_EMPTY)
    store.keep_blob(path, digest)
    manifest = store.put_blob(
        msgspec.json.encode(
            {
                "schemaVersion": 2,
                "mediaType": OCI_MANIFEST,
                "artifactType": _TYPES[facts.form],
                "config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": str(config), "size": 2},
                "layers": [{"mediaType": _TYPES[facts.form], "digest": str(digest), "size": size}],
            }
        )
    )
    store.put_image_record(
        ImageRecord(
            digest=manifest,
            size=size,
            layers=(),
            created=facts.config.created,
            pulled=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            blobs=(config, digest),
            reference=f"{shown}@{manifest}",
        )
    )
    found = store.blob_path(digest)
    if found is None:
        raise NotFound(f"'{shown}' was removed while it was fetched", hint="fetch it again")
    return found
