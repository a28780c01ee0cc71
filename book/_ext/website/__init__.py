"""All that the site needs of Sphinx besides published extensions: one extension, with one ``setup``.

The programs beside this package (build, claims, reproduce, watch, ...) are what the Makefile runs.
"""

from typing import Any

from sphinx.application import Sphinx

from website import (
    at_a_glance,
    benchmarks,
    bibliography,
    book_map,
    citing,
    claim_list,
    darkening,
    descriptions,
    downloads,
    edition,
    execution,
    figures,
    fixes,
    folding,
    lightening,
    live,
    modules,
    not_found,
    numbers,
    parts,
    prerequisites,
    prompts,
    quiz,
    release,
    reports,
    run_times,
    searching,
    signatures,
    sources,
    symbols,
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    fixes.collect_garbage_seldom()
    fixes.setup(app)  # first: it mends other extensions
    bibliography.setup(app)
    for part in (figures, live, quiz, at_a_glance, execution, claim_list, downloads, run_times, benchmarks):
        part.setup(app)
    for part in (folding, parts, sources, signatures, modules, release, prompts, descriptions, darkening, numbers):
        part.setup(app)
    for part in (prerequisites, symbols, book_map, edition, citing, reports, not_found):
        part.setup(app)
    for part in (searching, lightening):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True}
