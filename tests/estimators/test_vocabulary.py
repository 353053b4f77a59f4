"""The vocabulary comes from the wheel: to the last byte, once per process, never from the net."""

import base64
import functools
import hashlib
import lzma
import os
import subprocess
import sys
import threading

import pytest
import tiktoken_ext.openai_public

from compact_otel.estimators import vocabulary
from compact_otel.estimators.tiktoken import TiktokenEstimator

PUBLISHED_SHA256 = "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d"
# tiktoken names a file in its cache after its address.
CACHED = hashlib.sha1(
    b"https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
).hexdigest()


@pytest.fixture(scope="module")
def published():
    """The `.tiktoken` file, rebuilt from what an estimator has loaded."""
    ranks = vocabulary.o200k()._mergeable_ranks
    lines = (b"%s %d\n" % (base64.b64encode(token), ranks[token]) for token in ranks)
    return b"".join(lines)


@pytest.fixture
def unloaded(monkeypatch):
    """As in a new process; the loaded encoding comes back after the test."""
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    monkeypatch.setattr(vocabulary, "_load", functools.cache(vocabulary._load.__wrapped__))


@pytest.fixture
def bundle(monkeypatch, tmp_path):
    """A copy of the bundle that a test may damage."""
    copy = tmp_path / "o200k_base.xz"
    copy.write_bytes(vocabulary.BUNDLE.read_bytes())
    monkeypatch.setattr(vocabulary, "BUNDLE", copy)
    return copy


def test_the_bundle_holds_the_published_file_byte_for_byte(published):
    assert hashlib.sha256(published).hexdigest() == PUBLISHED_SHA256


def test_the_bundle_is_small_and_names_its_licence():
    assert vocabulary.BUNDLE.stat().st_size < 850_000
    licence = vocabulary.BUNDLE.with_name("LICENSE-tiktoken").read_text(encoding="utf-8")
    assert "MIT License" in licence
    assert "Copyright (c) 2022 OpenAI, Shantanu Jain" in licence
    assert PUBLISHED_SHA256 in licence


def test_the_bundle_can_be_made_again_from_the_published_file(published):
    bundle = vocabulary.pack(vocabulary.read_published(published))
    assert lzma.decompress(bundle) == lzma.decompress(vocabulary.BUNDLE.read_bytes())


def test_the_bundle_is_not_made_from_another_file(tmp_path):
    other = tmp_path / "o200k_base.tiktoken"
    other.write_bytes(b"IQ== 0\n")
    before = vocabulary.BUNDLE.read_bytes()
    made = subprocess.run(
        [sys.executable, "-m", "compact_otel.estimators.vocabulary", str(other)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode != 0
    assert PUBLISHED_SHA256 in made.stderr
    assert vocabulary.BUNDLE.read_bytes() == before


def test_the_pattern_is_the_one_that_tiktoken_publishes(monkeypatch):
    monkeypatch.setattr(tiktoken_ext.openai_public, "load_tiktoken_bpe", lambda *a, **k: {})
    assert tiktoken_ext.openai_public.o200k_base()["pat_str"] == vocabulary._PATTERN


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.unlink(),
        lambda file: file.write_bytes(file.read_bytes()[:-1000]),
        lambda file: file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n"),
        lambda file: file.write_bytes(lzma.compress(b"\x01" * 199_998 + b"a" * 199_998)),
    ],
    ids=["missing", "cut short", "something else", "another vocabulary"],
)
def test_a_damaged_wheel_says_so_instead_of_counting_wrong(unloaded, bundle, damage):
    damage(bundle)
    estimator = TiktokenEstimator()
    with pytest.raises(RuntimeError, match="reinstall compact-otel"):
        estimator.warm_up()
    with pytest.raises(RuntimeError, match="reinstall compact-otel"):
        estimator.count_text("one two three")
    assert not estimator.is_warm


@pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"])
def test_a_cache_that_the_user_has_named_comes_first(
    unloaded, bundle, monkeypatch, published, variable
):
    bundle.unlink()
    (bundle.parent / CACHED).write_bytes(published)
    monkeypatch.setenv(variable, str(bundle.parent))
    assert TiktokenEstimator().count_text("one two three") == 3


def test_a_wrong_file_in_the_cache_is_passed_over_and_left_alone(
    unloaded, monkeypatch, tmp_path, published
):
    cached = tmp_path / CACHED
    cached.write_bytes(published[:-1])
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert TiktokenEstimator().count_text("one two three") == 3
    assert cached.read_bytes() == published[:-1]


def test_threads_that_come_at_once_load_it_once(unloaded, monkeypatch):
    loads = []
    read = vocabulary._from_bundle
    monkeypatch.setattr(vocabulary, "_from_bundle", lambda: loads.append(1) or read())
    encodings = []
    threads = [
        threading.Thread(target=lambda: encodings.append(vocabulary.o200k())) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(loads) == 1
    assert len(encodings) == 8
    assert len(set(map(id, encodings))) == 1


def test_an_estimator_is_warm_after_warm_up_and_stays_so(unloaded):
    estimator = TiktokenEstimator()
    assert not estimator.is_warm
    estimator.warm_up()
    encoding = vocabulary.o200k()
    estimator.warm_up()
    assert estimator.is_warm
    assert vocabulary.o200k() is encoding


def test_a_new_process_without_network_counts_and_writes_no_file(tmp_path):
    program = """
import socket, sys
def refuse(*args, **kwargs):
    raise SystemExit("network")
socket.getaddrinfo = socket.socket.connect = refuse
import compact_otel.estimators
assert "tiktoken" not in sys.modules, "imported too early"
from compact_otel.estimators.tiktoken import TiktokenEstimator
estimator = TiktokenEstimator()
assert "tiktoken" not in sys.modules, "imported too early"
print(estimator.count_text("one two three"))
assert "requests" not in sys.modules
"""
    environment = {
        name: value for name, value in os.environ.items() if not name.endswith("_CACHE_DIR")
    }
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={**environment, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode, run.stdout, run.stderr) == (0, "3\n", "")
    assert list(tmp_path.iterdir()) == []
