"""A real browser on a real server: what the console's tests look through."""

import os
import shutil
from collections.abc import Callable, Iterator
from functools import cache

import httpx
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.live import Live, live_server

__all__ = ["live_server"]

ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
WIDE, NARROW = 1280, 390

Visit = Callable[..., Page]
Enter = Callable[..., httpx.Client]


def chromium() -> str | None:
    """The browser of the machine: GOODSEND_BROWSER, or a Chromium on the path; None without one."""
    return os.environ.get("GOODSEND_BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One headless Chromium for the whole run."""
    path = chromium()
    if path is None:
        pytest.skip("no Chromium on this machine (set GOODSEND_BROWSER)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield running
        running.close()


@pytest.fixture(scope="module")
def signed_in(live_server: Live) -> Callable[[str], str]:
    """`signed_in(role)`: the cookie of a session, one for all tests of a module. Signing in is tested elsewhere."""

    @cache
    def cookie(role: str) -> str:
        form = {"login": f"{role}@demo.example", "password": live_server.password, "next": "/"}
        answer = httpx.post(f"{live_server.url}/sign-in", data=form, timeout=30)
        assert answer.status_code == 303, answer.text
        return answer.cookies["goodsend"]

    return cookie


@pytest.fixture
def visit(browser: Browser, live_server: Live, signed_in: Callable[[str], str]) -> Iterator[Visit]:
    """`visit(role, width=…, dark=…)`: a page, signed in. Scripts that fail or break the policy fail the test."""
    contexts = []
    said: list[str] = []

    def opened(role: str = "admin", width: int = WIDE, dark: bool = False) -> Page:
        context = browser.new_context(
            base_url=live_server.url,
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: said.append(message.text) if "Content Security" in message.text else None)
        context.add_cookies([{"name": "goodsend", "value": signed_in(role), "url": live_server.url}])
        page.goto("/")
        page.wait_for_selector("html[data-ready] h1:has-text('Overview')")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert said == []


@pytest.fixture
def enter(live_server: Live) -> Iterator[Enter]:
    """`enter(role="admin")`: an HTTP client that is signed in."""
    clients = []

    def opened(role: str = "admin") -> httpx.Client:
        client = httpx.Client(base_url=live_server.url, headers={"Accept": "text/html"})
        clients.append(client)
        answer = client.post(
            "/sign-in", data={"login": f"{role}@demo.example", "password": live_server.password, "next": "/"}
        )
        assert answer.status_code == 303, answer.text
        return client

    yield opened
    for client in clients:
        client.close()
