"""Search against brute force, SciPy's Dijkstra, games worked by hand, and the counted positions of tic-tac-toe."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from dlbook.foundations.search import (
    alphabeta,
    astar,
    forward_chain,
    minimax,
    tic_tac_toe_moves,
    tic_tac_toe_value,
)

# Forward chaining

RULES = [
    (["a", "b"], "c"),
    (["c"], "d"),
    (["d", "e"], "f"),
    (["f"], "a"),
    (["g"], "b"),
    ([], "h"),
    (["h", "x"], "g"),
]
LETTERS = sorted({name for premises, conclusion in RULES for name in [*premises, conclusion]})


def closed(names, rules):
    return all(conclusion in names or not set(premises) <= names for premises, conclusion in rules)


def least_closed_set(rules, facts, letters):
    """Intersect all closed sets that hold the facts, of all subsets there are: the definition."""
    subsets = (set(names) for size in range(len(letters) + 1) for names in combinations(letters, size))
    return set.intersection(*(names for names in subsets if facts <= names and closed(names, rules)))


@pytest.mark.parametrize("seed", range(13))
def test_forward_chaining_is_the_least_closed_set(seed):
    rng = np.random.default_rng(seed)
    facts = {name for name in LETTERS if rng.random() < 0.3}
    assert forward_chain(RULES, facts) == least_closed_set(RULES, facts, LETTERS)


rules_of_five = st.lists(st.tuples(st.sets(st.sampled_from("abcde"), max_size=3), st.sampled_from("abcde")), max_size=7)


@given(rules_of_five, st.sets(st.sampled_from("abcde")), st.sets(st.sampled_from("abcde")), st.randoms())
@settings(deadline=None, max_examples=50, derandomize=True)
def test_forward_chaining_knows_no_order_and_only_grows(rules, facts, more, random):
    found = forward_chain(rules, facts)
    assert found == least_closed_set(rules, facts, "abcde")
    random.shuffle(rules)
    assert forward_chain(rules, facts) == found
    assert found <= forward_chain(rules, facts | more)


def test_forward_chaining_leaves_its_arguments_alone_and_takes_iterators():
    facts = {"a", "b"}
    assert forward_chain(iter([(iter(["a"]), "z")]), facts) == {"a", "b", "z"}
    assert facts == {"a", "b"}


def test_forward_chaining_rejects_a_string_of_facts():
    with pytest.raises(ValueError, match="facts are several names, found the one string 'milk'"):
        forward_chain([], "milk")
    with pytest.raises(ValueError, match="premises are several names, found the one string 'ab'"):
        forward_chain([("ab", "c")], ["a"])


# A*


def maze(seed, side=17, walls=0.3):
    """Draw a grid with walls and prices: entering a square costs 1 to 4."""
    rng = np.random.default_rng(seed)
    free = rng.random((side, side)) >= walls
    free[0, 0] = free[-1, -1] = True
    return free, rng.integers(1, 5, (side, side))


def steps(free, prices):
    side = len(free)

    def neighbors(node):
        for down, across in ((0, 1), (1, 0), (0, -1), (-1, 0)):
            row, column = node[0] + down, node[1] + across
            if 0 <= row < side and 0 <= column < side and free[row, column]:
                yield (row, column), int(prices[row, column])

    return neighbors


def by_scipy(free, prices):
    side, neighbors = len(free), steps(free, prices)
    edges = [
        (row * side + column, new[0] * side + new[1], price)
        for row, column in np.argwhere(free)
        for new, price in neighbors((row, column))
    ]
    start, end, price = zip(*edges, strict=True)
    graph = coo_matrix((price, (start, end)), shape=(side**2, side**2)).tocsr()
    return dijkstra(graph, indices=side**2 - 1), dijkstra(graph, indices=0)[-1], dijkstra(graph.T, indices=side**2 - 1)


@pytest.mark.parametrize("seed", range(60))
def test_astar_is_as_cheap_as_scipys_dijkstra_and_expands_no_more_than_ours(seed):
    free, prices = maze(seed)
    goal, neighbors = (16, 16), steps(free, prices)
    _, cheapest, _ = by_scipy(free, prices)
    path = astar((0, 0), goal, neighbors, lambda node: 32 - sum(node))
    blind = astar((0, 0), goal, neighbors, lambda node: 0)
    if math.isinf(cheapest):
        assert path is blind is None
        return
    assert path.cost == blind.cost == cheapest
    assert path.nodes[0] == (0, 0)
    assert path.nodes[-1] == goal
    assert sum(dict(neighbors(a))[b] for a, b in zip(path.nodes, path.nodes[1:], strict=False)) == path.cost
    assert len(path.expanded) <= len(blind.expanded)
    assert len(set(path.expanded)) == len(path.expanded)  # the guess is consistent


@pytest.mark.parametrize("seed", range(30))
def test_a_guess_that_is_admissible_but_not_consistent_still_finds_the_cheapest(seed):
    free, prices = maze(seed, walls=0.2)
    _, cheapest, rest = by_scipy(free, prices)  # rest: the true cost to the goal, of which any fraction is admissible
    rng = np.random.default_rng(seed)
    guesses = np.where(np.isinf(rest), 0, rest) * rng.random(len(rest))
    path = astar((0, 0), (16, 16), steps(free, prices), lambda node: guesses[node[0] * 17 + node[1]])
    assert (math.inf if path is None else path.cost) == cheapest


def test_a_node_is_expanded_again_if_a_cheaper_way_turns_up():
    # s-a 1, s-b 3, a-c ... : b is entered at 3 first, since a's guess of 4 hides the way s-a-b of cost 2.
    edges = {"s": [("a", 1), ("b", 3)], "a": [("b", 1)], "b": [("g", 4)], "g": []}
    path = astar("s", "g", edges.__getitem__, {"s": 5, "a": 5, "b": 0, "g": 0}.__getitem__)
    assert path.expanded == ["s", "b", "a", "b"]
    assert (path.cost, path.nodes) == (6, ["s", "a", "b", "g"])


def test_a_guess_that_overestimates_can_miss_the_cheapest():
    edges = {"s": [("a", 1), ("g", 3)], "a": [("g", 1)], "g": []}
    honest = astar("s", "g", edges.__getitem__, lambda node: 0)
    misled = astar("s", "g", edges.__getitem__, {"s": 0, "a": 9, "g": 0}.__getitem__)
    assert (honest.cost, misled.cost) == (2, 3)


def test_astar_at_the_goal_and_with_free_steps():
    assert astar(1, 1, lambda node: [], lambda node: 0) == (0, [1], [])
    assert astar(0, 3, lambda n: [(n + 1, 0)], lambda node: 0).cost == 0


def test_astar_rejects_negative_and_nan():
    for step in (-1, math.nan):
        with pytest.raises(ValueError, match="a step costs at least zero, found"):
            astar(0, 5, lambda n, step=step: [(n + 1, step)], lambda node: 0)
    for bad in (0, 1):
        with pytest.raises(ValueError, match=f"the heuristic of {bad} is NaN"):
            astar(0, 5, lambda n: [(n + 1, 1)], lambda node, bad=bad: math.nan if node == bad else 0)


# Games


def inner(node):
    return None if isinstance(node, tuple) else node


@pytest.mark.parametrize("search", [minimax, alphabeta])
def test_a_tree_worked_by_hand(search):
    tree = ((3, 12, 8), (2, 4, 6), (14, 5, 2))
    assert search(tree, iter, inner).value == 3  # least of each: 3, 2, 2
    assert search(tree, iter, inner, maximize=False).value == 6  # most of each: 12, 6, 14


def test_alphabeta_visits_what_the_hand_visits():
    # 3, 12, 8; then 2 cuts 4 and 6; then 14, 5, 2. With root and branches 1 + 3 + 7.
    assert alphabeta(((3, 12, 8), (2, 4, 6), (14, 5, 2)), iter, inner) == (3, 11)
    # the mirror image, for the player who minimizes
    assert alphabeta(((-3, -12, -8), (-2, -4, -6), (-14, -5, -2)), iter, inner, maximize=False) == (-3, 11)


trees = st.recursive(
    st.integers(-5, 5), lambda below: st.lists(below, min_size=1, max_size=3).map(tuple), max_leaves=30
)


def plain(node, maximize):
    """Return the value and the size of a tree, by the definition."""
    if not isinstance(node, tuple):
        return node, 1
    values, sizes = zip(*(plain(below, not maximize) for below in node), strict=True)
    return (max if maximize else min)(values), 1 + sum(sizes)


@given(trees, st.booleans())
@settings(deadline=None, max_examples=100, derandomize=True)
def test_random_games_have_the_value_of_the_definition(tree, maximize):
    value, size = plain(tree, maximize)
    assert minimax(tree, iter, inner, maximize=maximize).value == value
    pruned = alphabeta(tree, iter, inner, maximize=maximize)
    assert pruned.value == value
    assert pruned.visited <= size


def test_a_uniform_tree_in_the_best_order_costs_its_square_root():
    # Knuth and Moore (1975), Theorem 1: b^⌈d/2⌉ + b^⌊d/2⌋ - 1 leaves, if the best move always comes first.
    for b, d in ((2, 5), (3, 4), (5, 3)):
        leaves = []

        def moves(node, b=b):
            return [(*node, i) for i in range(b)]

        def value(node, d=d, leaves=leaves):
            if len(node) < d:
                return None
            leaves.append(node)
            # for each side, every departure from its first move is worse
            return sum((-1 if depth % 2 == 0 else 1) * move * 10.0**-depth for depth, move in enumerate(node))

        alphabeta((), moves, value)
        assert len(leaves) == b ** math.ceil(d / 2) + b ** (d // 2) - 1


def test_tic_tac_toe_is_a_draw_of_5478_positions():
    assert minimax("." * 9, tic_tac_toe_moves, tic_tac_toe_value) == (0, 5478)


def test_tic_tac_toe_ends_as_counted():
    # Boards at which play ends: x wins 626, o wins 316, draw 16 (958 in all, as in the UCI data set of that name).
    seen, open_boards = {"." * 9}, ["." * 9]
    while open_boards:
        board = open_boards.pop()
        if tic_tac_toe_value(board) is None:
            new = set(tic_tac_toe_moves(board)) - seen
            seen |= new
            open_boards += new
    values = [tic_tac_toe_value(board) for board in seen]
    assert [values.count(value) for value in (1, -1, 0)] == [626, 316, 16]


def test_alphabeta_keeps_what_is_sure_elsewhere():
    tree = [5, [[1, [3, 9]], 9]]  # with 5 sure at the root, neither 9 matters, though the 1 came between
    assert alphabeta(tree, iter, lambda node: None if isinstance(node, list) else node) == (5, 7)


def test_alphabeta_solves_tic_tac_toe_in_fewer_looks_than_the_549946_of_the_tree():
    game = alphabeta("." * 9, tic_tac_toe_moves, tic_tac_toe_value)
    assert game.value == 0
    assert 5478 < game.visited < 549946 / 20


@pytest.mark.parametrize(("board", "value"), [("xx.oo....", 1), ("xx.oo.x..", -1), ("x...o....", 0), ("xo..x...o", 1)])
def test_positions_of_tic_tac_toe_that_a_child_can_value(board, value):
    # xx. / oo. : x moves and wins; with one more x it is the move of o, who wins in the middle row; a corner answered
    # in the middle is a draw; x to move with two open lines wins
    maximize = board.count("x") == board.count("o")
    for search in (minimax, alphabeta):
        assert search(board, tic_tac_toe_moves, tic_tac_toe_value, maximize=maximize).value == value


@pytest.mark.parametrize("search", [minimax, alphabeta])
def test_games_reject_a_dead_end_and_nan(search):
    with pytest.raises(ValueError, match=r"goes on at \(\), and there is no move"):
        search(((), 1), iter, inner)
    with pytest.raises(ValueError, match="the value of nan is NaN"):
        search((math.nan, 1), iter, inner)


@pytest.mark.parametrize("board", ["x" * 9, "o........", "xo", "xo......?", "." * 10])
def test_tic_tac_toe_rejects_what_is_no_board(board):
    for function in (tic_tac_toe_moves, tic_tac_toe_value):
        with pytest.raises(ValueError, match="a board is nine of"):
            function(board)


def test_every_line_of_three_wins():
    lines = [{0, 1, 2}, {3, 4, 5}, {6, 7, 8}, {0, 3, 6}, {1, 4, 7}, {2, 5, 8}, {0, 4, 8}, {2, 4, 6}]
    for three in combinations(range(9), 3):
        for two in combinations(sorted(set(range(9)) - set(three)), 2):
            board = "".join("x" if i in three else "o" if i in two else "." for i in range(9))
            assert tic_tac_toe_value(board) == (1 if set(three) in lines else None)
