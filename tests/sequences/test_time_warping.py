"""Warping against all paths, and strings of templates against all strings."""

import itertools

import numpy as np
import pytest

from common import draw
from dlbook.sequences.time_warping import match_templates, warping_distance


def by_paths(a, b):
    """Return the least cost over all walks from the first pair to the last one, by recursion."""

    def cost(i, j):
        d = float(np.linalg.norm(a[i] - b[j]))
        if i == j == 0:
            return 2 * d
        ways = []
        if i:
            ways.append(cost(i - 1, j) + d)
        if j:
            ways.append(cost(i, j - 1) + d)
        if i and j:
            ways.append(cost(i - 1, j - 1) + 2 * d)
        return min(ways)

    return cost(len(a) - 1, len(b) - 1) / (len(a) + len(b))


@pytest.mark.parametrize("seed", range(4))
def test_distance_is_the_least_over_all_paths(seed):
    a, b = draw(5, 3, seed=seed), draw(4, 3, seed=seed + 10)
    assert np.isclose(warping_distance(a, b), by_paths(a, b), rtol=1e-9)
    assert np.isclose(warping_distance(a, b), warping_distance(b, a), rtol=1e-12)


def test_speaking_slower_costs_nothing():
    a = draw(7, 3)
    assert warping_distance(a, np.repeat(a, 3, axis=0)) < 1e-6
    assert warping_distance(a, a[::-1]) > 0.1


def best_string(recording, templates, change, longest=3):
    """Try every sequence of templates and every path through it."""

    def through(states):
        total = np.full(len(states), np.inf)
        total[0] = np.linalg.norm(recording[0] - states[0][0])
        for frame in recording[1:]:
            new = np.full(len(states), np.inf)
            for j, (template, begins) in enumerate(states):
                ways = [total[j]]
                if not begins:
                    ways.append(total[j - 1])
                    if j > 1 and not states[j - 1][1]:
                        ways.append(total[j - 2])
                elif j:
                    ways += [total[j - 1] + change, total[j - 2] + change]
                new[j] = min(ways) + np.linalg.norm(frame - template)
            total = new
        return total[-1]

    found = []
    for n in range(1, longest + 1):
        for string in itertools.product(range(len(templates)), repeat=n):
            states = [(frame, i == 0) for k in string for i, frame in enumerate(templates[k])]
            found.append((through(states), string))
    return min(found)[1]


@pytest.mark.parametrize("seed", range(40))
def test_matches_a_search_over_all_strings(seed):
    templates = [draw(n, 2, seed=100 + n + seed) for n in (3, 4)]
    recording = draw(6, 2, seed=seed)
    assert tuple(match_templates(recording, templates, change=0.3)) == best_string(recording, templates, 0.3)


@pytest.mark.parametrize("string", [[0], [1, 1], [2, 0, 1, 1, 2]])
def test_finds_its_own_templates_in_any_order_at_another_speed(string):
    templates = [draw(n, 3, seed=n) for n in (5, 7, 11)]
    recording = np.concatenate([np.repeat(templates[k], 2, axis=0) for k in string])
    assert match_templates(recording, templates, change=0.1) == string
    fast = np.concatenate([templates[k][:: 2 if len(templates[k]) % 2 else 1] for k in string])
    assert match_templates(fast, templates, change=0.1) == string


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: warping_distance(draw(5, 3), draw(7, 2)), r"b is \(r, 3\).*found shape \(7, 2\)"),
        (lambda: match_templates(draw(5, 3), []), "no template"),
        (lambda: match_templates(draw(5, 3), [draw(3, 3)], change=-1), "found change -1"),
        (lambda: match_templates(draw(5, 3) * np.nan, [draw(3, 3)]), "finite"),
        (lambda: match_templates(draw(5, 3), [draw(1, 3)]), r"found shape \(1, 3\)"),
        (lambda: match_templates(draw(2, 3), [draw(7, 3), draw(5, 3)]), r"recording of 2 frames, found sizes \[7, 5\]"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_bytes_do_not_wrap_around_and_large_numbers_do_not_cancel():
    assert warping_distance(np.uint8([[200]]), np.uint8([[100]])) == 100
    x = np.float32(draw(5, 3) + 100)
    assert warping_distance(x, x) < 1e-4


def test_templates_may_be_one_array():
    rise, fall = np.array([[0.0], [1], [2]]), np.array([[2.0], [1], [0]])
    assert match_templates(np.concatenate([rise, fall]), np.stack([rise, fall])) == [0, 1]
