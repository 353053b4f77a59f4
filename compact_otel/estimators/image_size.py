"""How large a picture is, from the first bytes of its file.

PNG, GIF, BMP, WebP and JPEG say their size in a header. No picture is decoded, nothing is trusted:
of a file that is cut short, damaged or none of these the size is unknown.
"""

from __future__ import annotations

import binascii
import struct

# A JPEG may have a colour profile and a preview before its size: that is looked for in steps, in
# characters of base64.
_STEPS = (128, 8_192, 400_000)

# Markers of a JPEG that give its size, whichever way it is coded; the gaps are other tables.
_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_JPEG_WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})


def image_size(data: str) -> tuple[int, int] | None:
    """Return width and height in pixels, None if they cannot be told.

    Args:
        data: The file as base64, as a data URL or bare.
    """
    start = data.find(",", 0, 200) + 1 if data.startswith("data:") else 0
    for step in _STEPS:
        chars = data[start : start + step]
        size = _size(_decoded(chars))
        if size is not None or len(chars) < step:
            return size
    return None


def _decoded(chars: str) -> bytes:
    """Return the bytes behind base64, also as URLs spell it; none if it is anything else."""
    try:
        raw = chars.translate({45: 43, 95: 47}).rstrip("=\r\n").encode("ascii")
        return binascii.a2b_base64(raw[: len(raw) // 4 * 4])
    except ValueError:  # binascii.Error and UnicodeEncodeError are
        return b""


def _size(head: bytes) -> tuple[int, int] | None:
    try:
        width, height = _told(head)
    except (struct.error, IndexError):  # cut short
        return None
    return (width, height) if width > 0 and height > 0 else None


def _told(head: bytes) -> tuple[int, int]:
    """Return what the header says, zeros if it is none we know."""
    if head.startswith(b"\x89PNG\r\n\x1a\n") and head[12:16] == b"IHDR":
        return _pair(">II", head, 16)
    if head.startswith((b"GIF87a", b"GIF89a")):
        return _pair("<HH", head, 6)
    if head.startswith(b"\xff\xd8"):
        return _jpeg(head)
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return _webp(head)
    if head.startswith(b"BM"):
        return _bmp(head)
    return 0, 0


def _pair(form: str, head: bytes, offset: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, head, offset)
    return first, second


def _bmp(head: bytes) -> tuple[int, int]:
    """https://learn.microsoft.com/windows/win32/api/wingdi/ns-wingdi-bitmapinfoheader."""
    if _pair("<IH", head, 14)[0] == 12:  # noqa: PLR2004 - the length of the header of OS/2
        return _pair("<HH", head, 18)
    width, height = _pair("<ii", head, 18)
    return width, abs(height)  # negative: the rows come from the top


def _webp(head: bytes) -> tuple[int, int]:
    """https://developers.google.com/speed/webp/docs/riff_container."""
    kind = head[12:16]
    if kind == b"VP8 " and head[23:26] == b"\x9d\x01\x2a":
        width, height = _pair("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L" and head[20] == 0x2F:  # noqa: PLR2004 - the signature
        (bits,) = struct.unpack_from("<I", head, 21)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8X":
        canvas = head[24:30]
        if len(canvas) == 6:  # noqa: PLR2004 - two numbers of three bytes
            width, height = (int.from_bytes(canvas[n : n + 3], "little") + 1 for n in (0, 3))
            return width, height
    return 0, 0


def _jpeg(head: bytes) -> tuple[int, int]:
    """https://www.w3.org/Graphics/JPEG/itu-t81.pdf, annex B."""
    at = 2
    while head[at] == 0xFF:  # noqa: PLR2004 - a marker begins
        marker = head[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a filling byte
            at += 1
        elif marker in _JPEG_WITHOUT_LENGTH:
            at += 2
        elif marker in _JPEG_FRAMES:
            height, width = _pair(">HH", head, at + 5)
            return width, height
        else:
            (length,) = struct.unpack_from(">H", head, at + 2)
            if length < 2:  # noqa: PLR2004 - it counts itself
                return 0, 0
            at += 2 + length
    return 0, 0
