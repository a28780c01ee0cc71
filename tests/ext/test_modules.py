"""The pages of the API are made from the tree."""

from website.modules import fill_in, listed, modules


def test_all_modules_of_a_part_are_there_in_the_order_in_which_chapters_meet_them():
    found = modules("perceptron")
    assert found == [f"dlbook.perceptron.{name}" for name in ("perceptron", "separability", "linear")]
    assert set(listed("optimization")) > {f"dlbook.optimization.{n}" for n in ("descent", "optimizers", "schedules")}


def test_the_top_level_shows_what_readers_call_and_no_machinery():
    found = listed("dlbook")
    assert found[0] == "dlbook.data"
    assert {"dlbook.training", "dlbook.glue"} <= set(found)
    assert not {"dlbook.cli", "dlbook.notebooks.execution", "dlbook._checks"} & set(found)


def test_a_page_asks_for_them_by_a_comment():
    content = ["# API\n\n<!-- modules: perceptron -->\n\nThe end."]
    fill_in(None, "book/api/perceptron", content)
    assert content[0].count(".. automodule:: dlbook.perceptron.") == 3
    assert content[0].endswith("The end.")
    untouched = ["# A page\n\n<!-- modules of nothing -->\n"]
    fill_in(None, "page", untouched)
    assert untouched == ["# A page\n\n<!-- modules of nothing -->\n"]
