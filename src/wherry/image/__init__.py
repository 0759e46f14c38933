"""Images: what they are (OCI and Docker schema 2), bringing them in and out, their layers, one merged view of them.

Words: a *manifest* names a configuration and layers; an *index* names manifests of several platforms; a *diff id* is
the digest of a layer's uncompressed tar, a *chain id* that of a layer and all below it; the *table* of a layer is its
tar without the contents that the unpacked tree can give back.

It never runs anything from an image. It may import :mod:`wherry.registry`, :mod:`wherry.store` and below.
``open_image`` and ``view`` are on the path of every start, so everything that fetches is loaded on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wherry.image.apptainer import scaffold
    from wherry.image.archive import (
        ArchivedImage,
        Loaded,
        is_image_file,
        load_file,
        load_images,
        load_named,
        preview_load,
    )
    from wherry.image.artifact import held_artifact, pull_artifact, push_artifact
    from wherry.image.carrying import LayerBytes, bring_layer, compress_layer
    from wherry.image.differences import Change, changes, changes_of_folder
    from wherry.image.directory import directory_of, is_unpacked, open_directory
    from wherry.image.flattening import flatten, flattened_path, shallow, write_out
    from wherry.image.forms import ARCHIVES, Form, form_of
    from wherry.image.importing import Imported, folder_tar, import_folder, import_tar
    from wherry.image.instructions import changed_config, with_variables
    from wherry.image.keeping import keep_packed
    from wherry.image.local import Image, near_names, open_by_digest, open_image
    from wherry.image.loose import LooseTree, is_tar, unpack_tar
    from wherry.image.making import (
        COMPRESSIONS,
        MadeLayer,
        Rules,
        Told,
        copy_layer,
        make_image,
        make_layer,
        owners_list,
        squash,
        told_of,
    )
    from wherry.image.making.below import Below
    from wherry.image.making.claiming import Shown, claim, shown_owners, write_shown
    from wherry.image.making.devices import device_places, write_places
    from wherry.image.model import (
        ContainerConfig,
        Descriptor,
        ImageConfig,
        Index,
        Manifest,
        RootFilesystem,
        read_document,
        read_manifest,
    )
    from wherry.image.mounted import open_mounted
    from wherry.image.packed import PackedImage, is_packed, packed_facts
    from wherry.image.packing import PackOptions, form_of_suffix, pack
    from wherry.image.platforms import Platform, here
    from wherry.image.pulling import PullPreview, preview_pull, pull
    from wherry.image.pushing import preview_push, push
    from wherry.image.rootfs import inlined, root_tar
    from wherry.image.saving import FORMATS, preview_save, save_file, save_images
    from wherry.image.sources import Source, parse_checksum, parse_source
    from wherry.image.steps import Step, history
    from wherry.image.table import TableEntry, read_entries
    from wherry.image.tree import Entry, Tree, view
    from wherry.image.unpacking import unpack_packed
    from wherry.image.verifying import verify_image

__all__ = [
    "ARCHIVES",
    "COMPRESSIONS",
    "FORMATS",
    "ArchivedImage",
    "Below",
    "Change",
    "ContainerConfig",
    "Descriptor",
    "Entry",
    "Form",
    "Image",
    "ImageConfig",
    "Imported",
    "Index",
    "LayerBytes",
    "Loaded",
    "LooseTree",
    "MadeLayer",
    "Manifest",
    "PackOptions",
    "PackedImage",
    "Platform",
    "PullPreview",
    "RootFilesystem",
    "Rules",
    "Shown",
    "Source",
    "Step",
    "TableEntry",
    "Told",
    "Tree",
    "bring_layer",
    "changed_config",
    "changes",
    "changes_of_folder",
    "claim",
    "compress_layer",
    "copy_layer",
    "device_places",
    "directory_of",
    "flatten",
    "flattened_path",
    "folder_tar",
    "form_of",
    "form_of_suffix",
    "held_artifact",
    "here",
    "history",
    "import_folder",
    "import_tar",
    "inlined",
    "is_image_file",
    "is_packed",
    "is_tar",
    "is_unpacked",
    "keep_packed",
    "load_file",
    "load_images",
    "load_named",
    "make_image",
    "make_layer",
    "near_names",
    "open_by_digest",
    "open_directory",
    "open_image",
    "open_mounted",
    "owners_list",
    "pack",
    "packed_facts",
    "parse_checksum",
    "parse_source",
    "preview_load",
    "preview_pull",
    "preview_push",
    "preview_save",
    "pull",
    "pull_artifact",
    "push",
    "push_artifact",
    "read_document",
    "read_entries",
    "read_manifest",
    "root_tar",
    "save_file",
    "save_images",
    "scaffold",
    "shallow",
    "shown_owners",
    "squash",
    "told_of",
    "unpack_packed",
    "unpack_tar",
    "verify_image",
    "view",
    "with_variables",
    "write_out",
    "write_places",
    "write_shown",
]

_HOMES = {
    "ARCHIVES": "forms",
    "COMPRESSIONS": "making",
    "FORMATS": "saving",
    "ArchivedImage": "archive",
    "Below": "making.below",
    "Change": "differences",
    "ContainerConfig": "model",
    "Descriptor": "model",
    "Entry": "tree",
    "Form": "forms",
    "Image": "local",
    "ImageConfig": "model",
    "Imported": "importing",
    "Index": "model",
    "LayerBytes": "carrying",
    "Loaded": "archive",
    "LooseTree": "loose",
    "MadeLayer": "making",
    "Manifest": "model",
    "PackOptions": "packing",
    "PackedImage": "packed",
    "Platform": "platforms",
    "PullPreview": "pulling",
    "RootFilesystem": "model",
    "Rules": "making",
    "Shown": "making.claiming",
    "Source": "sources",
    "Step": "steps",
    "TableEntry": "table",
    "Told": "making",
    "Tree": "tree",
    "changed_config": "instructions",
    "bring_layer": "carrying",
    "changes": "differences",
    "claim": "making.claiming",
    "changes_of_folder": "differences",
    "compress_layer": "carrying",
    "copy_layer": "making",
    "device_places": "making.devices",
    "directory_of": "directory",
    "flatten": "flattening",
    "flattened_path": "flattening",
    "folder_tar": "importing",
    "form_of": "forms",
    "form_of_suffix": "packing",
    "held_artifact": "artifact",
    "here": "platforms",
    "history": "steps",
    "import_folder": "importing",
    "import_tar": "importing",
    "inlined": "rootfs",
    "is_image_file": "archive",
    "is_packed": "packed",
    "is_tar": "loose",
    "is_unpacked": "directory",
    "keep_packed": "keeping",
    "load_file": "archive",
    "load_images": "archive",
    "load_named": "archive",
    "make_image": "making",
    "make_layer": "making",
    "near_names": "local",
    "open_by_digest": "local",
    "open_directory": "directory",
    "open_image": "local",
    "open_mounted": "mounted",
    "owners_list": "making",
    "pack": "packing",
    "packed_facts": "packed",
    "parse_checksum": "sources",
    "parse_source": "sources",
    "preview_load": "archive",
    "preview_pull": "pulling",
    "preview_push": "pushing",
    "preview_save": "saving",
    "pull": "pulling",
    "pull_artifact": "artifact",
    "push": "pushing",
    "push_artifact": "artifact",
    "read_document": "model",
    "read_entries": "table",
    "read_manifest": "model",
    "root_tar": "rootfs",
    "save_file": "saving",
    "save_images": "saving",
    "scaffold": "apptainer",
    "shallow": "flattening",
    "shown_owners": "making.claiming",
    "squash": "making",
    "told_of": "making",
    "unpack_packed": "unpacking",
    "unpack_tar": "loose",
    "verify_image": "verifying",
    "view": "tree",
    "with_variables": "instructions",
    "write_out": "flattening",
    "write_places": "making.devices",
    "write_shown": "making.claiming",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found
    return found
