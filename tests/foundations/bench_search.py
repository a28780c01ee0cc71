"""A* without a guess against SciPy's Dijkstra, on a grid with walls."""

from collections.abc import Iterable, Iterator

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from bench import Case
from dlbook.foundations.search import astar

SIDE = 100


def cases() -> Iterator[Case]:
    """Yield one grid of 10,000 places, its paths looked for from corner to corner."""
    free = np.random.default_rng(0).random((SIDE, SIDE)) >= 0.2
    free[0, 0] = free[-1, -1] = True

    def neighbors(place: tuple[int, int]) -> Iterable[tuple[tuple[int, int], int]]:
        row, column = place
        for r, c in ((row, column + 1), (row + 1, column), (row, column - 1), (row - 1, column)):
            if 0 <= r < SIDE and 0 <= c < SIDE and free[r, c]:
                yield (r, c), 1

    def by_scipy() -> float:
        edges = [
            (row * SIDE + column, r * SIDE + c)
            for row in range(SIDE)
            for column in range(SIDE)
            if free[row, column]
            for (r, c), _ in neighbors((row, column))
        ]
        graph = coo_matrix((np.ones(len(edges)), np.transpose(edges)), shape=(SIDE**2,) * 2)
        return float(dijkstra(graph.tocsr(), indices=0)[-1])

    yield Case(
        "astar",
        "100 x 100 places, from corner to corner, without a guess",
        lambda: astar((0, 0), (SIDE - 1, SIDE - 1), neighbors, lambda place: 0),
        by_scipy,
        "scipy.sparse.csgraph.dijkstra",
        "buys a graph that is a function and is never stored",
    )
