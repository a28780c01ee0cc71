"""Machines that reason and search, and learn nothing: forward chaining, A*, minimax, alpha-beta.

Each is the algorithm of its source in about ten lines: a production system's forward chaining over Horn rules; Hart,
Nilsson and Raphael (1968), IEEE Trans. Systems Science and Cybernetics 4:100-107, the algorithm A*; Shannon (1950),
Philosophical Magazine 41:256-275, minimax; Knuth and Moore (1975), Artificial Intelligence 6:293-326, Section 2, whose
procedure F2 is :func:`alphabeta`.

The papers' symbols → ours: g → ``cost``, h → ``heuristic``, Γ (successor operator) → ``neighbors`` and ``moves``.
What a program of this kind knows is in the functions and rules that it is given; nothing here is fitted to data.
"""

import math
from collections.abc import Callable, Hashable, Iterable
from heapq import heappop, heappush
from itertools import count
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Game", "Path", "alphabeta", "astar", "forward_chain", "minimax", "tic_tac_toe_moves", "tic_tac_toe_value"]

Node = TypeVar("Node", bound=Hashable)
Position = TypeVar("Position")
Remembered = TypeVar("Remembered", bound=Hashable)

Rule = tuple[Iterable[str], str]  # premises, conclusion: "if all of these, then that"

LINES = ((0, 1, 2), (3, 4, 5), (6, 7, 8), (0, 3, 6), (1, 4, 7), (2, 5, 8), (0, 4, 8), (2, 4, 6))  # of tic-tac-toe


class Path(NamedTuple, Generic[Node]):
    """A cheapest path, and what finding it took."""

    cost: float
    nodes: list[Node]  # from start to goal
    expanded: list[Node]  # in the order in which their neighbors were asked for


class Game(NamedTuple):
    """The value of a position under perfect play, and what finding it took."""

    value: float  # to the player who maximizes
    visited: int  # positions looked at


def forward_chain(rules: Iterable[Rule], facts: Iterable[str]) -> set[str]:
    """Apply rules until nothing new follows: the least set that holds the facts and is closed under the rules.

    Parameters
    ----------
    rules : iterable of (premises, conclusion)
        A rule without premises states a fact. The order of the rules changes nothing.
    facts : iterable of str

    Returns
    -------
    set of str

    Raises
    ------
    ValueError
        If ``facts``, or the premises of a rule, are one string: its letters would be taken for facts.

    Examples
    --------
    >>> rules = [(["gives milk"], "mammal"), (["mammal", "eats meat"], "carnivore")]
    >>> sorted(forward_chain(rules, ["gives milk", "eats meat"]))
    ['carnivore', 'eats meat', 'gives milk', 'mammal']
    """
    clauses = [(_names("premises", premises), conclusion) for premises, conclusion in rules]
    known, grown = _names("facts", facts), True
    while grown:
        new = {conclusion for premises, conclusion in clauses if premises <= known} - known
        known, grown = known | new, bool(new)
    return known


def astar(
    start: Node,
    goal: Node,
    neighbors: Callable[[Node], Iterable[tuple[Node, float]]],
    heuristic: Callable[[Node], float],
) -> Path[Node] | None:
    """Find a cheapest path, looking first where cost so far plus a guess of the rest is least.

    Parameters
    ----------
    start, goal : hashable
    neighbors : callable
        ``neighbors(node)`` yields pairs (node, cost of the step), costs at least zero.
    heuristic : callable
        Guess of the cost from a node to the goal. If it never overestimates (is *admissible*) the path found is a
        cheapest one; if it is zero everywhere the algorithm is Dijkstra's.

    Returns
    -------
    Path or None
        None if the goal cannot be reached.

    Notes
    -----
    A node is expanded again when a cheaper way to it turns up after its expansion, which happens only if the guess is
    not consistent (drops by more than the cost of a step). Of equal sums the node found last goes first.

    Examples
    --------
    >>> path = astar(0, 7, lambda n: [(n + 1, 1), (2 * n, 1)], lambda n: 0)  # add one or double
    >>> path.cost, path.nodes
    (5, [0, 1, 2, 3, 6, 7])
    """
    costs: dict[Node, float] = {start: 0}
    came: dict[Node, Node] = {}
    order, expanded = count(), list[Node]()
    queue: list[tuple[float, int, float, Node]] = [(_guess(heuristic, start), 1, 0, start)]
    while queue:
        _, _, cost, node = heappop(queue)
        if cost > costs[node]:
            continue  # a cheaper way to it was found meanwhile
        if node == goal:
            return Path(costs[goal], _backward(came, goal), expanded)
        expanded.append(node)
        for new, step in neighbors(node):
            if not step >= 0:
                raise ValueError(f"a step costs at least zero, found {step} from {node!r} to {new!r}")
            if cost + step < costs.get(new, math.inf):
                costs[new], came[new] = cost + step, node
                heappush(queue, (costs[new] + _guess(heuristic, new), -next(order), costs[new], new))
    return None


def minimax(
    position: Remembered,
    moves: Callable[[Remembered], Iterable[Remembered]],
    value: Callable[[Remembered], float | None],
    *,
    maximize: bool = True,
) -> Game:
    """Value a position of a game of two players who take turns: each picks what is best for their side.

    Every position is worked out once and remembered.

    Parameters
    ----------
    position : hashable
    moves : callable
        ``moves(position)`` yields the positions after one move.
    value : callable
        ``value(position)`` is what a finished game is worth to the player who maximizes, None while it goes on.
    maximize : bool
        Whether the player to move maximizes.

    Returns
    -------
    Game
        ``visited`` counts different positions.

    Examples
    --------
    >>> tree = ((3, 5), (2, 9))  # the first player is sure of 3 in the first branch, of 2 in the second
    >>> minimax(tree, iter, lambda node: None if isinstance(node, tuple) else node)
    Game(value=3, visited=7)
    """
    known: dict[tuple[Remembered, bool], float] = {}

    def best(position: Remembered, maximize: bool) -> float:
        if (position, maximize) not in known:
            end = _end(position, value)
            after = [] if end is not None else [best(new, not maximize) for new in _some(position, moves)]
            known[position, maximize] = end if end is not None else (max if maximize else min)(after)
        return known[position, maximize]

    return Game(best(position, maximize), len(known))


def alphabeta(
    position: Position,
    moves: Callable[[Position], Iterable[Position]],
    value: Callable[[Position], float | None],
    *,
    maximize: bool = True,
) -> Game:
    """Value a position as :func:`minimax`, leaving out moves that cannot matter; it remembers nothing.

    ``low`` and ``high`` are what the two players are already sure of elsewhere. As soon as a position is worth no more
    than ``low`` to the one, or no less than ``high`` to the other, it will not be reached, and its other moves are
    not looked at.

    Parameters
    ----------
    position, moves, value, maximize
        As :func:`minimax`; the order of the moves decides how much is saved, never the value.

    Returns
    -------
    Game
        ``visited`` counts positions each time that they are reached.

    Examples
    --------
    >>> tree = [[3, 5], [2, 9]]  # the 9 is never looked at: with the 2 the second branch is already worse than 3
    >>> alphabeta(tree, iter, lambda node: None if isinstance(node, list) else node)
    Game(value=3, visited=6)
    """
    visited = 0

    def best(position: Position, maximize: bool, low: float, high: float) -> float:
        nonlocal visited
        visited += 1
        end = _end(position, value)
        if end is not None:
            return end
        found = -math.inf if maximize else math.inf
        for new in _some(position, moves):
            reply = best(new, not maximize, low, high)
            if maximize:
                found = max(found, reply)
                low = max(low, found)
            else:
                found = min(found, reply)
                high = min(high, found)
            if low >= high:
                break
        return found

    return Game(best(position, maximize, -math.inf, math.inf), visited)


def tic_tac_toe_moves(board: str) -> list[str]:
    """Return the boards after one move; x moves first.

    Parameters
    ----------
    board : str
        Nine letters, row by row: ``x``, ``o``, or ``.`` for an empty square.

    Examples
    --------
    >>> tic_tac_toe_moves("xoxoxoxo.")
    ['xoxoxoxox']
    """
    turn = "x" if _board(board).count("x") == board.count("o") else "o"
    return [board[:i] + turn + board[i + 1 :] for i in range(9) if board[i] == "."]


def tic_tac_toe_value(board: str) -> int | None:
    """Say what a board is worth to x: 1 if x has three in a line, -1 if o has, 0 if it is full, else None.

    Parameters
    ----------
    board : str
        As in :func:`tic_tac_toe_moves`.

    Examples
    --------
    >>> tic_tac_toe_value("xxxoo....")
    1
    """
    _board(board)
    for a, b, c in LINES:
        if board[a] != "." and board[a] == board[b] == board[c]:
            return 1 if board[a] == "x" else -1
    return None if "." in board else 0


def _names(what: str, names: Iterable[str]) -> set[str]:
    if isinstance(names, str):
        raise ValueError(f"{what} are several names, found the one string {names!r}: write [{names!r}]")
    return set(names)


def _guess(heuristic: Callable[[Node], float], node: Node) -> float:
    guess = heuristic(node)
    if math.isnan(guess):
        raise ValueError(f"the heuristic of {node!r} is NaN")
    return guess


def _backward(came: dict[Node, Node], goal: Node) -> list[Node]:
    nodes = [goal]
    while nodes[-1] in came:
        nodes.append(came[nodes[-1]])
    return nodes[::-1]


def _end(position: Position, value: Callable[[Position], float | None]) -> float | None:
    end = value(position)
    if end is not None and math.isnan(end):
        raise ValueError(f"the value of {position!r} is NaN")
    return end


def _some(position: Position, moves: Callable[[Position], Iterable[Position]]) -> list[Position]:
    after = list(moves(position))
    if not after:
        raise ValueError(f"the game goes on at {position!r}, and there is no move")
    return after


def _board(board: str) -> str:
    if len(board) != 9 or set(board) - set("xo.") or board.count("x") - board.count("o") not in (0, 1):
        raise ValueError(f"a board is nine of 'x', 'o' and '.', as many x as o or one more, found {board!r}")
    return board
