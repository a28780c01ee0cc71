"""Make the written pages light: what the theme and Sphinx load on every page, and few readers need, goes.

Measured on LeNet's page before: 4.3 MB in 56 requests, 1.8 MB of them over the wire; a third was one script with 2000
icons of which a page shows a dozen. Each function says what it changes; none changes what is read.

- Icons stand in the page as pictures, drawn from the paths in that script (Font Awesome Free, CC BY 4.0).
- Names, operators, punctuation and spaces of code, which have the color of code, are no elements of their own.
- No page loads the index of Sphinx's search; ``search.js`` does where it has to.
- The stylesheets are one file, and so are the scripts.
- No script lays the whole page out to see which boxes scroll (``book.js`` asks when a key is pressed), and the colors
  are chosen before anything is drawn in them, not after.
- Figures are WebP, which shows the same pixels in a third of the bytes; a large photograph may lose what nobody sees.
- Pictures load when they come near the window, into a place of their size; fonts before anything asks for them.
"""

import hashlib
import os
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image
from sphinx.application import Sphinx

from website.formulas import mend

PHOTOGRAPH = 150_000  # bytes above which a picture without loss is tried with it
FONTS = {  # what a page needs to have in it for a font to be asked for at once
    "fonts/source-serif-4-latin-wght-normal.woff2": "<p",
    "fonts/source-sans-3-latin-wght-normal.woff2": "<p",
    "fonts/source-serif-4-latin-wght-italic.woff2": "<em",
    "fonts/source-code-pro-latin-wght-normal.woff2": "<code",
    "katex/fonts/KaTeX_Main-Regular.woff2": 'class="katex"',
    "katex/fonts/KaTeX_Math-Italic.woff2": "mathnormal",
}

ICON = re.compile(r'<(?P<tag>i|span) class="(?P<names>[^"]*\b(?:fas|fa-solid)\b[^"]*)"(?P<rest>[^>]*)></(?P=tag)>')
CODE = re.compile(r'<div class="highlight"><pre>.*?</pre>', re.S)
PLAIN = re.compile(r'<span class="(?:n|nn|o|p|w)">([^<]*)</span>')
SIGNATURE = re.compile(r'<dt class="sig .*?</dt>', re.S)
PRE = re.compile(r'<span class="pre">([^<]*)</span>')
STYLE = re.compile(
    r'[ \t]*<link (?:rel="stylesheet"[^>]*?href="([^"?]*)[^>]*|href="([^"?]*)[^>]*rel="stylesheet"[^>]*)/>\n?'
)
SCRIPT = re.compile(r'[ \t]*<script(?P<attributes>[^>]*?) ?src="(?P<source>[^"?]*)[^"]*"></script>\n?')
SEARCH = re.compile(r'[ \t]*<script src="[^"]*(?:searchtools|language_data|searchindex)\.js[^"]*"></script>\n?')
LINK = re.compile(r'<a class="[^"]*\bimage-reference\b[^"]*" href="(?P<source>[^"]+)"')
PICTURE = re.compile(r'<img (?P<rest>[^>]*?src="(?P<source>[^"]+)"[^>]*)>')
BOX = re.compile(r"width: (\d+)px; height: (\d+)px;(?! aspect)")
# of the theme: the boxes that scroll get a place among what Tab reaches, as soon as the page is there and all at once
STOPS = re.compile(r"(\w+)\.tabIndex=\1\.scrollWidth>\1\.clientWidth\|\|\1\.scrollHeight>\1\.clientHeight\?0:-1")
THEME = 'document.documentElement.dataset.theme = localStorage.getItem("theme") || "auto";'
THEME_AT_ONCE = """const chosen = document.documentElement.dataset;
    const auto = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    chosen.theme = chosen.mode === "auto" ? auto : chosen.mode;"""
ADDRESS = re.compile(r"url\((?P<quote>[\"']?)(?!data:|https?:|#)(?P<path>[^)\"'?#]+)(?P<query>[^)\"']*)(?P=quote)\)")
LIGHT_CODE, NOT_DARK_CODE = (
    f"html{theme} .highlight" for theme in ('[data-theme="light"]', ':not([data-theme="dark"])')
)
COMMENT = re.compile(r"/\*.*?\*/", re.S)
IMPORT = re.compile(r"""@import (?:url\()?["']([^"':]+)["']\)?;""")
UNUSED = re.compile(  # an icon's letter, the fonts that hold those letters
    r"(?:\.fa-[\w-]+:{1,2}before,?)+\{content:[^}]*\}|@font-face\{[^}]*(?:Font ?Awesome|FontAwesome)[^}]*\}"
)


def icon_paths(script: str, names: set[str]) -> dict[str, tuple[int, int, str]]:
    """Return width, height and path of each icon that the script of Font Awesome draws.

    >>> icon_paths('{"file-pdf":[0,0],list:[512,512,["list-squares"],"f03a","M40 48"]}', {"list"})
    {'list': (512, 512, 'M40 48')}
    """
    found = {}
    for name in sorted(names):
        icon = re.search(rf'[{{,]"?{re.escape(name)}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]', script)
        if icon is None:
            raise ValueError(f"Font Awesome has no icon {name!r}")
        found[name] = int(icon[1]), int(icon[2]), icon[3]
    return found


def icon_name(classes: str) -> str:
    """Return the name of an icon from its classes.

    >>> icon_name("theme-switch fa-solid fa-moon   fa-lg")
    'moon'
    """
    plain = [name for name in classes.split() if name.startswith("fa-") and name not in {"fa-solid", "fa-lg", "fa-fw"}]
    return plain[0].removeprefix("fa-")


def draw_icons(page: str, paths: dict[str, tuple[int, int, str]]) -> str:
    """Put pictures in the place of empty elements that a script would fill."""

    def picture(found: re.Match[str]) -> str:
        width, height, path = paths[icon_name(found["names"])]
        classes = f"svg-inline--fa {' '.join(found['names'].split())}"
        rest = re.sub(r'\s*title="[^"]*"', "", found["rest"])  # no attribute of pictures; their buttons have labels
        return (
            f'<svg class="{classes}"{rest} aria-hidden="true" focusable="false" '
            f'viewBox="0 0 {width} {height}"><path fill="currentColor" d="{path}"/></svg>'
        )

    return ICON.sub(picture, page)


def unwrap(page: str) -> str:
    """Take away the elements of code that look like the code around them, a third of all elements of a page.

    >>> unwrap('<div class="highlight"><pre><span class="n">x</span><span class="mi">1</span></pre>')
    '<div class="highlight"><pre>x<span class="mi">1</span></pre>'
    """
    page = CODE.sub(lambda found: PLAIN.sub(r"\1", found[0]), page)
    return SIGNATURE.sub(lambda found: PLAIN.sub(r"\1", PRE.sub(r"\1", found[0])), page)


def joined_styles(files: list[Path], static: Path) -> str:
    """Return stylesheets as one, without comments, whose addresses lead from ``static``."""

    def style(file: Path) -> str:
        """Return one stylesheet with those that it imports."""

        def address(found: re.Match[str]) -> str:
            target = os.path.relpath((file.parent / found["path"]).resolve(), static.resolve())
            return f"url({Path(target).as_posix()}{found['query']})"

        text = UNUSED.sub("", COMMENT.sub("", file.read_text("utf8")).removeprefix("\ufeff"))
        text = IMPORT.sub(lambda found: style(file.parent / found[1]), ADDRESS.sub(address, text))
        return re.sub(r"\s*\n\s*", "\n", text).strip()

    # without a script no theme is set: code has then its light colors
    return "\n".join(style(file) for file in files).replace(LIGHT_CODE, NOT_DARK_CODE)


def joined_scripts(files: list[Path]) -> str:
    """Return scripts as one; each ends with a semicolon and a line, so that none runs into the next."""
    return STOPS.sub("0", "\n".join(f"{file.read_text('utf8').rstrip().rstrip(';')};" for file in files))


def to_webp(picture: Path) -> Path:
    """Store a PNG as WebP beside it, and return that file, or the PNG if it is the smaller one.

    The pixels stay what they are, except in a photograph: a picture that is large without loss, and less than half of
    that with a loss that cannot be seen (quality 90).
    """
    with Image.open(picture) as image:
        clear = image.convert("RGBA").getchannel("A").histogram()[255] < image.width * image.height
        pixels = image.convert("RGBA" if clear else "RGB")
        target = picture.with_suffix(".webp")
        pixels.save(target, lossless=True, quality=70, method=4)
        lossless = target.stat().st_size
        if lossless > PHOTOGRAPH:
            pixels.save(target, quality=90, method=4)
            if target.stat().st_size > lossless / 2:
                pixels.save(target, lossless=True, quality=70, method=4)
    if target.stat().st_size >= picture.stat().st_size:
        target.unlink()
        return picture
    return target


class Lightener:
    """Rewrites the pages of one built site, and writes each bundle once."""

    def __init__(self, site: Path) -> None:
        self.site, self.static = site, site / "_static"
        self.bundles: dict[tuple[Path, ...], str] = {}
        self.pictures: dict[Path, Path] = {}

    def bundle(self, files: list[Path], kind: str) -> str:
        """Write stylesheets or scripts as one file in ``_static``, named by its content, and return the name."""
        key = tuple(files)
        if key not in self.bundles:
            text = joined_styles(files, self.static) if kind == "css" else joined_scripts(files)
            self.bundles[key] = f"site-{hashlib.sha256(text.encode()).hexdigest()[:12]}.{kind}"
            (self.static / self.bundles[key]).write_text(text, "utf8")
        return self.bundles[key]

    def styles(self, page: str, folder: Path, root: str) -> str:
        """Join the stylesheets of a page where the first of them stands."""
        links = [found for found in STYLE.finditer(page) if "://" not in (found[1] or found[2])]
        if len(links) < 2:
            return page
        name = self.bundle([(folder / (found[1] or found[2])).resolve() for found in links], "css")
        fonts = "".join(
            f'<link rel="preload" as="font" type="font/woff2" href="{root}_static/vendor/{font}" crossorigin />\n'
            for font, sign in FONTS.items()
            if sign in page and (self.static / "vendor" / font).exists()
        )
        page = page.replace(links[0][0], f'{fonts}<link rel="stylesheet" href="{root}_static/{name}" />\n', 1)
        for found in links[1:]:
            page = page.replace(found[0], "", 1)
        return page

    def scripts(self, page: str, folder: Path, root: str) -> str:
        """Join the scripts of a page, to run when it has been read; what sets their options stays in the page."""
        page = re.sub(r'[ \t]*<link rel="preload" as="script"[^>]*>\n?', "", page)
        page = SEARCH.sub("", page)
        links = [found for found in SCRIPT.finditer(page) if "://" not in found["source"]]
        kept = [found for found in links if not found["source"].endswith("fontawesome.js")]
        if len(kept) < 2:
            return page
        for found in links:
            path = folder / found["source"]
            options = path.name == "documentation_options.js"
            page = page.replace(found[0], f"<script>{path.read_text('utf8').strip()}</script>\n" if options else "", 1)
        files = [(folder / found["source"]).resolve() for found in kept]
        name = self.bundle([file for file in files if file.name != "documentation_options.js"], "js")
        return page.replace("</head>", f'<script defer src="{root}_static/{name}"></script>\n</head>', 1)

    def images(self, page: str, folder: Path) -> str:
        """Let figures load late, and from the lighter file; links lead to it, too."""

        def picture(found: re.Match[str]) -> str:
            source = (folder / found["source"]).resolve()
            lighter = self.pictures.get(source, source)
            rest = found["rest"].replace(found["source"], found["source"].replace(source.name, lighter.name))
            rest = BOX.sub(r"\g<0> aspect-ratio: \1 / \2;", rest)  # holds the place where a style says `height: auto`
            lazy = "" if "logo__image" in rest or "loading=" in rest else 'loading="lazy" decoding="async" '
            return f"<img {lazy}{rest}>"

        def link(found: re.Match[str]) -> str:
            source = (folder / found["source"]).resolve()
            return found[0].replace(source.name, self.pictures.get(source, source).name)

        return LINK.sub(link, PICTURE.sub(picture, page))

    def run(self) -> None:
        """Rewrite all pages."""
        pages = {path: path.read_text("utf8") for path in self.site.rglob("*.html") if "_static" not in path.parts}
        pictures = sorted((self.site / "_images").resolve().glob("*.png"))
        with ThreadPoolExecutor(os.cpu_count()) as pool:  # the encoder lets other threads run
            self.pictures = dict(zip(pictures, pool.map(to_webp, pictures), strict=True))
        names = {icon_name(found["names"]) for page in pages.values() for found in ICON.finditer(page)}
        script = self.static / "scripts" / "fontawesome.js"
        paths = icon_paths(script.read_text("utf8"), names) if names else {}
        for path, page in pages.items():
            root = "../" * (len(path.relative_to(self.site).parts) - 1)
            light = self.images(mend(unwrap(draw_icons(page, paths))), path.parent).replace(THEME, THEME_AT_ONCE)
            path.write_text(self.scripts(self.styles(light, path.parent, root), path.parent, root), "utf8")
        for before, after in self.pictures.items():
            if before != after:
                before.unlink()
        script.unlink(missing_ok=True)


def lighten(app: Sphinx, exception: Exception | None) -> None:
    """Rewrite the pages when all of them are written."""
    if exception is None and app.builder.name == "html":
        Lightener(Path(app.outdir)).run()


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.connect("build-finished", lighten, priority=900)  # after those that still change pages
