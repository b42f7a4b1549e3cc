"""Where the Edge TPU compiler cuts a graph, and its words for what it leaves to the CPU."""

from __future__ import annotations

from dataclasses import dataclass, replace

from converters import edgetpu_rules as rules
from converters.edgetpu_node import Node, is_custom
from converters.flatbuffer import Graph


@dataclass(frozen=True)
class Refusal:
    """Why the compiler takes no part of a file; ``operation`` is None where it is the whole."""

    rule: str
    says: str
    cure: str
    source: str
    operation: int | None


@dataclass(frozen=True)
class Verdict:
    """What becomes of one operation.

    Attributes:
        index: place in the file.
        custom: no builtin operation; ``kind`` is its own name then.
        name: of what it computes, which tells the Keras layer.
        mapped: it runs on the Edge TPU.
        status: the compiler's words.
        rule, cure, source: '' where mapped; see :class:`converters.edgetpu_rules.Rule`.
    """

    index: int
    kind: str
    custom: bool
    version: int
    name: str
    mapped: bool
    status: str
    rule: str
    cure: str
    source: str

    @property
    def logged(self) -> str:
        """Its kind as the compiler's log names it."""
        return "CUSTOM" if self.custom else self.kind


def refusals(graph: Graph, nodes: list[Node]) -> tuple[Refusal, ...]:
    """Of the file as a whole, or else of its operations, each reason once."""
    for whole in rules.WHOLE:
        if whole.broken(graph):
            return (Refusal(whole.name, whole.says, whole.cure, whole.source, None),)
    found: dict[str, Refusal] = {}
    at_fault: dict[str, Refusal] = {}
    for index, node in enumerate(nodes):
        for rule in rules.RULES:
            if rule.refuses and rule.broken(node):
                says, cure = _words(rule, node)
                refusal = Refusal(rule.name, says, cure, rule.source, index)
                # All operations of a kind have the version that one of them needs.
                told = rules.AT_FAULT.get(node.kind)
                if told is not None and told(node):
                    at_fault.setdefault(says, refusal)
                found.setdefault(says, refusal)
                break
    return tuple((found | at_fault).values())


def partition(nodes: list[Node]) -> tuple[tuple[Verdict, ...], tuple[int, ...]]:
    """What runs where: what the rules say of each operation, and one Edge TPU subgraph.

    What lies behind an operation on the CPU that itself follows the Edge TPU's part would be a
    second one. What is left to the CPU before that part cuts nothing.
    """
    makers: dict[int, int] = {}
    behind: list[bool] = []  # of what the Edge TPU computes
    beyond: list[bool] = []  # of a cut
    operations, cuts = [], []
    for index, node in enumerate(nodes):
        before = {makers[i] for i in node.operation.inputs if i in makers}
        follows = any(behind[i] for i in before)
        late = any(beyond[i] for i in before)
        broken = next((rule for rule in rules.RULES if rule.broken(node)), None)
        verdict = _verdict(index, node, broken, late)
        is_cut = broken is not None and follows and not late
        operations.append(verdict)
        cuts += [index] if is_cut else []
        behind.append(follows or verdict.mapped)
        beyond.append(late or is_cut)
        makers |= dict.fromkeys(node.operation.outputs, index)
    return tuple(_lend(nodes, operations)), tuple(cuts)


def _verdict(index: int, node: Node, broken: rules.Rule | None, late: bool) -> Verdict:
    custom = is_custom(node)
    facts = (index, node.kind, custom, node.operation.version, node.output.name)
    if broken is not None:
        says, cure = _words(broken, node)
        return Verdict(*facts, False, says, broken.name, cure, broken.source)
    if late:
        cure = "cure what cuts the graph before it"
        return Verdict(*facts, False, rules.LATE, "one-subgraph", cure, "coral")
    return Verdict(*facts, True, rules.MAPPED, "", "", "")


def _words(rule: rules.Rule, node: Node) -> tuple[str, str]:
    """What the compiler says, and what to do."""
    operation = node.operation
    says = rule.says.format(kind=node.kind, version=operation.version, code=operation.code)
    for layer, cure in rules.LAYERS.items():
        if layer in node.output.name:
            return says, cure
    if rule.name == "data-type" and node.kind in rules.SUPPORTED:
        return says, rules.TO_INT8  # it would be mapped, were it not for its neighbours
    default = rules.REPLACE if rule.refuses else rules.NUMPY
    return says, rule.cure or rules.CURES.get(node.kind, default)


def _lend(nodes: list[Node], operations: list[Verdict]) -> list[Verdict]:
    """Operations from and to float get the cure of what is in float behind or before them."""
    makers = {i: k for k, node in enumerate(nodes) for i in node.operation.outputs}
    takers = {i: k for k, node in enumerate(nodes) for i in node.operation.inputs}
    lent = list(operations)
    for k, here in enumerate(operations):
        inputs, outputs = nodes[k].operation.inputs, nodes[k].operation.outputs
        beside = {
            "DEQUANTIZE": [takers.get(i) for i in outputs],
            "QUANTIZE": [makers.get(i) for i in inputs],
        }.get(here.kind, [])
        for other in (operations[i] for i in beside if i is not None):
            if not here.mapped and other.rule in ("data-type", "supported"):
                lent[k] = replace(here, cure=other.cure)
    return lent


def left_over(nodes: list[Node]) -> tuple[Verdict, ...]:
    """What runs where in a file that was compiled: all but what was compiled is the CPU's."""
    return tuple(
        replace(
            _verdict(index, node, None, False),
            mapped=node.kind == rules.COMPILED,
            status=rules.MAPPED if node.kind == rules.COMPILED else "left to the CPU",
        )
        for index, node in enumerate(nodes)
    )
