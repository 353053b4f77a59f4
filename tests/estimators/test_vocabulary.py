"""The vocabularies come from the wheel: to the last byte, once per process, never from the net."""

import base64
import hashlib
import lzma
import os
import subprocess
import sys
import threading

import pytest
import tiktoken_ext.openai_public

from compact_otel.core.types import CallContext
from compact_otel.estimators import vocabulary
from compact_otel.estimators.make_vocabulary import make
from compact_otel.estimators.tiktoken import TiktokenEstimator
from compact_otel.estimators.vocabulary import CL100K, O200K, PUBLISHED

SHA256 = {
    "o200k_base": "446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
    "cl100k_base": "223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
}
# tiktoken names a file in its cache after its address.
CACHED = hashlib.sha1(
    b"https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
).hexdigest()

both = pytest.mark.parametrize("name", PUBLISHED)


@pytest.fixture(scope="module")
def files():
    """The `.tiktoken` files by name, rebuilt from what an estimator has loaded."""

    def rebuilt(name):
        ranks = vocabulary.encoding(name)._mergeable_ranks
        lines = (b"%s %d\n" % (base64.b64encode(token), ranks[token]) for token in ranks)
        return b"".join(lines)

    return {name: rebuilt(name) for name in PUBLISHED}


@pytest.fixture
def published(files):
    return files["o200k_base"]


@pytest.fixture
def unloaded(monkeypatch, tmp_path):
    """As in a new process on a clean machine; what was loaded comes back after the test."""
    monkeypatch.delenv("TIKTOKEN_CACHE_DIR", raising=False)
    monkeypatch.delenv("DATA_GYM_CACHE_DIR", raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(vocabulary, "_loaded", {})


@pytest.fixture
def bundle(monkeypatch, tmp_path):
    """A copy of the o200k bundle that a test may damage."""
    copy = tmp_path / "o200k_base.xz"
    copy.write_bytes(O200K.bundle.read_bytes())
    monkeypatch.setattr(vocabulary, "FOLDER", tmp_path)
    return copy


@both
def test_a_bundle_holds_the_published_file_byte_for_byte(files, name):
    assert hashlib.sha256(files[name]).hexdigest() == SHA256[name]


@both
def test_tiktoken_expects_the_file_that_we_have(monkeypatch, name):
    expected = {}
    monkeypatch.setattr(
        tiktoken_ext.openai_public,
        "load_tiktoken_bpe",
        lambda url, expected_hash: expected.update(url=url, sha256=expected_hash) or {},
    )
    pattern = getattr(tiktoken_ext.openai_public, name)()["pat_str"]
    ours = PUBLISHED[name]
    assert expected == {"url": ours.url, "sha256": ours.sha256}
    assert pattern == ours.pattern


@pytest.mark.parametrize(("published", "at_most"), [(O200K, 850_000), (CL100K, 400_000)])
def test_a_bundle_is_small_and_names_its_licence(published, at_most):
    assert published.bundle.stat().st_size < at_most
    licence = published.bundle.with_name("LICENSE-tiktoken").read_text(encoding="utf-8")
    assert "MIT License" in licence
    assert "Copyright (c) 2022 OpenAI, Shantanu Jain" in licence
    assert published.sha256 in licence
    assert published.url in licence


def test_the_bundles_can_be_made_again_from_the_published_files(files, tmp_path):
    for name, data in files.items():
        (tmp_path / f"{name}.tiktoken").write_bytes(data)
    make(tmp_path, tmp_path)
    for name, published in PUBLISHED.items():
        made = (tmp_path / f"{name}.xz").read_bytes()
        assert lzma.decompress(made) == lzma.decompress(published.bundle.read_bytes())


def test_no_bundle_is_made_from_another_file(files, tmp_path):
    (tmp_path / "o200k_base.tiktoken").write_bytes(files["o200k_base"])
    (tmp_path / "cl100k_base.tiktoken").write_bytes(b"IQ== 0\n")
    with pytest.raises(ValueError, match=SHA256["cl100k_base"]):
        make(tmp_path, tmp_path)
    assert list(tmp_path.glob("*.xz")) == []


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
    cached.write_bytes(published[:-1] + b"\r")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert TiktokenEstimator().count_text("one two three") == 3
    assert cached.read_bytes() == published[:-1] + b"\r"


def test_the_place_where_tiktoken_keeps_its_files_by_itself_is_looked_into(
    unloaded, bundle, tmp_path, published
):
    bundle.unlink()
    folder = tmp_path / "temporary" / "data-gym-cache"
    folder.mkdir(parents=True)
    (folder / CACHED).write_bytes(published)
    assert TiktokenEstimator().count_text("one two three") == 3


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes in folders")
def test_a_pipe_in_a_cache_that_everybody_may_write_to_is_not_waited_for(unloaded, tmp_path):
    folder = tmp_path / "temporary" / "data-gym-cache"
    folder.mkdir(parents=True)
    os.mkfifo(folder / CACHED)
    assert TiktokenEstimator().count_text("one two three") == 3


def test_the_old_vocabulary_is_loaded_only_when_a_model_has_it(unloaded):
    items = [{"role": "user", "content": "Größe und Übermut"}]
    estimator = TiktokenEstimator()
    estimator.count_items(items, CallContext(model="gpt-5"))
    assert vocabulary.is_loaded("o200k_base")
    assert not vocabulary.is_loaded("cl100k_base")
    estimator.count_items(items, CallContext(model="azure/gpt-35-turbo"))
    assert vocabulary.is_loaded("cl100k_base")


def test_a_model_of_the_old_vocabulary_loads_no_other(unloaded):
    estimator = TiktokenEstimator()
    estimator.count_items([{"role": "user", "content": "hello"}], CallContext(model="gpt-4"))
    assert not vocabulary.is_loaded("o200k_base")


def test_threads_that_come_at_once_load_it_once(unloaded, monkeypatch):
    loads = []
    read = vocabulary._from_bundle
    monkeypatch.setattr(vocabulary, "_from_bundle", lambda which: loads.append(1) or read(which))
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
