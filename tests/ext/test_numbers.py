"""Numbers in running text, as books print them."""

import re

PAGE = """# Numbers

Off by 3e-17, or 1e+06, or -2.5e3, or -1e6; 47% and 4.1 % of it, `3e-17` in code, $3e-17$ in a formula, version 1e4b.

| a | b |
|:--|--:|
| 5e-8 | 12% |

```python
x = 1e-6  # 5% of it
```

```{py:function} f(eps=1e-05)
Within 1e-05.
```
"""


def test_powers_of_ten_and_percent_signs(build):
    built = build({"page": PAGE})
    assert built.status == 0, built.log
    page = built.page("page").replace("\u00a0", "~")
    held = re.findall(r'<span class="hold">(.*?)</span>', page)
    assert held == [
        "3~×~10<sup>−17</sup>",
        "10<sup>6</sup>",
        "−2.5~×~10<sup>3</sup>",
        "−10<sup>6</sup>",
        "5~×~10<sup>−8</sup>",
        "10<sup>−5</sup>",
    ]
    assert re.findall(r"[\d.]+[ ~]?%", page) == ["47~%", "4.1~%", "12~%", "5%"], "in prose and tables, not in code"
    assert "1e4b" in page, "a word that only looks like a number"
    assert "1e-05" in re.sub(r"<[^>]*>", "", page[page.index("<dt") : page.index("</dt>")]), "nor in a signature"
    assert '<span class="pre">3e-17</span>' in page
    assert "5% of it" in re.sub(r"<[^>]*>", "", page)
