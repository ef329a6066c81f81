"""Stream map expressions, compiled once for each stream instead of walked per record.

The SDK walks an expression's tree for every record, which is what most of a run's CPU
goes into. The parts of the language that stream maps are made of become closures here;
an expression with anything else in it stays with the SDK. Results and failures are the
same: a test compares the two on generated expressions and records.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

import simpleeval
from singer_sdk.exceptions import MapExpressionError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk.mapper import CustomStreamMap

    Evaluate = Callable[[dict[str, Any]], Any]

_FUNCTIONS = frozenset({"bool", "float", "int", "md5", "sha256", "str"})
"""Functions that take a value and give one; the others stay with the SDK."""

_OPERATORS = simpleeval.DEFAULT_OPERATORS


class _Unsupported(Exception):
    """An expression that stays with the SDK."""


def compile_expressions(stream_map: CustomStreamMap) -> None:
    """Have a stream map evaluate its expressions the fast way.

    It overrides the SDK's underscored `_eval` on this one object, because its mapper
    allows no other class of stream maps.
    """
    walk = stream_map._eval  # noqa: SLF001 - see above
    compiled: dict[tuple[str, str | None], Evaluate | None] = {}
    names: dict[str, Any] = {
        "config": stream_map.map_config,
        "__stream_name__": stream_map.stream_alias,
        "__original_stream_name__": stream_map.stream_name,
    }

    def evaluate(
        expr: str,
        expr_parsed: ast.Expr,
        record: dict[str, Any],
        property_name: str | None,
    ) -> Any:  # noqa: ANN401 - whatever the user's expression gives
        key = (expr, property_name)
        if key not in compiled:
            compiler = _Compiler(stream_map.functions, names, property_name, expr)
            compiled[key] = compiler.compiled(expr_parsed)
        run = compiled[key]
        if run is None:
            return walk(expr, expr_parsed, record, property_name)
        try:
            return run(record)
        except simpleeval.InvalidExpression as error:
            raise MapExpressionError(f"{expr}: {error}") from error

    if not stream_map.fake:
        stream_map._eval = evaluate  # type: ignore[method-assign]  # noqa: SLF001 - see above


class _Compiler:
    """Turns the tree of one expression into nested closures over the record."""

    def __init__(
        self,
        functions: Mapping[str, Callable[..., Any]],
        names: Mapping[str, Any],
        property_name: str | None,
        source: str,
    ) -> None:
        self._functions = functions
        self._names = names
        self._property = property_name
        self._source = source

    def compiled(self, parsed: ast.AST) -> Evaluate | None:
        """Compile an expression, or give none if it stays with the SDK."""
        try:
            return self._node(parsed)
        except _Unsupported:
            return None

    def _node(self, node: ast.AST) -> Evaluate:
        visit = getattr(self, f"_{type(node).__name__.lower()}", None)
        if visit is None:
            raise _Unsupported
        evaluate: Evaluate = visit(node)
        return evaluate

    def _expr(self, node: ast.Expr) -> Evaluate:
        return self._node(node.value)

    def _constant(self, node: ast.Constant) -> Evaluate:
        value = node.value
        if isinstance(value, str | bytes) and len(value) > simpleeval.MAX_STRING_LENGTH:
            raise _Unsupported
        return lambda _: value

    def _name(self, node: ast.Name) -> Evaluate:
        name, source = node.id, self._source
        if name in {"record", "_"}:
            return lambda record: record
        if name in self._names:
            value = self._names[name]
            return lambda _: value
        if name in self._functions:
            raise _Unsupported
        own = self._property if name == "self" else None

        def evaluate(record: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
            try:
                return record[own if own in record else name]
            except KeyError:
                raise simpleeval.NameNotDefined(name, source) from None

        return evaluate

    def _dict(self, node: ast.Dict) -> Evaluate:
        items = []
        for key, value in zip(node.keys, node.values, strict=True):
            if not isinstance(key, ast.Constant):
                raise _Unsupported
            items.append((key.value, self._node(value)))
        return lambda record: {key: value(record) for key, value in items}

    def _list(self, node: ast.List) -> Evaluate:
        items = [self._node(item) for item in node.elts]
        return lambda record: [item(record) for item in items]

    def _tuple(self, node: ast.Tuple) -> Evaluate:
        items = [self._node(item) for item in node.elts]
        return lambda record: tuple(item(record) for item in items)

    def _ifexp(self, node: ast.IfExp) -> Evaluate:
        test, body, orelse = map(self._node, (node.test, node.body, node.orelse))
        return lambda record: body(record) if test(record) else orelse(record)

    def _boolop(self, node: ast.BoolOp) -> Evaluate:
        values = [self._node(value) for value in node.values]
        stop = isinstance(node.op, ast.Or)

        def evaluate(record: dict[str, Any]) -> Any:  # noqa: ANN401 - any value
            result: Any = False
            for value in values:
                result = value(record)
                if bool(result) is stop:
                    break
            return result

        return evaluate

    def _unaryop(self, node: ast.UnaryOp) -> Evaluate:
        operator = _OPERATORS[type(node.op)]
        operand = self._node(node.operand)
        return lambda record: operator(operand(record))

    def _binop(self, node: ast.BinOp) -> Evaluate:
        operator = self._operator(node.op)
        left, right = self._node(node.left), self._node(node.right)
        return lambda record: operator(left(record), right(record))

    def _compare(self, node: ast.Compare) -> Evaluate:
        if len(node.ops) != 1:
            raise _Unsupported
        operator = self._operator(node.ops[0])
        left, right = self._node(node.left), self._node(node.comparators[0])
        return lambda record: operator(left(record), right(record))

    def _operator(self, node: ast.AST) -> Callable[[Any, Any], Any]:
        if type(node) not in _OPERATORS:
            raise _Unsupported
        operator: Callable[[Any, Any], Any] = _OPERATORS[type(node)]
        return operator

    def _subscript(self, node: ast.Subscript) -> Evaluate:
        container, key = self._node(node.value), self._node(node.slice)
        return lambda record: container(record)[key(record)]

    def _slice(self, node: ast.Slice) -> Evaluate:
        lower, upper, step = (
            self._node(part) if part else (lambda _: None)
            for part in (node.lower, node.upper, node.step)
        )
        return lambda record: slice(lower(record), upper(record), step(record))

    def _attribute(self, node: ast.Attribute) -> Evaluate:
        name, source = node.attr, self._source
        if (
            name.startswith(tuple(simpleeval.DISALLOW_PREFIXES))
            or name in simpleeval.DISALLOW_METHODS
        ):
            raise _Unsupported
        value = self._node(node.value)

        def evaluate(record: dict[str, Any]) -> Any:  # noqa: ANN401 - any value
            owner = value(record)
            try:
                return getattr(owner, name)
            except AttributeError:
                pass
            try:
                return owner[name]
            except (KeyError, TypeError):
                raise simpleeval.AttributeDoesNotExist(name, source) from None

        return evaluate

    def _call(self, node: ast.Call) -> Evaluate:
        if node.keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
            raise _Unsupported
        arguments = [self._node(argument) for argument in node.args]
        if isinstance(node.func, ast.Attribute):
            method = self._node(node.func)
            return lambda record: method(record)(*(a(record) for a in arguments))
        if not isinstance(node.func, ast.Name) or node.func.id not in _FUNCTIONS:
            raise _Unsupported
        function = self._functions[node.func.id]
        return lambda record: function(*(a(record) for a in arguments))
