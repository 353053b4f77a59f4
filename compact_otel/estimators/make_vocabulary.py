"""Makes the vocabularies that the wheel carries from the files that OpenAI publishes.

    python -m compact_otel.estimators.make_vocabulary FOLDER

reads `o200k_base.tiktoken` and `cl100k_base.tiktoken` in that folder and writes the `.xz` files
beside this module. Nothing here runs in an installed package; it is what its data files came from.
"""

from __future__ import annotations

import lzma
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from compact_otel.estimators.vocabulary import PUBLISHED, read_published

if TYPE_CHECKING:
    from collections.abc import Sequence


def pack(tokens: Sequence[bytes]) -> bytes:
    """Return the bundle of these tokens, which are in rank order and at most 255 bytes long."""
    payload = bytes(map(len, tokens)) + b"".join(tokens)
    return lzma.compress(payload, preset=9 | lzma.PRESET_EXTREME)


def make(source: Path, target: Path) -> None:
    """Write the bundle of each vocabulary.

    Args:
        source: Folder with the published files.
        target: Folder for the bundles; untouched unless all files are the published ones.

    Raises:
        OSError: If a file is missing.
        ValueError: If a file is not the published one.
    """
    vocabularies = {
        name: read_published((source / f"{name}.tiktoken").read_bytes(), published)
        for name, published in PUBLISHED.items()
    }
    for name, tokens in vocabularies.items():
        (target / f"{name}.xz").write_bytes(pack(tokens))


if __name__ == "__main__":
    make(Path(sys.argv[1]), Path(__file__).parent)
