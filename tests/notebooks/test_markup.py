"""Directives are found with their options, whatever they nest."""

from dlbook.notebooks.markup import blocks


def test_lines_and_directives_come_in_turn():
    lines = ["before", "```{note} Title", ":class: tip", ":name: a-name", "", "inside", "```", "after"]
    assert list(blocks(lines)) == [
        "before",
        ("note", "Title", {"class": "tip", "name": "a-name"}, ["", "inside"]),
        "after",
    ]


def test_colon_fences_of_equal_length_nest_and_longer_fences_hold_shorter_ones():
    nested = [":::{note}", ":::{tip}", "x", ":::", ":::", "y"]
    assert list(blocks(nested)) == [("note", "", {}, [":::{tip}", "x", ":::"]), "y"]
    longer = ["````{note}", "```", "code", "```", "````"]
    assert list(blocks(longer)) == [("note", "", {}, ["```", "code", "```"])]


def test_plain_fences_pass_as_they_are_and_options_go_on_over_lines():
    assert list(blocks(["```python", "x = 1", "```"])) == ["```python\nx = 1\n```"]
    assert list(blocks(["```{figure} a.png", ":alt: one", "  two", ':name: "fig-a"', "words", "```"])) == [
        ("figure", "a.png", {"alt": "one two", "name": "fig-a"}, ["words"])
    ]
