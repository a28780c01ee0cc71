"""The directive ``{parts}``, a card for each part of the book, and the role ``{count}``, what the build has counted.

Both are made from ``book/parts.yml`` and from the pages that exist.  A chapter that exists is a link with its reading
time; the others are named as planned, so that the landing page promises nothing that is not there and needs no hand
when a chapter arrives.  In the prose stand

    {count}`chapters`  "22", the chapters that are written
    {count}`planned`   "32", those that are not
    {count}`minutes`   "14 to 45", how long they take to read
    {count}`first`     a link to the first of them
    {count}`claims`    "310 claims, and none of them failed"
    {count}`exercises` "280 exercises, all of them solved"
    {count}`hours`     "15 hours", to read all that is written
    {count}`running`   "22 minutes of one core", to run all of it
"""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import yaml
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective, SphinxRole

from website.claim_list import results_of

LIST = Path(__file__).parents[2] / "parts.yml"


class Part(NamedTuple):
    """A part with its chapters."""

    name: str  # of its folder
    title: str
    about: str
    chapters: dict[str, str]  # file name to title


class parts(nodes.General, nodes.Element):  # noqa: N801
    """A place that is filled when all pages have been read."""


class count(nodes.Inline, nodes.Element):  # noqa: N801
    """A number or a link that is filled in when all pages have been read; ``what`` is one of ``COUNTS``."""


def read_parts(path: Path = LIST) -> list[Part]:
    """Return the parts of the book in reading order."""
    return [
        Part(entry["part"], entry["title"], entry["about"], entry["chapters"])
        for entry in yaml.safe_load(path.read_text("utf8"))
    ]


class PartsDirective(SphinxDirective):
    """Leave a place for the cards."""

    def run(self) -> list[nodes.Node]:
        """Return the place."""
        self.env.note_dependency(str(LIST))
        return [parts()]


class CountRole(SphinxRole):
    """Leave a place for what is counted."""

    def run(self) -> tuple[list[nodes.Node], list[nodes.system_message]]:
        """Return the place, or say which words there are."""
        if self.text not in COUNTS:
            words = f"{{count}}`{self.text}` is unknown: there are {', '.join(COUNTS)}"
            message = self.inliner.reporter.error(words, line=self.lineno)
            return [self.inliner.problematic(self.rawtext, self.rawtext, message)], [message]
        self.env.note_dependency(str(LIST))
        return [count("", what=self.text)], []


def written(app: Sphinx) -> dict[str, str]:
    """Return the chapters that exist, in reading order: docname to title."""
    listed = {f"book/{part.name}/{file}": title for part in read_parts() for file, title in part.chapters.items()}
    return {docname: title for docname, title in listed.items() if docname in app.env.found_docs}


def link(app: Sphinx, docname: str, target: str, title: str) -> nodes.reference:
    """Return a link from one page to another."""
    return nodes.reference("", title, internal=True, refuri=app.builder.get_relative_uri(docname, target))


def count_chapters(app: Sphinx, docname: str) -> nodes.Node:
    """Return how many chapters are written."""
    return nodes.Text(str(len(written(app))))


def count_planned(app: Sphinx, docname: str) -> nodes.Node:
    """Return how many are not."""
    return nodes.Text(str(sum(len(part.chapters) for part in read_parts()) - len(written(app))))


def count_minutes(app: Sphinx, docname: str) -> nodes.Node:
    """Return the range of reading times."""
    times = [app.env.metadata[target].get("reading_minutes") for target in written(app)]
    minutes = sorted({time for time in times if time}) or [0]
    return nodes.Text(" to ".join(str(time) for time in dict.fromkeys((minutes[0], minutes[-1]))))


def first(app: Sphinx, docname: str) -> nodes.Node:
    """Return a link to where one begins."""
    chapters = written(app)
    return link(app, docname, *next(iter(chapters.items()))) if chapters else nodes.Text("the first chapter")


def count_claims(app: Sphinx, docname: str) -> nodes.Node:
    """Say how many claims the chapters make and how they fared in this build; one that executes nothing knows none."""
    claims = [claim for result in results_of(app).values() for claim in result.claims]
    held = sum(claim.holds for claim in claims)
    noun = "claim" if len(claims) == 1 else "claims"
    fared = "none of them failed" if held == len(claims) else f"{len(claims) - held} of them did not hold"
    return nodes.Text(f"{len(claims):,} {noun}, and {fared}")


def count_exercises(app: Sphinx, docname: str) -> nodes.Node:
    """Say how many exercises the chapters have, and how many of them have a solution."""
    pages = [app.env.metadata[page] for page in written(app)]
    exercises, unsolved = (sum(page.get(name, 0) for page in pages) for name in ("exercises", "unsolved"))
    noun = "exercise" if exercises == 1 else "exercises"
    return nodes.Text(f"{exercises} {noun}, {f'{exercises - unsolved} of them' if unsolved else 'all of them'} solved")


def minutes_of(app: Sphinx, pages: Iterable[str]) -> int:
    """Return how many minutes it takes to read some pages."""
    return sum(app.env.metadata[page].get("reading_minutes", 0) for page in pages)


def in_hours(minutes: int) -> str:
    """Return a time to plan with, to the next half hour.

    >>> in_hours(20), in_hours(61), in_hours(95), in_hours(900)
    ('½ hour', '1½ hours', '2 hours', '15 hours')
    """
    halves = -(-minutes // 30)
    number = f"{halves // 2 or ''}{'½' * (halves % 2)}"
    return f"{number} hour{'s' * (halves > 2)}"


def count_hours(app: Sphinx, docname: str) -> nodes.Node:
    """Return how long it takes to read all that is written."""
    return nodes.Text(in_hours(minutes_of(app, written(app))))


def count_running(app: Sphinx, docname: str) -> nodes.Node:
    """Return how long all chapters ran when they were last executed; a build that executes nothing does not know."""
    results = results_of(app)
    seconds = sum(results[page].cpu_seconds for page in written(app) if page in results)
    return nodes.Text(f"{math.ceil(seconds / 60)} minutes of one core" if seconds else "a time that was not measured")


COUNTS = {
    "chapters": count_chapters,
    "planned": count_planned,
    "minutes": count_minutes,
    "first": first,
    "claims": count_claims,
    "exercises": count_exercises,
    "hours": count_hours,
    "running": count_running,
}


def fill_in(app: Sphinx, document: nodes.document, docname: str) -> None:
    """Put the cards where the directive stands, and the counts into the prose."""
    for place in list(document.findall(count)):
        place.replace_self(COUNTS[place["what"]](app, docname))
    for place in list(document.findall(parts)):
        cards = [card(app, part, docname) for part in read_parts()]
        place.replace_self(nodes.container("", *cards, classes=["parts"]))


def card(app: Sphinx, part: Part, docname: str) -> nodes.Node:
    """Return the card of one part."""
    complete, planned = nodes.bullet_list(), []
    for file, title in part.chapters.items():
        target = f"book/{part.name}/{file}"
        if target in app.env.found_docs:
            item = nodes.paragraph("", "", link(app, docname, target, title))
            minutes = app.env.metadata[target].get("reading_minutes")
            if minutes:
                item += nodes.inline("", f" {minutes} min", classes=["part-minutes"])
            complete += nodes.list_item("", item)
        else:
            planned.append(title)
    title = nodes.paragraph("", part.title, classes=["part-title"])
    minutes = minutes_of(app, (page for page in written(app) if page.split("/")[1] == part.name))
    if minutes:
        title += nodes.inline("", f" {in_hours(minutes)}", classes=["part-hours"])
    children: list[nodes.Node] = [
        title,
        nodes.paragraph("", part.about),
    ]
    if complete.children:
        children.append(complete)
    if planned:
        label = nodes.strong("", "Planned: ")
        children.append(nodes.paragraph("", "", label, nodes.Text(", ".join(planned) + "."), classes=["part-planned"]))
    state = "written" if complete.children else "not-yet"
    return nodes.container("", *children, classes=["part", f"part-{state}"])


def setup(app: Sphinx) -> None:
    """Register with Sphinx."""
    app.add_directive("parts", PartsDirective)
    app.add_role("count", CountRole())
    app.add_node(parts)
    app.add_node(count)
    app.connect("doctree-resolved", fill_in)
