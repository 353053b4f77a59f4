"""The headers of picture files, with nothing behind them."""

import base64
import struct
import zlib


def encoded(data):
    return base64.b64encode(data).decode()


def png(width, height):
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    checksum = struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + checksum


def gif(width, height):
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\x00" * 10


def bmp(width, height):
    return b"BM" + bytes(12) + struct.pack("<Iii", 40, width, -height) + bytes(28)


def old_bmp(width, height):
    return b"BM" + bytes(12) + struct.pack("<IHHHH", 12, width, height, 1, 24)


def segment(marker, payload):
    return bytes((0xFF, marker)) + struct.pack(">H", len(payload) + 2) + payload


def jpeg(width, height, *, frame=0xC0, before=b""):
    sizes = struct.pack(">BHHB", 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + segment(0xE0, b"JFIF\x00" + bytes(9)) + before + segment(frame, sizes)


def progressive_jpeg(width, height):
    return jpeg(width, height, frame=0xC2, before=b"\xff\xff")


def jpeg_with_a_colour_profile(width, height):
    profile = b"".join(segment(0xE2, bytes(65_000)) for _ in range(4))
    return jpeg(width, height, before=profile + segment(0xC4, bytes(20)))


def webp(kind, payload):
    chunk = kind + struct.pack("<I", len(payload)) + payload
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def lossy_webp(width, height):
    scaled = struct.pack("<HH", width | 1 << 14, height | 2 << 14)  # the upper bits are a scale
    return webp(b"VP8 ", b"\x30\x01\x00\x9d\x01\x2a" + scaled)


def lossless_webp(width, height):
    return webp(b"VP8L", b"\x2f" + struct.pack("<I", width - 1 | height - 1 << 14 | 1 << 28))


def extended_webp(width, height):
    canvas = (side.to_bytes(3, "little") for side in (width - 1, height - 1))
    return webp(b"VP8X", b"\x10\x00\x00\x00" + b"".join(canvas))
