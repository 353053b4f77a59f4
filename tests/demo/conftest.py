import pytest

from tests.demo.runs import play, settings


@pytest.fixture(scope="session")
def figures(tmp_path_factory):
    return play(settings(tmp_path_factory.mktemp("archive")))


@pytest.fixture(scope="session")
def streamed_chat(tmp_path_factory):
    return play(settings(tmp_path_factory.mktemp("archive"), api="chat", stream=True))
