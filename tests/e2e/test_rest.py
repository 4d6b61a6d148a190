"""The REST API against a real server."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import NewWorld
    from tests.e2e.harness import World


@pytest.fixture(scope="module")
def world(new_shared_world: "NewWorld") -> "World":
    return new_shared_world(devices=6)


def test_a_clearing_goes_through(world: "World") -> None:
    subject = world.subject()
    request_id = world.begin(subject)
    world.assert_cleared_once(subject, request_id)
