from pathlib import Path

import numpy as np
import pydata_sphinx_theme
import pytest
from PIL import Image

import weigh
from website.lightening import (
    STOPS,
    THEME_AT_ONCE,
    Lightener,
    draw_icons,
    icon_name,
    icon_paths,
    joined_styles,
    to_webp,
    unwrap,
)

SCRIPT = '{"file-pdf":[384,512,[],"f1c1","M1 1"],list:[512,512,["list-squares"],"f03a","M40 48"]}'
PAGE = """<html><head>
    <link rel="stylesheet" type="text/css" href="{up}_static/styles/a.css?v=1" />
    <link rel="stylesheet" href="{up}_static/b.css" />
  <link rel="preload" as="script" href="{up}_static/two.js" />
  <script defer src="{up}_static/scripts/fontawesome.js?digest=1"></script>
    <script src="{up}_static/documentation_options.js?v=1"></script>
    <script src="{up}_static/one.js"></script>
    <script>OPTIONS.page = 'x';</script>
    <script>document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";</script>
    <script src="{up}_static/searchtools.js"></script>
    <script src="{up}searchindex.js"></script>
  </head><body><span class="fa-solid fa-list"></span><i class="fas fa-file-pdf"></i>
  <img src="{up}_static/logo.svg" class="logo__image" alt=""/><p>Words.</p>
  <a class="reference internal image-reference" href="{up}_images/dot.png"
  ><img alt="A dot." src="{up}_images/dot.png" style="width: 2px; height: 3px;" /></a>
  <script defer src="{up}_static/two.js"></script></body></html>"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """Write a site of two pages."""
    files = {
        "_static/styles/a.css": '@import "../base.css";\np { background: url(../pic.svg?v=2#x); }',
        "_static/base.css": "/* base */ a { color: red; }",
        "_static/b.css": 'q { src: url("data:x"); }.fa-list-squares:before,.fa-list:before{content:"\\f03a"}',
        "_static/scripts/fontawesome.js": SCRIPT,
        "_static/documentation_options.js": "const OPTIONS = {};",
        "_static/one.js": "const one = 1",
        "_static/two.js": "const two = 2;all.forEach(e=>{e.tabIndex=e.scrollWidth>e.clientWidth||e.scrollHeight>e.clientHeight?0:-1})",
        "_static/vendor/fonts/source-serif-4-latin-wght-normal.woff2": "",
        "_static/vendor/katex/fonts/KaTeX_Main-Regular.woff2": "",
        "_static/searchtools.js": "",
        "searchindex.js": "",
        "index.html": PAGE.format(up=""),
        "book/a/page.html": PAGE.format(up="../../"),
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf8")
    (tmp_path / "_images").mkdir()
    Image.fromarray(np.tile(np.arange(64, dtype=np.uint8), (64, 1))).save(tmp_path / "_images" / "dot.png")
    return tmp_path


def test_every_page_asks_for_one_stylesheet_and_one_script_and_no_index(site: Path):
    Lightener(site).run()
    for name, up in (("index.html", ""), ("book/a/page.html", "../../")):
        page = (site / name).read_text("utf8")
        (style,) = (site / "_static").glob("site-*.css")
        (script,) = (site / "_static").glob("site-*.js")
        assert page.count("stylesheet") == 1
        assert f'href="{up}_static/{style.name}"' in page
        assert f'src="{up}_static/{script.name}"' in page
        assert "searchindex" not in page
        assert "searchtools" not in page
        assert "fontawesome.js" not in page
        assert 'as="script"' not in page
        assert page.index("const OPTIONS") < page.index("OPTIONS.page") < page.index(script.name)
    assert not (site / "_static" / "scripts" / "fontawesome.js").exists()
    assert script.read_text("utf8").split()[:8] == "const one = 1; const two = 2;all.forEach(e=>{0});".split()


def test_a_second_run_changes_nothing(site: Path):
    Lightener(site).run()
    before = {path: path.read_bytes() for path in site.rglob("*") if path.is_file()}
    Lightener(site).run()
    assert {path: path.read_bytes() for path in site.rglob("*") if path.is_file()} == before


def test_joined_styles_keep_order_and_addresses_and_lose_icons(site: Path):
    static = site / "_static"
    text = joined_styles([static / "styles" / "a.css", static / "b.css"], static)
    assert text.index("color: red") < text.index("url(pic.svg?v=2#x)") < text.index('url("data:x")')
    assert "@import" not in text
    assert "fa-list" not in text


def test_icons_are_drawn_where_they_stand_and_an_unknown_one_is_named():
    paths = icon_paths(SCRIPT, {"list", "file-pdf"})
    drawn = draw_icons('<i class="theme-switch fa-solid fa-list   fa-lg" data-mode="auto" title="Auto"></i>', paths)
    assert (
        '<svg class="svg-inline--fa theme-switch fa-solid fa-list fa-lg" data-mode="auto" aria-hidden="true"' in drawn
    )
    assert 'viewBox="0 0 512 512"' in drawn
    assert 'd="M40 48"' in drawn
    assert icon_name("fas fa-file-pdf") == "file-pdf"
    with pytest.raises(ValueError, match="no icon 'sun'"):
        icon_paths(SCRIPT, {"sun"})


def test_code_keeps_its_text_and_its_colors():
    code = '<div class="highlight"><pre><span class="k">if</span><span class="w"> </span><span class="n">x</span><span class="o">+</span></pre>'
    assert unwrap(code) == '<div class="highlight"><pre><span class="k">if</span> x+</pre>'
    signature = '<dt class="sig sig-object"><span class="pre">f</span><span class="p">(</span><em>x</em></dt>'
    assert unwrap(signature) == '<dt class="sig sig-object">f(<em>x</em></dt>'
    assert unwrap('<p><span class="n">x</span></p>') == '<p><span class="n">x</span></p>'


def test_webp_has_the_same_pixels_and_a_noisy_photograph_nearly(tmp_path: Path):
    pixels = np.tile(np.arange(256, dtype=np.uint8), (256, 1))[..., None].repeat(3, axis=2)
    Image.fromarray(pixels).save(tmp_path / "drawing.png")
    with Image.open(to_webp(tmp_path / "drawing.png")) as image:
        assert image.format == "WEBP"
        assert (np.asarray(image.convert("RGB")) == pixels).all()
    rng = np.random.default_rng(0)
    smooth = rng.normal(size=(600, 600, 3)).cumsum(axis=0).cumsum(axis=1)
    smooth = 200 * (smooth - smooth.min()) / np.ptp(smooth)
    photograph = (smooth + rng.normal(scale=3, size=smooth.shape) + 20).clip(0, 255).astype(np.uint8)
    Image.fromarray(photograph).save(tmp_path / "photograph.png")
    stored = to_webp(tmp_path / "photograph.png")
    with Image.open(stored) as image:
        error = np.abs(np.asarray(image.convert("RGB")).astype(float) - photograph).mean()
    assert 0 < error < 4
    assert stored.stat().st_size < (tmp_path / "photograph.png").stat().st_size / 2
    assert weigh.is_photograph(stored)
    assert not weigh.is_photograph(tmp_path / "drawing.webp")


def test_pictures_load_late_but_for_the_logo(site: Path):
    Lightener(site).run()
    page = (site / "index.html").read_text("utf8")
    assert '<img loading="lazy" decoding="async" alt="A dot." src="_images/dot.webp"' in page
    assert "height: 3px; aspect-ratio: 2 / 3;" in page
    assert not (site / "_images" / "dot.png").exists()
    assert 'image-reference" href="_images/dot.webp"' in page
    assert '<img src="_static/logo.svg" class="logo__image" alt=""/>' in page


def test_a_page_asks_at_once_for_the_fonts_that_it_needs(site: Path):
    Lightener(site).run()
    page = (site / "book" / "a" / "page.html").read_text("utf8")
    assert 'href="../../_static/vendor/fonts/source-serif-4-latin-wght-normal.woff2" crossorigin' in page
    assert "KaTeX_Main" not in page  # it has no mathematics


def test_what_is_too_heavy_is_named():
    light = weigh.Weight("a.html", 900, 300, 0, 20, 5000, 900, 100, 0.0)
    assert weigh.over([light]) == []
    assert weigh.over([light, light._replace(page="b.html", sent=1500, photos=750)]) == ["b.html: sent 750, limit 700"]
    assert weigh.over([light._replace(requests=31)]) == ["a.html: requests 31, limit 30"]


def test_code_has_its_light_colors_where_no_script_sets_a_theme(tmp_path: Path):
    (tmp_path / "a.css").write_text(
        'html[data-theme="light"] .highlight .k { color: red }\nhtml[data-theme="dark"] .highlight .k { color: blue }'
    )
    joined = joined_styles([tmp_path / "a.css"], tmp_path)
    assert joined.splitlines()[0] == 'html:not([data-theme="dark"]) .highlight .k { color: red }'
    assert joined.splitlines()[1] == 'html[data-theme="dark"] .highlight .k { color: blue }'


def test_the_script_of_the_theme_lays_no_box_out_and_colors_are_chosen_at_once(site: Path):
    Lightener(site).run()
    (script,) = (site / "_static").glob("site-*.js")
    assert "const two = 2;all.forEach(e=>{0})" in script.read_text("utf8")
    page = (site / "index.html").read_text("utf8")
    assert f"<script>{THEME_AT_ONCE}</script>" in page
    assert "localStorage" not in page


def test_the_theme_still_asks_every_box_whether_it_scrolls():
    script = (
        Path(pydata_sphinx_theme.__file__).parent / "theme/pydata_sphinx_theme/static/scripts/pydata-sphinx-theme.js"
    )
    assert STOPS.search(script.read_text("utf8"))
