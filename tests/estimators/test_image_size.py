"""The size of a picture is read from its header, and never guessed from anything else."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from compact_otel.estimators.image_size import image_size
from tests.estimators.pictures import (
    bmp,
    encoded,
    extended_webp,
    gif,
    jpeg,
    jpeg_with_a_colour_profile,
    lossless_webp,
    lossy_webp,
    old_bmp,
    png,
    progressive_jpeg,
    segment,
)

FORMATS = [
    png,
    gif,
    bmp,
    old_bmp,
    jpeg,
    progressive_jpeg,
    jpeg_with_a_colour_profile,
    lossy_webp,
    lossless_webp,
    extended_webp,
]
formats = pytest.mark.parametrize("form", FORMATS, ids=lambda form: form.__name__)


@formats
@pytest.mark.parametrize("size", [(1, 1), (640, 480), (3, 4000)])
def test_a_picture_tells_its_size_in_every_form_of_base64(form, size):
    data = encoded(form(*size) + bytes(500))
    assert image_size(data) == size
    assert image_size(f"data:image/whatever;base64,{data}") == size
    assert image_size(data.replace("+", "-").replace("/", "_").rstrip("=")) == size


@formats
def test_a_picture_that_is_cut_short_tells_its_size_or_none(form):
    data = encoded(form(640, 480))
    found = {image_size(data[:length]) for length in range(0, min(len(data), 400), 3)}
    assert found <= {None, (640, 480)}


def test_what_is_no_picture_has_no_size():
    for data in (
        "",
        "data:",
        "data:image/png;base64,",
        "https://example.com/cat.png",
        "not base64 at all: Größe, 世界, \ud83d",
        encoded(b"%PDF-1.7\n" + bytes(100)),
        encoded(png(0, 480)),
        encoded(b"\xff\xd8" + b"\xff" * 100_000),
        encoded(b"\xff\xd8\xff\xe0\x00\x00" * 100),
        encoded(b"RIFF\x00\x00\x00\x00WEBPVP8X"),
    ):
        assert image_size(data) is None


def test_only_the_beginning_of_a_large_file_is_looked_at():
    assert image_size("data:image/png;base64," + encoded(png(9, 9)) + "!" * 10_000_000) == (9, 9)
    assert image_size(encoded(b"\xff\xd8" + segment(0xE2, bytes(65_000)) * 100)) is None


@settings(deadline=None)
@given(st.sampled_from(FORMATS), st.integers(0, 2**32), st.integers(1, 12), st.integers(1, 2000))
def test_a_damaged_header_never_fails(form, seed, changes, side):
    chance = random.Random(seed)
    data = bytearray(form(side, side))
    for _ in range(changes):
        data[chance.randrange(min(len(data), 60))] = chance.randrange(256)
    size = image_size(encoded(bytes(data)))
    assert size is None or (size[0] > 0 and size[1] > 0)
