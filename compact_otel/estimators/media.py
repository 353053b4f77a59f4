"""What pictures, files and sounds cost, which is not what their base64 would."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

# Types of content parts, and of items that are a picture themselves.
_MEDIA = (
    "input_image",
    "image_url",
    "image",
    "computer_screenshot",
    "image_generation_call",
    "input_file",
    "file",
    "input_audio",
)
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+;base64,", re.ASCII)

# A picture of 1,024 by 1,024 pixels for gpt-4o. Other models, sizes and details pay from a tenth to
# twice as much: https://developers.openai.com/api/docs/guides/images-vision
_TYPICAL = 765


def media_tokens(value: Any) -> int | None:
    """Return the tokens of a content part, item or data URL that is media, None if it is none."""
    if isinstance(value, Mapping):
        is_media = value.get("type") in _MEDIA
    else:
        is_media = isinstance(value, str) and _DATA_URL.match(value) is not None
    return _TYPICAL if is_media else None
