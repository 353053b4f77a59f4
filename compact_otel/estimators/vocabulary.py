"""OpenAI's vocabularies, from the wheel: counting must never wait for a download.

tiktoken fetches its vocabularies on first use, without a timeout; behind a firewall that drops
packets the program stands still for minutes. So the wheel carries them, as `o200k_base.xz` and
`cl100k_base.xz`: one byte of length per token in rank order, then the tokens themselves. That is
all a `.tiktoken` file says, in 23 % of the size. `make_vocabulary` makes them from the published
files; their terms are in `LICENSE-tiktoken`.

o200k is the one of all models since gpt-4o. cl100k, of gpt-4 and gpt-3.5, is read only where one of
these is counted.
"""

from __future__ import annotations

import base64
import hashlib
import io
import lzma
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compact_otel.exits import UNBROKEN
from compact_otel.forks import LOADING_S, mutex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tiktoken import Encoding

    from compact_otel.model_names import EncodingName

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A vocabulary as OpenAI publishes it.

    Attributes:
        name: What tiktoken calls it.
        tokens: How many it has.
        size: Bytes of the published file.
        sha256: Of the published file; tiktoken checks the same.
        payload_sha256: Of what our bundle holds, whichever version of xz has packed it.
        pattern: How a text is cut before its pieces are looked up, as published in
            `tiktoken_ext.openai_public`, which cannot be asked: it downloads.
    """

    name: EncodingName
    tokens: int
    size: int
    sha256: str
    payload_sha256: str
    pattern: str

    @property
    def url(self) -> str:
        """Where it is published."""
        return f"https://openaipublic.blob.core.windows.net/encodings/{self.name}.tiktoken"

    @property
    def bundle(self) -> Path:
        """Where the wheel has it."""
        return FOLDER / f"{self.name}.xz"


O200K = Published(
    name="o200k_base",
    tokens=199_998,
    size=3_613_922,
    sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    payload_sha256="440741350e7cfa1c0f4869ce742d1b043550adbda5187adcac9e787edac6fba9",
    pattern="|".join(
        (
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
            r"\p{N}{1,3}",
            r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
            r"\s*[\r\n]+",
            r"\s+(?!\S)",
            r"\s+",
        )
    ),
)
CL100K = Published(
    name="cl100k_base",
    tokens=100_256,
    size=1_681_126,
    sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
    payload_sha256="18288f996f452d44e0e65996176591a4b712a3eb1b42afd6f0511e735c099480",
    pattern="|".join(
        (
            r"'(?i:[sdmt]|ll|ve|re)",
            r"[^\r\n\p{L}\p{N}]?+\p{L}++",
            r"\p{N}{1,3}+",
            r" ?[^\s\p{L}\p{N}]++[\r\n]*+",
            r"\s++$",
            r"\s*[\r\n]",
            r"\s+(?!\S)",
            r"\s",
        )
    ),
)
PUBLISHED = {vocabulary.name: vocabulary for vocabulary in (O200K, CL100K)}

_loading = mutex(LOADING_S)
_loaded: dict[str, Encoding] = {}


def o200k() -> Encoding:
    """Return the encoding of all models since gpt-4o, as `encoding` does."""
    return encoding("o200k_base")


def encoding(name: EncodingName) -> Encoding:
    """Return an encoding, loading it at the first call (o200k: about 0.4 s of work, 70 MB).

    Raises:
        RuntimeError: If the bundle in the installed package is damaged or missing.
    """
    with UNBROKEN, _loading:
        return _load(name)


def is_loaded(name: EncodingName = "o200k_base") -> bool:
    """Say whether `encoding` returns at once."""
    return name in _loaded


def _load(name: EncodingName) -> Encoding:
    if name not in _loaded:
        import tiktoken

        published = PUBLISHED[name]
        tokens = _from_cache_dir(published) or _from_bundle(published)
        _loaded[name] = tiktoken.Encoding(
            name,
            pat_str=published.pattern,
            mergeable_ranks=dict(zip(tokens, range(len(tokens)), strict=True)),
            special_tokens={},  # a user who writes <|endoftext|> has written text
        )
    return _loaded[name]


def _from_cache_dir(published: Published) -> Sequence[bytes]:
    """Return the tokens of the file in tiktoken's cache if the very file is there; else none."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR", os.environ.get("DATA_GYM_CACHE_DIR"))
    if folder == "":  # tiktoken's way to say that there is none
        return ()
    # tiktoken names a file after its address.
    name = hashlib.sha1(published.url.encode(), usedforsecurity=False).hexdigest()
    try:
        file = Path(folder or Path(tempfile.gettempdir(), "data-gym-cache"), name)
        # By default that is a place where everybody may put anything: a pipe would never end.
        if not file.is_file() or file.stat().st_size != published.size:
            return ()
        return read_published(file.read_bytes(), published)
    except (OSError, ValueError):
        return ()


def _from_bundle(published: Published) -> Sequence[bytes]:
    bundle = published.bundle
    try:
        payload = lzma.decompress(bundle.read_bytes())
    except (OSError, lzma.LZMAError) as error:
        raise RuntimeError(f"cannot read `{bundle}` ({error}): reinstall compact-otel") from error
    if hashlib.sha256(payload).hexdigest() != published.payload_sha256:
        raise RuntimeError(f"`{bundle}` holds another vocabulary: reinstall compact-otel")
    lengths, rest = payload[: published.tokens], io.BytesIO(payload[published.tokens :])
    return list(map(rest.read, lengths))


def read_published(data: bytes, published: Published) -> list[bytes]:
    """Return the tokens of a published `.tiktoken` file in rank order.

    Raises:
        ValueError: If `data` is anything else.
    """
    if hashlib.sha256(data).hexdigest() != published.sha256:
        raise ValueError(
            f"not the published {published.name}.tiktoken: need sha256 {published.sha256}"
        )
    return [base64.b64decode(line.split()[0]) for line in data.splitlines()]
