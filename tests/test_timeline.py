import importlib
import re
from itertools import combinations, pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from pybtex.database import parse_file

from dlbook.plotting import TEXT, use_style
from dlbook.timeline import EVENTS, FAMILIES, GAP, WRITTEN, Event, plot_timeline, runs_here

ROOT = Path(__file__).parent.parent
BIBLIOGRAPHY = parse_file(str(ROOT / "book" / "references.bib")).entries
CORRECTED = {  # the years that the lectures tell, as corrected by E40 and E41
    "rosenblatt1958": 1958,
    "minsky1969": 1969,
    "rumelhart1986": 1986,
    "fukushima1980": 1980,
    "hornik1989": 1989,
    "lecun1998": 1998,
    "hinton2006": 2006,
    "krizhevsky2012": 2012,
    "mnih2013": 2013,
    "goodfellow2014gan": 2014,
    "he2015": 2015,
}


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: event.sources[0])
def test_each_year_is_that_of_its_source_in_the_bibliography(event: Event):
    assert event.sources
    for key in event.sources:
        entry = BIBLIOGRAPHY[key].fields
        assert int(entry["year"]) == event.year
        if "eprint" in entry:  # an arXiv number begins with year and month
            assert 2000 + int(entry["eprint"][:2]) == event.year


def test_years_are_the_corrected_ones():
    told = {key: event.year for event in EVENTS for key in event.sources}
    assert {key: told[key] for key in CORRECTED} == CORRECTED


def test_events_go_from_early_to_late_and_none_is_told_twice():
    years = [event.year for event in EVENTS]
    assert years == sorted(years)
    assert (years[0], years[-1]) == (1958, 2017)
    names = [event.what for event in EVENTS]
    assert len(set(names)) == len(names)
    within = [(BIBLIOGRAPHY[event.sources[0]].fields.get("eprint"), event.year) for event in EVENTS]
    for (one, year), (other, later) in pairwise(within):
        if one and other and year == later:
            assert one < other, "preprints of one year stand in their order"


def test_each_chapter_is_in_the_plan_and_each_module_in_its_part():
    plan = (ROOT / "book" / "parts.yml").read_text("utf8")
    for event in EVENTS:
        part, chapter = event.chapter.split("/")
        section = re.search(rf"^- part: {part}\n(.*?)(?=^- part|\Z)", plan, flags=re.M | re.S)
        assert section, event
        assert f"    {chapter}: " in section[1], event
        assert event.family in FAMILIES
        assert event.module is None or re.fullmatch(rf"dlbook\.{part}\.[a-z_0-9]+", event.module), event


def test_what_is_said_to_run_is_what_exists():
    named = {event.module for event in EVENTS if event.module}
    existing = {name for name in named if (ROOT / f"{name.replace('.', '/')}.py").exists()}
    assert existing == WRITTEN, "a module came or went: change WRITTEN in dlbook/timeline.py"
    for name in existing:
        importlib.import_module(name)
    assert runs_here(EVENTS[0])
    assert not runs_here(EVENTS[0]._replace(module="dlbook.perceptron.nothing"))
    assert not runs_here(EVENTS[0]._replace(module=None))


def texts(figure: Figure) -> list[Text]:
    return [text for text in figure.axes[0].texts if text.get_text()]


@pytest.fixture(scope="module")
def drawn() -> Figure:
    use_style()
    figure = plot_timeline()
    figure.draw_without_rendering()
    return figure


def test_every_event_and_every_long_gap_is_written_once(drawn: Figure):
    words = [text.get_text() for text in texts(drawn)]
    for event in EVENTS:
        assert words.count(event.what) == 1
    gaps = [later.year - earlier.year for earlier, later in pairwise(EVENTS) if later.year - earlier.year >= GAP]
    assert [word for word in words if word.endswith(" years")] == [f"{gap} years" for gap in gaps] != []
    assert [int(word) for word in words if word.isdigit()] == sorted({event.year for event in EVENTS})
    assert {family[2] for family in FAMILIES.values()} <= set(words)


def test_words_neither_overlap_nor_leave_the_figure(drawn: Figure):
    boxes = [(text.get_text(), text.get_window_extent()) for text in texts(drawn)]
    for (one, a), (other, b) in combinations(boxes, 2):
        assert not a.overlaps(b), (one, other)
    assert drawn.get_figwidth() == TEXT
    for words, box in boxes:
        assert drawn.bbox.x0 <= box.x0, words
        assert box.x1 <= drawn.bbox.x1, words
        assert drawn.bbox.y0 <= box.y0, words
        assert box.y1 <= drawn.bbox.y1, words
    assert min(text.get_fontsize() for text in texts(drawn)) >= 9.5


def test_marks_are_filled_where_the_system_runs_and_open_where_it_is_planned():
    running = EVENTS[0]
    planned = running._replace(what="Planned", module=None)
    figure = plot_timeline([running, planned])
    first, second = figure.axes[0].collections[:2]
    assert first.get_facecolor()[0, :3].tolist() != [1, 1, 1]
    assert second.get_facecolor()[0, :3].tolist() == [1, 1, 1]


def test_the_steps_of_the_chapter_stand_in_bold():
    figure = plot_timeline(EVENTS, here="perceptron/perceptron")
    bold = {text.get_text() for text in texts(figure) if text.get_weight() == "bold"}
    assert {"Perceptron", "Convergence bound", "1958", "1963"} == bold


@pytest.mark.parametrize(
    ("events", "here", "message"),
    [
        ([], None, "at least one event"),
        ([EVENTS[5], EVENTS[0]], None, f"1958 .* follows {EVENTS[5].year}"),
        (EVENTS[:3], "sequences/attention", "no event belongs to the chapter 'sequences/attention'"),
    ],
)
def test_refuses_what_it_cannot_draw(events: list[Event], here: str | None, message: str):
    with pytest.raises(ValueError, match=message):
        plot_timeline(events, here=here)
