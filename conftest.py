"""What holds for tests and doctests alike: an example that makes a file leaves none in the project, and none open."""

from collections.abc import Iterator

import pytest

from tests.connections import none_left_open, watched


@pytest.fixture(autouse=True)
def _folder_of_a_doctest(request: pytest.FixtureRequest) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))


@pytest.fixture(autouse=True, scope="session")
def _connections_are_watched() -> Iterator[None]:
    with watched():
        yield


@pytest.fixture(autouse=True)
def _connections_are_closed() -> Iterator[None]:
    with none_left_open():
        yield
