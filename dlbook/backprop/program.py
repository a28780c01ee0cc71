"""A graph made ready to run: every node a slot in a list, every operation a call with numbers of slots.

What can be decided once is decided here: in which slots arguments lie, which results nobody needs any more after a
call, and which call writes into which buffer.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from dlbook.backprop.nodes import Node, Ref, references

if TYPE_CHECKING:
    from dlbook.backprop.graph import Graph

__all__ = ["Program"]

Array = NDArray[Any]


class Program:
    """Calls in order; :meth:`run` carries them out."""

    def __init__(self, graph: "Graph") -> None:
        self.graph = graph
        self.slots: list[Any] = [node.value for node in graph.nodes]
        self.spare: list[list[Any]] = []  # calls with buffers, which one run has for itself
        self.calls: list[tuple[Any, ...]] = []
        planned = graph.plan.buffer if graph.plan else {}
        dying, homes = graph.deaths(), graph.homes
        residents: dict[int, list[int]] = defaultdict(list)  # views hold the memory, too
        for number, home in enumerate(homes):
            residents[home].append(number)
        for number, node in enumerate(graph.nodes):
            if not node.computes:
                continue
            given_up = [k for k in dying.get(number, ()) if graph.nodes[k].computes and k not in planned]
            dead = tuple(k for home in given_up for k in residents[home] if k <= number)
            function, where = self._flat(node)
            self.calls.append((number, function, where, dict(node.options), dead))
        # outputs whose memory is new in each run, and theirs alone
        tenants = Counter(homes[k] for k in graph.outputs)
        self.fresh = [
            graph.nodes[k].computes and graph.nodes[k].source is None and tenants[k] == 1 for k in graph.outputs
        ]

    def _flat(self, node: Node) -> tuple[Callable[..., Any], list[int]]:
        """Return a function and the slots of its arguments; numbers and the like get slots, too."""
        refs = list(references((node.args, node.options)))
        if len(refs) != sum(isinstance(part, Ref) for part in node.args):  # some are inside of lists
            function = node.function
            assert function is not None

            def call(*arrays: Array, **_: Any) -> Any:
                rest = iter(arrays)
                args, options = node.given(lambda ref: next(rest))
                return function(*args, **options)

            return call, [ref.node for ref in refs]
        where = []
        for part in node.args:
            if isinstance(part, Ref):
                where.append(part.node)
            else:
                where.append(len(self.slots))
                self.slots.append(part)
        assert node.function is not None
        return node.function, where

    def _with_buffers(self) -> list[Any]:
        plan = self.graph.plan
        if plan is None:
            return self.calls
        memory = [np.empty(size, np.uint8) for size in plan.sizes]
        calls = []
        for number, function, where, options, dead in self.calls:
            if number in plan.buffer:
                node = self.graph.nodes[number]
                out = np.ndarray(node.shape, node.dtype, memory[plan.buffer[number]], 0, node.strides)
                options = {**options, "out": out}
            calls.append((number, function, where, options, dead))
        return calls

    def run(self, arrays: list[Array]) -> list[Array]:
        """Carry out all calls on the inputs, and return the outputs."""
        calls = self.spare.pop() if self.spare else self._with_buffers()
        slots = self.slots.copy()
        for number, array in zip(self.graph.inputs, arrays, strict=True):
            slots[number] = array
        for number, function, where, options, dead in calls:
            slots[number] = function(*[slots[k] for k in where], **options)
            for k in dead:
                slots[k] = None
        outputs = [
            np.asarray(slots[number]) if fresh else np.array(slots[number])
            for number, fresh in zip(self.graph.outputs, self.fresh, strict=True)
        ]
        if self.graph.plan is not None:
            self.spare.append(calls)
        return outputs
