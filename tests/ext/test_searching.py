import gzip
import json
from pathlib import Path

from website.searching import with_anchors, write_index

PAGE = '<html><body><article class="bd-article"><section id="top"><h1>{}</h1><p>{}</p><section id="why"><h2>Why</h2><p>So.</p></section></section></article></body></html>'


def test_headings_get_the_ids_of_their_sections():
    assert (
        with_anchors('<section id="why">\n<span id="ch-why"></span><h2>Why?</h2>') == '<section><h2 id="why">Why?</h2>'
    )
    assert with_anchors('<section id="top"><h1>Top</h1>') == '<section id="top"><h1>Top</h1>'


def test_the_index_knows_the_pages_and_what_is_planned(tmp_path: Path):
    for name, word in (("lenet", "digits"), ("gru", "gates")):
        path = tmp_path / "book" / "part" / f"{name}.html"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(PAGE.format(name, word), "utf8")
    write_index(tmp_path, {"Deep Q-learning": "Reinforcement learning"})
    entry = json.loads((tmp_path / "pagefind" / "pagefind-entry.json").read_text("utf8"))
    assert entry["languages"]["en"]["page_count"] == 3
    names = {path.name for path in (tmp_path / "pagefind").iterdir()}
    assert "pagefind.js" in names
    assert not any("ui" in name for name in names)
    fragments = [gzip.decompress(path.read_bytes()) for path in (tmp_path / "pagefind" / "fragment").iterdir()]
    assert sum(b'"element":"h2","id":"why"' in fragment for fragment in fragments) == 2
