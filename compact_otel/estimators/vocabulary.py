"""The o200k vocabulary, from the wheel: counting must never wait for a download.

tiktoken fetches its vocabularies on first use, without a timeout; behind a firewall that drops
packets the program stands still for minutes. So the wheel carries the vocabulary as
`o200k_base.xz`: one byte of length per token in rank order, then the tokens themselves. That is
all a `.tiktoken` file says, in 23 % of the size. Its terms are in `LICENSE-tiktoken`.

The bundle is made from OpenAI's published file by

    python -m compact_otel.estimators.vocabulary PATH/TO/o200k_base.tiktoken
"""

from __future__ import annotations

import base64
import functools
import hashlib
import lzma
import os
import sys
from itertools import accumulate, pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from compact_otel.forks import mutex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiktoken import Encoding

BUNDLE = Path(__file__).with_name("o200k_base.xz")

# https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken; tiktoken's cache names a
# file after the SHA-1 of its address.
_PUBLISHED_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
_CACHE_NAME = "fb374d419588a4632f3f557e76b4b70aebbca790"

# What the bundle holds, whichever version of xz has packed it.
_PAYLOAD_SHA256 = "440741350e7cfa1c0f4869ce742d1b043550adbda5187adcac9e787edac6fba9"
_SIZE = 199_998

# As published in `tiktoken_ext.openai_public.o200k_base`, which cannot be asked: it downloads.
_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)

_loading = mutex()


def o200k() -> Encoding:
    """Return the encoding, loading it at the first call (about 0.4 s of work, 70 MB).

    Raises:
        RuntimeError: If the bundle in the installed package is damaged or missing.
    """
    with _loading:
        return _load()


def is_loaded() -> bool:
    """Say whether `o200k` returns at once."""
    return bool(_load.cache_info().currsize)


@functools.cache
def _load() -> Encoding:
    import tiktoken

    tokens = _from_cache_dir() or _from_bundle()
    return tiktoken.Encoding(
        "o200k_base",
        pat_str=_PATTERN,
        mergeable_ranks={token: rank for rank, token in enumerate(tokens)},
        special_tokens={},  # a user who writes <|endoftext|> has written text
    )


def _from_cache_dir() -> Sequence[bytes]:
    """Return the tokens of the file in tiktoken's cache, if the user has named one; else none."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if not folder:
        return ()
    try:
        return read_published((Path(folder) / _CACHE_NAME).read_bytes())
    except (OSError, ValueError):
        return ()


def _from_bundle() -> Sequence[bytes]:
    try:
        payload = lzma.decompress(BUNDLE.read_bytes())
    except (OSError, lzma.LZMAError) as error:
        raise RuntimeError(f"cannot read `{BUNDLE}` ({error}): reinstall compact-otel") from error
    if hashlib.sha256(payload).hexdigest() != _PAYLOAD_SHA256:
        raise RuntimeError(f"`{BUNDLE}` holds another vocabulary: reinstall compact-otel")
    ends = accumulate(payload[:_SIZE], initial=_SIZE)
    return [payload[start:end] for start, end in pairwise(ends)]


def read_published(data: bytes) -> list[bytes]:
    """Return the tokens of OpenAI's `o200k_base.tiktoken` in rank order.

    Raises:
        ValueError: If `data` is anything else.
    """
    if hashlib.sha256(data).hexdigest() != _PUBLISHED_SHA256:
        raise ValueError(f"not the published o200k_base.tiktoken: need sha256 {_PUBLISHED_SHA256}")
    return [base64.b64decode(line.split()[0]) for line in data.splitlines()]


def pack(tokens: Sequence[bytes]) -> bytes:
    """Return the bundle of these tokens, which are in rank order and at most 255 bytes long."""
    payload = bytes(map(len, tokens)) + b"".join(tokens)
    return lzma.compress(payload, preset=9 | lzma.PRESET_EXTREME)


if __name__ == "__main__":
    BUNDLE.write_bytes(pack(read_published(Path(sys.argv[1]).read_bytes())))
