import atexit
import os
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from bs4 import BeautifulSoup

from dlbook.notebooks.chapters import chapter, read
from website import fixes
from website.fixes import NamesInTurn, let_codeautolink_read_code_alone, let_pybtex_look_for_plugins_once

PAGE = r"""# Page

$x \in \R$, then ($y$) and $z$ alone; or $a_1 + a_2 + a_3 + a_4 + a_5 + a_6 + a_7$, long.

\begin{equation*}
a = b
\end{equation*}

:::{prf:theorem} One
:label: thm-page-one
Words.
:::
:::{prf:proof}
It is clear.
:::
:::{prf:proof}
It is clearer.
:::
:::{exercise} ★ First
:label: ex-page-one
Words.
:::
:::{exercise} ★ Second
:label: ex-page-two
Words.
:::
:::{solution-start} ex-page-one
:class: dropdown
:::
Words.

```python
print(1)
```
:::{solution-end}
:::
:::{solution} ex-page-two
:class: dropdown
Words.
:::
"""


def test_ids_are_unique_and_the_same_in_every_build(build: Callable):
    first, second = build({"page": PAGE}), build({"page": PAGE}, again=True)
    assert first.status == 0, first.log
    assert "WARNING" not in first.log, first.log
    html = first.page("page")
    ids = Counter(re.findall(r'id="([^"]*)"', html))
    assert {name: n for name, n in ids.items() if n > 1} == {}
    assert {"thm-page-one", "thm-page-one-content", "proof-1", "proof-2", "ex-page-two-content"} <= set(ids)
    assert html == second.page("page")


def test_a_comma_stays_with_the_short_formula_before_it(build: Callable):
    html = build({"page": PAGE}).page("page")
    held = re.findall(r'<span class="hold">(.*?)</span>(?=[^<]*(?:<span class="(?:math|hold)|</p>))', html, flags=re.S)
    assert [re.sub(r"<[^>]*>", "", part)[-1] for part in held] == [",", ")"]
    assert "</span> alone; or " in html, "nothing is lost"
    assert re.search(r"</span>, long\.</p>", html), "a long formula is free to break"


def test_the_same_comma_elsewhere_in_the_paragraph_stays_where_it_is(build: Callable):
    html = build({"page": "# Page\n\nFirst *one*, *two*, then $a$, *three*, last.\n"}).page("page")
    assert "<em>one</em>, <em>two</em>, then" in html
    assert re.search(r'<span class="hold">.*,</span> <em>three</em>, last', html, flags=re.S)


def test_a_proof_begins_with_its_word_set_apart(build: Callable):
    html = build({"page": PAGE}).page("page")
    assert '<em class="proof-word">Proof.</em> It is clear.' in html


def test_mathematics_that_cannot_be_set_fails_the_build(build: Callable):
    built = build({"page": "# Page\n\n$\\unknown$\n"})
    assert built.status != 0
    assert "Undefined control sequence: \\unknown" in built.log


@pytest.fixture
def typeset(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    from sphinxcontrib import katex

    monkeypatch.setenv("PATH", "")  # a machine without node
    fixes.make_katex_strict()
    fixes.take_node_from_its_wheel()
    fixes.wait_for_katex()
    yield katex.render_latex
    server, katex.KaTeXServer.katex_server = katex.KaTeXServer.katex_server, None
    atexit.unregister(katex.KaTeXServer.terminate)
    server.terminate()
    server.process.stdin.close()


def test_strictness_and_macros(typeset: Callable[[str], str]):
    from sphinxcontrib.katex import KaTeXError

    assert "mathbb" in typeset(r"\R")
    for formula in (r"\unknown", r"\frac{1}{", "é", "x_1_2"):
        with pytest.raises(KaTeXError):
            typeset(formula)


def test_the_single_page_shows_nodes_of_extensions(build: Callable):
    built = build({"page": PAGE}, builder="singlehtml")
    assert built.status == 0, built.log
    assert 'class="proof theorem admonition"' in built.page("index")
    assert "katex" in built.page("index")


def test_waits_for_a_typesetter_whose_socket_does_not_listen_yet(tmp_path: Path):
    from sphinxcontrib import katex

    fixes.wait_for_katex()
    slow = tmp_path / "slow.py"  # binds at once, so that the file exists, and listens half a second later
    slow.write_text(
        "import socket, sys, time\n"
        "s = socket.socket(socket.AF_UNIX)\n"
        "s.bind(sys.argv[1])\n"
        "time.sleep(0.5)\n"
        "s.listen()\n"
        "time.sleep(5)\n"
    )

    class Server(katex.KaTeXServer):
        @classmethod
        def build_command(cls, socket: Path) -> list[str]:  # type: ignore[override]
            return [sys.executable, "-S", "-E", str(slow), str(socket)]

    process, connection = Server.start_server_process(tmp_path, 20)
    connection.close()
    process.kill()
    process.wait()
    process.stdin.close()


def test_a_typesetter_that_ends_at_once_is_an_error_and_not_a_wait(tmp_path: Path):
    from sphinxcontrib import katex

    fixes.wait_for_katex()

    class Server(katex.KaTeXServer):
        @classmethod
        def build_command(cls, socket: Path) -> list[str]:  # type: ignore[override]
            return [sys.executable, "-S", "-E", "-c", "pass"]

    started = time.monotonic()
    with pytest.raises(katex.KaTeXError):
        Server.start_server_process(tmp_path, 60)
    assert time.monotonic() - started < 30


def test_entries_of_a_bibliography_are_items_of_its_list():
    context = {"body": '<div role="list"><div role="doc-biblioentry">A</div></div>'}
    fixes.name_lists(None, "page", "page.html", context, None)  # type: ignore[arg-type]
    assert context["body"] == '<div role="list"><div role="listitem">A</div></div>'
    fixes.name_lists(None, "search", "search.html", {}, None)  # type: ignore[arg-type]


def test_the_sphinx_process_leaves_no_typesetter_behind(build: Callable, tmp_path: Path):
    def marked() -> list[psutil.Process]:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                found += [process] if process.environ().get("DLBOOK_TEST") == str(tmp_path) else []
        return found

    command = [sys.executable, "-m", "sphinx", "-q", str(build({"page": PAGE}).folder.parent), str(tmp_path / "out")]
    environment = {**os.environ, "DLBOOK_TEST": str(tmp_path)}  # which the processes that it starts have, too
    with subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL) as building:
        assert building.pid in [process.pid for process in marked()]
    assert building.returncode == 0
    assert marked() == []


@pytest.mark.parametrize("name", ["perceptron", "lenet"])
def test_names_read_in_one_pass_are_those_of_all_cells_parsed_again_for_each(name):
    from sphinx_codeautolink.extension.block import clean_ipython
    from sphinx_codeautolink.parse import parse_names

    in_turn, before, found = NamesInTurn(), [], 0
    for cell in read(chapter(name).path).cells:
        if cell.cell_type == "code":
            source = clean_ipython(cell.source)[1]
            hidden = sum(part.count("\n") + 1 for part in before)
            whole = "\n".join([*before, source])
            expected = [name for name in parse_names(whole, None) if name.lineno > hidden]
            assert [name for name in in_turn(whole, None) if name.lineno > hidden] == expected
            found += len(expected)
            before.append(source)
    assert found > 100
    with pytest.raises(SyntaxError):
        in_turn("\n".join([*before, "x ="]), None)
    assert len(in_turn("\n".join([*before, "np.zeros(1)"]), None)) > 0, "a cell that fails takes nothing away"
    assert in_turn("np", None) == [], "nor does a page know what another imported"


def test_a_page_of_which_the_code_alone_is_read_has_the_same_links(tmp_path):
    from sphinx_codeautolink import extension
    from sphinx_codeautolink.extension.block import CodeExample, SourceTransform, link_html
    from sphinx_codeautolink.parse import LinkContext, Name

    def block(code: str) -> str:
        return f'<div class="highlight-ipython3 notranslate"><div class="highlight"><pre><span></span>{code}</pre></div>\n</div>'

    call = '<span class="n">np</span><span class="o">.</span><span class="n">zeros</span><span class="p">(</span><span class="mi">1</span><span class="p">)</span>'
    other = '<span class="n">x</span> <span class="o">&lt;</span> <span class="mi">2</span>'
    html = f"<p>\n{block(call)}\n<p>a &amp; b<br></p><pre>raw</pre>\n{block(other)}\n{block(call)}\n"
    for folder in ("theirs", "ours"):
        (tmp_path / folder / "book").mkdir(parents=True)
        (tmp_path / folder / "book" / "a.html").write_text(html)
    transforms = [
        SourceTransform("np.zeros(1)", [Name(["numpy", "zeros"], "np.zeros", 1, 1, LinkContext.none, "numpy.zeros")],
                        CodeExample("book/a", None, []), 1)
        for _ in range(2)
    ]  # fmt: skip
    let_codeautolink_read_code_alone()
    for folder, function in (("theirs", link_html), ("ours", extension.link_html)):
        function(
            "book/a",
            str(tmp_path / folder),
            transforms,
            {"numpy.zeros": "api.html#z"},
            {},
            [],
            disable_link_titles=False,
        )
    ours, theirs = ((tmp_path / folder / "book" / "a.html").read_text() for folder in ("ours", "theirs"))
    assert ours.count('<a class="sphinx-codeautolink-a" href="../api.html#z"') == 2
    assert str(BeautifulSoup(ours, "html.parser")) == theirs
    assert ours.replace("<a", "").startswith("<p>\n<div"), "what is no code stays as it was, tag by tag"
    assert "<br></p><pre>raw</pre>" in ours


def test_links_of_names_are_those_that_codeautolink_would_write(tmp_path):
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import get_lexer_by_name
    from sphinx_codeautolink import extension
    from sphinx_codeautolink.extension.block import CodeExample, SourceTransform, link_html
    from sphinx_codeautolink.parse import parse_names

    let_codeautolink_read_code_alone()
    lexer, formatter = get_lexer_by_name("ipython3"), HtmlFormatter()
    sources = [cell.source for cell in read(chapter("lenet").path).cells if cell.cell_type == "code"]
    sources += ["import torch\nfrom torch import nn\ntorch.ones(1).relu(); x = torch.sin(torch.sin(torch.ones(\n1)))"]
    transforms, inventory = [], {"": ""}
    for source in [*sources, sources[-1]]:
        names = [name for name in parse_names(source, None) if name.lineno == name.end_lineno]
        for n, name in enumerate(names):
            name.resolved_location = ".".join(part for part in name.import_components if part.isidentifier())
            inventory[name.resolved_location] = f"{'https://host/' * (n % 2)}{name.resolved_location}.html?a=1&b"
        transforms.append(SourceTransform(source, names, CodeExample("book/a/b", None, []), 1))
    blocks = [
        f'<div class="highlight-ipython3 x">{highlight(t.source, lexer, formatter).rstrip()}\n</div>'
        for t in transforms
    ]
    written = []
    for titles in (True, False):
        for function in (link_html, extension.link_html):
            path = tmp_path / "book" / "a" / "b.html"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(blocks))
            function("book/a/b", str(tmp_path), transforms, inventory, {}, [], disable_link_titles=not titles)
            written.append(path.read_text())
    assert written[0].count("sphinx-codeautolink-a") > 50
    assert written[0] == written[1] != written[2] == written[3]


def test_what_a_page_lacks_codeautolink_says_itself(tmp_path, monkeypatch):
    from sphinx_codeautolink import extension
    from sphinx_codeautolink.extension import block
    from sphinx_codeautolink.parse import LinkContext, Name

    let_codeautolink_read_code_alone()
    said: list[str] = []
    monkeypatch.setattr(block.logger, "warning", lambda message, **options: said.append(message))
    (tmp_path / "a.html").write_text(
        '<div class="highlight-python x"><div class="highlight"><pre><span class="n">y</span></pre></div></div>'
    )
    name = Name(["x"], "x", 1, 1, LinkContext.none, "x")
    for source, names in (("other", []), ("y", [name])):
        transforms = [block.SourceTransform(source, names, block.CodeExample("a", None, []), 1)]
        extension.link_html("a", str(tmp_path), transforms, {"x": "x.html"}, {}, [], disable_link_titles=False)
    assert len(said) == 2
    assert said[0].startswith("Could not match a code example")
    assert said[1].startswith("Could not match transformation of `x`")


def test_pybtex_reads_the_entry_points_once():
    import pybtex.plugin

    let_pybtex_look_for_plugins_once()
    let_pybtex_look_for_plugins_once()
    first = pybtex.plugin.find_plugin("pybtex.style.formatting", "plain")
    before = pybtex.plugin.entry_points.cache_info()
    assert pybtex.plugin.find_plugin("pybtex.style.formatting", "plain") is first
    after = pybtex.plugin.entry_points.cache_info()
    assert (after.misses, after.hits > before.hits) == (before.misses, True)


def test_a_corner_of_a_table_that_heads_nothing_is_no_header():
    context = {"body": '<tr><th class="head text-left"><p></p></th><th class="head"></th><th class="head">a</th></tr>'}
    fixes.name_lists(None, "page", "page.html", context, None)  # type: ignore[arg-type]
    assert context["body"] == '<tr><td class="head text-left"></td><td class="head"></td><th class="head">a</th></tr>'
