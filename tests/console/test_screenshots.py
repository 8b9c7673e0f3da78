"""The README's pictures, taken by a browser; written only when GOODSEND_SCREENSHOTS=1 is set."""

import os
import struct
from pathlib import Path

import pytest
from playwright.sync_api import Page

from tests.console.conftest import Visit, live_server
from tests.live import Live

__all__ = ["live_server"]

IMAGES = Path(__file__).parents[2] / "docs" / "images"
LARGEST = 300_000


def take(page: Page, name: str, height: int) -> bytes:
    """Write what the window shows as an image of the documentation."""
    page.set_viewport_size({"width": 1280, "height": height})
    page.wait_for_timeout(800)
    IMAGES.mkdir(exist_ok=True)
    return page.screenshot(path=IMAGES / name, animations="disabled")


@pytest.mark.skipif(os.environ.get("GOODSEND_SCREENSHOTS") != "1", reason="GOODSEND_SCREENSHOTS=1 writes the images")
@pytest.mark.parametrize("live_server", [48], indirect=True)
def test_the_pictures_of_the_readme(visit: Visit, live_server: Live) -> None:
    """The overview after a simulated day of 48 accounts, and its gravest case with content."""
    with live_server.installation.pool.connection() as connection:
        row = connection.execute(
            """SELECT c.case_id FROM casework c JOIN case_step s USING (tenant, case_id)
                 JOIN event_key k USING (tenant, event_id)
                 JOIN event e ON e.tenant = k.tenant AND e.day = k.day AND e.arrival = k.arrival
                WHERE c.tenant = %s AND e.content IS NOT NULL AND c.title ILIKE '%%phish%%'
                ORDER BY c.severity DESC, c.number LIMIT 1""",
            (live_server.tenant,),
        ).fetchone()
    assert row is not None
    page = visit("analyst")
    overview = take(page, "overview.png", 885)
    page.goto(f"/cases/{row[0]}")
    page.wait_for_selector("html[data-ready]")
    case = take(page, "case.png", 1100)

    for image in (overview, case):
        assert struct.unpack(">I", image[16:20])[0] == 1280
        assert len(image) < LARGEST
