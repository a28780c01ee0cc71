"""The copies of what others wrote, and the colors of the pages."""

import re
from pathlib import Path

import numpy as np
import pytest

BOOK = Path(__file__).parent.parent.parent / "book"
ASSETS, VENDOR = BOOK / "_assets", BOOK / "_assets" / "vendor"
CSS = (ASSETS / "book.css").read_text("utf8")


def test_the_stylesheet_of_katex_is_that_of_the_katex_that_typesets():
    from sphinxcontrib.katex import katex_version

    assert f"katex@{katex_version}" in (VENDOR / "VENDORED.md").read_text()
    assert f'content:"{katex_version}"' in (VENDOR / "katex" / "katex.min.css").read_text()


@pytest.mark.parametrize("sheet", [ASSETS / "book.css", VENDOR / "katex" / "katex.min.css"])
def test_stylesheets_ask_only_for_files_that_are_there(sheet: Path):
    urls = re.findall(r"url\(([^)]*)\)", sheet.read_text("utf8"))
    assert urls
    assert [url for url in urls if not (sheet.parent / url).is_file()] == []


def test_no_asset_names_another_site():
    for path in [*ASSETS.glob("*.*s"), *ASSETS.glob("live/*.js"), *ASSETS.glob("*.svg")]:
        found = [
            url
            for url in re.findall(r"(?:https?:)?//[\w.]+\.\w+[\w/.]*", path.read_text("utf8"))
            if "w3.org" not in url
        ]
        assert found == [], path


def test_every_vendored_file_is_accounted_for():
    text = (VENDOR / "VENDORED.md").read_text()
    for path in VENDOR.rglob("*"):
        if path.is_file() and path.name not in {"VENDORED.md", "LICENSE", "OFL.txt"}:
            assert f"`{path.relative_to(VENDOR).parts[0]}/`" in text
            assert path.suffix in {".woff2", ".css"}


def colors(theme: str) -> dict[str, str]:
    selector = {"light": 'html:not([data-theme="dark"])', "dark": 'html[data-theme="dark"]'}[theme]
    (block,) = re.findall(rf"{re.escape(selector)} \{{(.*?)\}}", CSS, flags=re.S)[:1]
    return dict(re.findall(r"(--[\w-]+): (#[0-9a-f]{6});", block))


def luminance(color: str) -> float:
    channels = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(one: str, other: str) -> float:
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_of_known_colors():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the grey that just fails


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_words_have_a_contrast_of_four_and_a_half_on_every_ground(theme: str):
    known = colors(theme)
    grounds = ["--paper", "--side", "--code", "--positive-tint", "--negative-tint"]
    for ink in (
        "--positive-ink",
        "--negative-ink",
        "--muted",
        "--pst-color-link",
        "--pst-color-link-hover",
        "--pst-color-text-base",
    ):
        for ground in grounds:
            assert contrast(known[ink], known[ground]) >= 4.5, (theme, ink, ground)
    for mark in ("--positive", "--negative"):
        assert contrast(known[mark], known["--paper"]) >= 3, (theme, mark)
