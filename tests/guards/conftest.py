"""The proofs say what they found where they fail, as tests do."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite(*(f"tests.guards.{path.stem}" for path in Path(__file__).parent.glob("[a-z]*.py")))
