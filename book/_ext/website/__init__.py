"""All that the site needs of Sphinx besides published extensions: one extension, with one ``setup``.

The programs beside this package (build, claims, reproduce, watch, ...) are what the Makefile runs.
"""

from typing import Any

from sphinx.application import Sphinx

from website import (
    at_a_glance,
    benchmarks,
    bibliography,
    claim_list,
    descriptions,
    downloads,
    execution,
    figures,
    fixes,
    folding,
    lightening,
    modules,
    numbers,
    parts,
    prompts,
    quiz,
    release,
    run_times,
    searching,
    signatures,
    sources,
)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register everything with Sphinx."""
    fixes.collect_garbage_seldom()
    fixes.setup(app)  # first: it mends other extensions
    bibliography.setup(app)
    for part in (figures, quiz, at_a_glance, execution, claim_list, downloads, run_times, benchmarks):
        part.setup(app)
    for part in (folding, parts, sources, signatures, modules, release, prompts, descriptions, numbers):
        part.setup(app)
    for part in (searching, lightening):
        part.setup(app)
    return {"version": "1", "parallel_read_safe": True}
