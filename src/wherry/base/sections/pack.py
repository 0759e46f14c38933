"""``[pack]``: how images become one file."""

from wherry.base.settings import Key

__all__ = ["KEYS"]

KEYS = (
    Key(
        "pack.compression",
        "text",
        "zstd",
        "how 'wherry pack' compresses: zstd, gzip, xz, lz4, lzo or none; old programs read gzip and xz only",
        choices=("zstd", "gzip", "xz", "lz4", "lzo", "none"),
    ),
    Key("pack.block_size", "size", "128K", "bytes that it compresses at once: larger is smaller, and slower to start"),
)
