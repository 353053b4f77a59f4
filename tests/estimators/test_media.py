"""A picture costs by its size, its detail and the model, and nothing costs what its base64 would.

Expected figures are the worked examples of the providers' guides, and what their usage has said.
"""

import base64
import json

import pytest

from compact_otel.core.types import CallContext
from compact_otel.estimators import media
from tests.estimators.pictures import encoded, jpeg, png


def url(width, height):
    return "data:image/png;base64," + encoded(png(width, height))


def picture(width, height, detail="auto"):
    return {"type": "input_image", "image_url": url(width, height), "detail": detail}


def cost(estimator, part, model="gpt-4o"):
    """Return the tokens of a part of a message, without the message around it."""
    call = CallContext(model=model)
    with_part, without = (
        sum(estimator.count_items([{"role": "user", "content": content}], call))
        for content in ([part], [])
    )
    return with_part - without


@pytest.mark.parametrize(
    ("model", "size", "tokens"),
    [
        ("gpt-4o", (1024, 1024), 765),
        ("gpt-4o", (2048, 4096), 1105),
        ("gpt-4o", (3008, 2000), 1105),
        ("gpt-4o", (100, 100), 255),
        ("gpt-4.1", (1024, 1024), 765),
        ("gpt-4o-mini", (1, 1), 8500),
        ("azure/gpt-4o-mini-2024-07-18", (1, 1), 8500),
        ("o3", (1024, 1024), 75 + 4 * 150),
        ("gpt-5", (1024, 1024), 70 + 4 * 140),
        ("gpt-5.1-2025-11-13", (1024, 1024), 70 + 4 * 140),
        ("gpt-4.1-nano", (540, 360), 502),
        ("gpt-4.1-mini", (1024, 1024), 1659),
        ("gpt-4.1-mini", (1800, 2400), 2353),  # 1,452 patches, as in OpenAI's guide
        ("o4-mini", (1024, 1024), 1762),
        ("gpt-5-mini", (597, 566), 411),
        ("gpt-5-mini", (400, 301), 156),
        ("gpt-5-mini", (2048, 768), 1844),
        ("gpt-5-nano", (768, 576), 648),
        ("gpt-5.4-mini", (768, 576), 519),
        ("gpt-5.2", (1024, 1024), 1229),
        ("gpt-6-sol", (1600, 1600), 3000),
        ("claude-sonnet-4-5", (1000, 1000), 1296),
        ("claude-sonnet-4-5", (200, 200), 64),
        ("gemini-2.5-flash", (384, 384), 258),
        ("gemini-2.5-flash", (1536, 769), 4 * 258),
        ("gemini-3-pro", (1536, 769), 1120),
        ("some-vision-model", (1024, 1024), 765),
    ],
)
def test_a_picture_costs_by_its_size_as_its_model_takes_it(tiktoken, model, size, tokens):
    assert cost(tiktoken, picture(*size), model) == tokens


@pytest.mark.parametrize(
    ("model", "detail", "tokens"),
    [
        ("gpt-4o", "low", 85),
        ("gpt-4o", "high", 765),
        ("gpt-4o-mini", "low", 2833),
        ("gpt-5", "low", 70),
        ("gpt-5-mini", "low", 1229),  # makes no difference
        ("gpt-5-mini", "original", 1229),
        ("gpt-4o", None, 765),
        ("gpt-4o", {"odd": 1}, 765),
    ],
)
def test_detail_matters_where_the_model_cares(tiktoken, model, detail, tokens):
    assert cost(tiktoken, picture(1024, 1024, detail), model) == tokens


def test_with_its_original_detail_a_large_picture_may_cost_four_times_as_much(tiktoken):
    assert cost(tiktoken, picture(6000, 6000, "high"), "gpt-6-sol") == 3000
    assert cost(tiktoken, picture(6000, 6000, "original"), "gpt-6-sol") == 12_000


@pytest.mark.parametrize(
    ("model", "at_most"),
    [
        ("gpt-4o", 85 + 170 * 16),
        ("gpt-4.1-mini", 2489),
        ("gpt-6", 3000),
        ("claude-sonnet-4-6", 1568),
        ("claude-opus-4-7", 4784),
    ],
)
@pytest.mark.parametrize(
    "size", [(8000, 8000), (100_000, 1), (1, 100_000), (2**31, 2**31), (4000, 30)]
)
def test_no_picture_costs_more_than_its_model_looks_at(tiktoken, model, at_most, size):
    assert 0 < cost(tiktoken, picture(*size), model) <= at_most


@pytest.mark.parametrize(
    "part",
    [
        {"type": "input_image", "image_url": "DATA", "detail": "auto"},
        {"type": "input_image", "image_url": {"url": "DATA"}},
        {"type": "image_url", "image_url": {"url": "DATA"}},
        {"type": "image_url", "image_url": "DATA"},
        {"type": "computer_screenshot", "image_url": "DATA"},
        {"type": "image", "source": {"type": "base64", "data": "BARE"}},
        {"type": "image", "data": "BARE", "mimeType": "image/png"},
        {"type": "from_the_future", "source": "DATA"},
    ],
    ids=json.dumps,
)
def test_a_picture_is_found_in_each_form_that_an_api_gives_it(tiktoken, part):
    data = url(100, 100)
    written = json.dumps(part).replace("DATA", data).replace("BARE", data.partition(",")[2])
    assert cost(tiktoken, json.loads(written)) == 255


def test_detail_is_found_beside_the_address_and_in_it(tiktoken):
    outside = {"type": "input_image", "image_url": url(1024, 1024), "detail": "low"}
    inside = {"type": "image_url", "image_url": {"url": url(1024, 1024), "detail": "low"}}
    assert cost(tiktoken, outside) == cost(tiktoken, inside) == 85


@pytest.mark.parametrize(
    "source",
    [
        {"image_url": "https://example.com/cat.png"},
        {"file_id": "file-68a1"},
        {"image_url": {"url": "https://example.com/cat.png"}},
        {"image_url": None},
        {"image_url": 42},
        {"image_url": ["odd"]},
        {"image_url": {"url": {"url": {"url": {}}}}},
        {"image_url": "data:image/png;base64,iVBORw0KGgo="},
        {"image_url": "data:image/png;base64," + "iVBORw0KGgo" * 10_000},
        {"image_url": "data:image/png;base64,§§§"},
        {"image_url": "\ud83d"},
        {},
    ],
    ids=str,
)
def test_a_picture_of_unknown_size_costs_what_one_of_1024_pixels_costs(tiktoken, source):
    assert cost(tiktoken, {"type": "input_image", **source}) == 765
    assert cost(tiktoken, {"type": "input_image", **source}, "gpt-5-mini") == 1229


def test_a_picture_costs_as_a_picture_in_outputs_and_calls(tiktoken):
    call = CallContext(model="gpt-4o")
    data = encoded(jpeg(100, 100))
    screenshot = {"type": "computer_screenshot", "image_url": f"data:image/jpeg;base64,{data}"}
    part = {"type": "input_image", "image_url": f"data:image/jpeg;base64,{data}"}
    items = [
        {"type": "computer_call_output", "call_id": "call_1", "output": screenshot},
        {"type": "image_generation_call", "id": "ig_1", "result": data},
        {"type": "function_call_output", "call_id": "call_2", "output": [part, part]},
        {"role": "tool", "tool_call_id": "call_3", "content": [part]},
    ]
    assert tiktoken.count_items(items, call) == [7 + 255, 7 + 255, 7 + 510, 7 + 255]


def test_a_header_is_read_once_per_picture(tiktoken, monkeypatch):
    read = []
    sniff = media.image_size
    monkeypatch.setattr(media, "image_size", lambda data: read.append(1) or sniff(data))
    part = picture(1024, 1024)
    for model in ("gpt-4o", "gpt-5", "gpt-4o"):
        cost(tiktoken, part, model)
        cost(tiktoken, dict(part), model)
    assert len(read) == 1


def data_url(kind, size):
    return f"data:{kind};base64," + base64.b64encode(bytes(size)).decode()


@pytest.mark.parametrize(
    ("part", "tokens"),
    [
        ({"type": "input_file", "file_data": data_url("application/pdf", 15_000)}, 750),
        ({"type": "input_file", "file_data": data_url("application/pdf", 150_000)}, 8 * 750),
        ({"type": "file", "file": {"file_data": data_url("application/pdf", 15_000)}}, 750),
        ({"type": "input_file", "file_data": data_url("text/csv", 3_000)}, 750),
        ({"type": "input_file", "file_id": "file-68a1"}, 4 * 750),
        ({"type": "input_file", "file_url": "https://example.com/report.pdf"}, 4 * 750),
        ({"type": "file", "file": {"file_id": "file-68a1"}}, 4 * 750),
        ({"type": "input_audio", "input_audio": {"data": "UklGR" + "A" * 426_662}}, 100),
        ({"type": "input_audio", "input_audio": {"data": "SUQzB" + "A" * 133_328}}, 100),
        ({"type": "input_audio", "input_audio": {}}, 300),
        ({"type": "input_file", "file_data": None}, 4 * 750),
    ],
    ids=lambda value: str(value)[:70],
)
def test_files_and_sounds_cost_what_is_assumed_of_their_length(tiktoken, part, tokens):
    assert cost(tiktoken, part) == pytest.approx(tokens, abs=1)


def test_a_text_that_merely_looks_like_a_data_url_is_text(tiktoken):
    string = "data:image/png;base64," + "iVBORw0KGgo" * 100
    (tokens,) = tiktoken.count_items(
        [{"type": "function_call_output", "call_id": "call_1", "output": string}],
        CallContext(model="gpt-5"),
    )
    assert tokens == 8 + tiktoken.count_text(string)
