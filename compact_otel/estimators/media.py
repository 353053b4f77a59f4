"""What pictures, files and sounds cost, which is not what their base64 would.

A picture costs by its size in pixels, its `detail` and the model. Where the size cannot be told (a
URL, a file id, a damaged header) it is taken to be 1,024 pixels square.

Files and sounds cannot be counted here, as what is in them is known to nobody before they are
opened. Assumed is:

* of a text file, a token for every 4 bytes;
* of any other file, 750 tokens a page and 20,000 bytes a page; four pages if its length is not
  known. Recorded requests with documents of one to fifteen pages paid 80 to 1,000 a page;
* of a sound, 10 tokens a second, as the models of OpenAI take; 32,000 bytes a second of a WAV
  file, 10,000 of any other, half a minute if its length is not known.

What the provider then counts corrects the next call: see `core.calibration`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from compact_otel.estimators.image_size import image_size
from compact_otel.estimators.text import ByText
from compact_otel.model_names import understood

if TYPE_CHECKING:
    from compact_otel.model_names import Family

PictureTokens = Callable[[int, int, str], int]
"""Tokens by width and height in pixels and `detail`."""

# Types of content parts, and of items that are a picture themselves.
_PICTURES = frozenset(
    {"input_image", "image_url", "image", "computer_screenshot", "image_generation_call"}
)
_FILES = frozenset({"input_file", "file", "document"})
_SOUNDS = frozenset({"input_audio", "audio"})
_DATA_URL = re.compile(r"data:([\w.+-]+)/[\w.+-]+(?:;[\w.+-]+=[\w.+-]+)*;base64,", re.ASCII)

# Where a part has its data or address, from the outside to the inside.
_PLACES = (
    "file_data",
    "data",
    "result",
    "url",
    "input_audio",
    "file",
    "source",
    "image",
)

_TYPICAL = (1024, 1024)
_TEXT_BYTES_PER_TOKEN = 4
_PAGE_TOKENS = 750
_PAGE_BYTES = 20_000
_UNKNOWN_PAGES = 4
_WAV_BYTES_PER_TOKEN = 3_200
_SOUND_BYTES_PER_TOKEN = 1_000
_UNKNOWN_SOUND = 300


class Media(NamedTuple):
    """A content part, item or data URL that is no text.

    Attributes:
        kind: What it is.
        data: Its base64, as a data URL or bare, or its address; '' if it is elsewhere.
        detail: How closely a picture is to be looked at.
    """

    kind: str
    data: str = ""
    detail: str = "auto"


def media_of(value: Any) -> Media | None:
    """Return a content part, item or data URL as media, None if it is text or a mere structure."""
    if isinstance(value, Mapping):
        kind = value.get("type")
        if not isinstance(kind, str):
            return None
        if kind in _PICTURES:
            return Media("picture", *_found(value))
        if kind in _FILES:
            return Media("file", *_found(value))
        return Media("sound", *_found(value)) if kind in _SOUNDS else None
    if isinstance(value, str) and (url := _DATA_URL.match(value)):
        kind = {"image": "picture", "audio": "sound"}.get(url[1], "file")
        return Media(kind, value)
    return None


def _found(part: Mapping[str, Any]) -> tuple[str, str]:
    """Return data and detail of a part, whichever of the APIs' forms it has."""
    detail = "auto"
    for _ in range(3):  # no form is deeper
        said = part.get("detail")
        if isinstance(said, str):
            detail = said
        inner = part.get("image_url")  # as nearly all have it
        if inner is None:
            inner = next((part[place] for place in _PLACES if part.get(place)), None)
        if isinstance(inner, str):
            return inner, detail
        if not isinstance(inner, Mapping):
            break
        part = inner
    return "", detail


class MediaPrices:
    """Prices media, and remembers the size of each picture by its data."""

    def __init__(self) -> None:
        self._sizes = _Sizes()

    def tokens(self, media: Media, picture_tokens: PictureTokens) -> int:
        """Return the tokens of media; never raises.

        Args:
            media: What it is.
            picture_tokens: The formula of the model, by `picture_formula`.
        """
        if media.kind == "picture":
            width, height = self._sizes[media.data] or _TYPICAL
            return picture_tokens(width, height, media.detail)
        return _sound_tokens(media.data) if media.kind == "sound" else _file_tokens(media.data)


class _Sizes(ByText[tuple[int, int] | None]):
    __slots__ = ()

    def _worked_out(self, text: str) -> tuple[int, int] | None:
        return image_size(text)


def _may_be_data(data: str) -> bool:
    return data.startswith("data:") or (data != "" and "://" not in data[:16])


def _bytes(data: str) -> int:
    """Return how many bytes base64 stands for, 0 if it is none but an address."""
    if not _may_be_data(data):
        return 0
    start = data.find(",", 0, 200) + 1 if data.startswith("data:") else 0
    return (len(data) - start) * 3 // 4


def _file_tokens(data: str) -> int:
    if data.startswith(("data:text/", "data:application/json", "data:application/xml")):
        return math.ceil(_bytes(data) / _TEXT_BYTES_PER_TOKEN)
    size = _bytes(data)
    pages = math.ceil(size / _PAGE_BYTES) if size else _UNKNOWN_PAGES
    return pages * _PAGE_TOKENS


def _sound_tokens(data: str) -> int:
    size = _bytes(data)
    if not size:
        return _UNKNOWN_SOUND
    # In base64 a WAV file begins like this.
    is_wav = data.startswith(("UklGR", "data:audio/wav", "data:audio/x-wav"))
    return math.ceil(size / (_WAV_BYTES_PER_TOKEN if is_wav else _SOUND_BYTES_PER_TOKEN))


def _tiles(base: int, tile: int) -> PictureTokens:
    """Return the formula of the models that see a picture in tiles of 512 pixels.

    https://developers.openai.com/api/docs/guides/images-vision
    """

    def tokens(width: int, height: int, detail: str) -> int:
        if detail == "low":
            return base
        shrunk = min(1, 2048 / max(width, height))
        shrunk *= min(1, 768 / (min(width, height) * shrunk))
        across, down = (max(1, math.ceil(side * shrunk / 512)) for side in (width, height))
        return base + tile * across * down

    return tokens


def _patches(
    factor: float = 1, *, most: int = 1536, longest: int = 0, original: int = 0, edge: int = 32
) -> PictureTokens:
    """Return the formula of the models that see a picture in small squares.

    Args:
        factor: Tokens of a square.
        most: Squares that a picture may have; a larger one is shrunk.
        longest: Pixels that its longer side may have; 0 for any number.
        original: Squares that it may have with detail `original`; 0 for no difference.
        edge: Pixels that a square is wide.
    """

    def tokens(width: int, height: int, detail: str) -> int:
        budget = original if original and detail == "original" else most
        if longest and max(width, height) > longest and budget == most:
            shrunk = longest / max(width, height)
            width, height = max(1, round(width * shrunk)), max(1, round(height * shrunk))
        across, down = math.ceil(width / edge), math.ceil(height / edge)
        if across * down > budget:
            shrunk = math.sqrt(budget * edge**2 / (width * height))
            wide, high = width * shrunk / edge, height * shrunk / edge
            # Shrunk a bit more, so that one side is a whole number of squares.
            shrunk = min(max(1, math.floor(side)) / side for side in (wide, high))
            across, down = (
                max(1, math.ceil(round(side * min(1, shrunk), 6))) for side in (wide, high)
            )
            across, down = min(across, budget), min(down, budget)
        return math.ceil(across * down * factor)

    return tokens


def _gemini(width: int, height: int, detail: str) -> int:
    """https://ai.google.dev/gemini-api/docs/tokens: 258 if small, else 258 for each 768 pixels."""
    del detail
    if max(width, height) <= 384:  # noqa: PLR2004 - Google's number
        return 258
    return 258 * math.ceil(width / 768) * math.ceil(height / 768)


def _gemini_3(width: int, height: int, detail: str) -> int:
    """https://ai.google.dev/gemini-api/docs/media-resolution: whatever its size."""
    del width, height
    return 280 if detail == "low" else 1120


# By the beginning of the model's name; the first that fits decides. The factors of the gpt-5 family
# are measured, OpenAI's guide says 1.62 and 2.46 for the small ones:
# https://community.openai.com/t/1377015. For gpt-5.4 and later, except the small ones, they are
# assumed.
_OPENAI: tuple[tuple[str, PictureTokens], ...] = (
    (r"gpt-4o-mini", _tiles(2833, 5667)),
    (r"gpt-4\.1-mini", _patches(1.62)),
    (r"gpt-4\.1-nano", _patches(2.46)),
    (r"(o4|codex)-mini", _patches(1.72)),
    (r"o\d", _tiles(75, 150)),
    (r"computer-use", _tiles(65, 129)),
    (r"gpt-5-nano", _patches(1.5)),
    (r"gpt-5(\.\d)?(-codex)?-(mini|nano)", _patches(1.2)),
    (r"gpt-5(\.1)?(-|$)", _tiles(70, 140)),
    (r"gpt-5\.[23]", _patches(1.2)),
    (r"gpt-([5-9]|1\d)", _patches(1.2, most=2500, longest=2048, original=10_000)),
    (r"", _tiles(85, 170)),
)
_PATTERNS = tuple((re.compile(pattern), formula) for pattern, formula in _OPENAI)

# https://platform.claude.com/docs/en/build-with-claude/vision
_OTHERS: dict[Family, PictureTokens] = {
    "claude": _patches(edge=28, most=1568, longest=1568),
    "claude-new": _patches(edge=28, most=4784, longest=2576),
    "gemini": _gemini,
    "open": _tiles(85, 170),
}


@lru_cache(maxsize=1024)
def picture_formula(model: str | None) -> PictureTokens:
    """Return how a model counts pictures."""
    name = understood(model)
    if name.family == "gemini" and re.match(r"gemini-([3-9]|\d\d)", name.base):
        return _gemini_3
    if name.family in _OTHERS:
        return _OTHERS[name.family]
    return next(formula for pattern, formula in _PATTERNS if pattern.match(name.base))
