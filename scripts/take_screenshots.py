"""Pictures of a report as readers meet it: ``python scripts/take_screenshots.py REPORT.html STEM [section ...]``.

Writes STEM_light.png, STEM_dark.png and STEM_phone.png of the page's top, and STEM_SECTION.png of each named section. Needs a
Chromium on the machine.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1320, "height": 1500}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1320, "height": 1500}, "color_scheme": "dark"},
    "phone": {
        "viewport": {"width": 390, "height": 1500},
        "has_touch": True,
        "is_mobile": True,
        "color_scheme": "light",
    },
}
ARGUMENTS = ["--no-sandbox", "--use-gl=swiftshader", "--enable-unsafe-swiftshader", "--disable-background-networking"]


def take(browser: Browser, report: Path, look: str, file: Path, section: str | None = None) -> None:
    """One picture: the page's top, or one section of it."""
    page = browser.new_page(**LOOKS[look])
    page.goto(report.resolve().as_uri())
    place = page.locator(f"#{section}") if section else page.locator("main .view:not([hidden]) .plot").first
    place.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)  # figures are drawn when they come near
    if section:
        place.screenshot(path=file)
    else:
        page.evaluate("scrollTo(0, 0)")
        page.wait_for_timeout(500)
        page.screenshot(path=file)
    page.close()
    print(file)


def main(report: Path, stem: Path, sections: list[str]) -> None:
    """All pictures of one report."""
    chrome = shutil.which("chromium") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chrome, args=ARGUMENTS)
        for look in LOOKS:
            take(browser, report, look, stem.with_name(f"{stem.name}_{look}.png"))
        for section in sections:
            take(browser, report, "light", stem.with_name(f"{stem.name}_{section}.png"), section)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])
