"""A headless Chromium of the machine, driven by Playwright."""

from __future__ import annotations

import contextlib
import os
import shutil

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ["--no-sandbox", "--disable-gpu", "--use-gl=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking", "--no-first-run"]  # fmt: skip


def found():
    """Its path; without one tests are skipped, but never in CI."""
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        no = "no Chromium on this machine; install one (such as Debian's package chromium) to test the report as a page"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(no)
    return path


@contextlib.contextmanager
def browser():
    """Open while in the block. Playwright's event loop then runs in this thread, so nothing else there may start one."""
    path = found()
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=QUIET)
        yield started
        started.close()
