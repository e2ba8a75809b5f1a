"""Doctests run in a folder of their own: an example that makes a file leaves none in the project."""

import pytest


@pytest.fixture(autouse=True)
def _folder_of_a_doctest(request: pytest.FixtureRequest) -> None:
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
