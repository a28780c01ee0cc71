import pytest
from docutils import nodes
from sphinx.util.docutils import new_document

from website.descriptions import LONGEST, describe, shortened
from website.prompts import what_it_does


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("import torch\nfrom math import log\nx = 1", "Imports"),
        ("import torch\nx = 1\ny = 2\nz = 3", "Code"),
        ("def bits(x):\n    return x\nclass Reader: ...\ndef train(): ...", "Code: bits, Reader, train"),
        ("def a(): ...\ndef b(): ...\ndef c(): ...\ndef d(): ...", "Code: a, b, c, …"),
        ("%matplotlib inline", "Code"),
        ("", "Code"),
    ],
)
def test_a_folded_cell_is_named_by_what_is_in_it(code: str, name: str):
    assert what_it_does(code) == name


def test_a_page_is_described_by_its_first_paragraph():
    document, section = new_document("page"), nodes.section()
    section += [nodes.title("", "A title"), nodes.paragraph("", 'Is "this" < that?'), nodes.paragraph("", "More.")]
    document += section
    context = {"metatags": "<meta>"}
    describe(None, "page", "page.html", context, document)
    assert context["metatags"] == ('<meta>\n<meta name="description" content="Is &quot;this&quot; &lt; that?" />')
    describe(None, "search", "search.html", empty := {}, None)
    assert empty == {}


def test_a_description_is_cut_after_a_word():
    text = shortened("wording " * 100)
    assert len(text) <= LONGEST + 2
    assert text.endswith("wording …")
