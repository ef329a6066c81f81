"""Stream map expressions, compiled once for each stream instead of walked per record.

The SDK walks an expression's tree for every record, which is what most of a run's CPU
goes into. The part of the language that stream maps are made of is Python's own, and
becomes a Python function here; an expression with anything else in it stays with the
SDK. So does every failure: an expression that fails here is walked by the SDK, and what
the SDK makes of it counts. A test compares the two on generated expressions.
"""

from __future__ import annotations

import ast
import warnings
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import simpleeval

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from singer_sdk.mapper import CustomStreamMap

    Evaluate = Callable[[dict[str, Any]], Any]

_SAME_IN_PYTHON = (
    *(ast.Dict, ast.List, ast.Tuple, ast.Load, ast.Subscript, ast.Slice, ast.IfExp),
    *(ast.BoolOp, ast.boolop, ast.UnaryOp, ast.unaryop, ast.Compare, ast.cmpop),
)
"""Parts that mean to the SDK's evaluator what they mean to Python."""

_FUNCTIONS = ("bool", "float", "int", "md5", "sha256", "str")

_METHODS = (
    {name for name in dir(str) if not name.startswith("_")}
    | {"get", "items", "keys", "values"}
).difference(simpleeval.DISALLOW_METHODS)
"""Methods that change nothing, so that what failed can be evaluated once more."""

_OPERATORS = {
    f"_{kind.__name__}": function
    for kind, function in simpleeval.DEFAULT_OPERATORS.items()
    if issubclass(kind, ast.operator)
}
"""Some of the evaluator's operators refuse results that would fill the memory."""


class _Unsupported(Exception):
    """An expression that stays with the SDK."""


def compile_expressions(
    stream_map: CustomStreamMap, on_failure: Callable[[str | None, str], None]
) -> None:
    """Have a stream map evaluate its expressions the fast way.

    It overrides the SDK's underscored `_eval` on this one object, because its mapper
    allows no other class of stream maps.

    Args:
        stream_map: What to speed up.
        on_failure: Called before an expression's failure is raised, with the name of
            the property (none for a filter) and the expression: the SDK's errors do
            not always say.
    """
    walk = stream_map._eval  # noqa: SLF001 - see above
    compiled: dict[ast.Expr, Evaluate | None] = {}
    names = {
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
        # The SDK parses once, so that an expression of a property is one tree.
        if expr_parsed not in compiled:
            compiled[expr_parsed] = _function(
                expr_parsed, property_name, names, stream_map.functions
            )
        function = compiled[expr_parsed]
        if function is not None:
            try:
                return function(record)
            except Exception:  # noqa: BLE001, S110 - the SDK's failure counts
                pass
        try:
            return walk(expr, expr_parsed, record, property_name)
        except Exception:
            on_failure(property_name, expr)
            raise

    stream_map._eval = evaluate  # type: ignore[method-assign]  # noqa: SLF001


def _function(
    parsed: ast.Expr,
    property_name: str | None,
    names: Mapping[str, Any],
    functions: Mapping[str, Callable[..., Any]],
) -> Evaluate | None:
    """Make a function of an expression, or none if it stays with the SDK."""
    head = ast.parse("lambda record: None", mode="eval")
    try:
        # A copy, since the SDK goes on using the tree.
        body = _Translator(names, functions, property_name).visit(
            deepcopy(parsed.value)
        )
        head.body.body = body  # type: ignore[attr-defined]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(ast.fix_missing_locations(head), "<stream map>", "eval")
    except (_Unsupported, RecursionError):
        return None
    known = {
        **{name: functions[name] for name in _FUNCTIONS},
        **_OPERATORS,
        **names,
        "_attribute": _attribute,
        "__builtins__": {},
    }
    function: Evaluate = eval(code, known)  # noqa: S307 - made of known parts alone
    return function


def _attribute(owner: Any, name: str) -> Any:  # noqa: ANN401 - any value
    """Give an attribute, or the member of an object."""
    try:
        return getattr(owner, name)
    except AttributeError:
        return owner[name]


class _Translator(ast.NodeTransformer):
    """Turns an expression on a record's names into one on the record."""

    def __init__(
        self,
        names: Mapping[str, Any],
        functions: Mapping[str, Callable[..., Any]],
        property_name: str | None,
    ) -> None:
        self._names = names
        self._functions = functions
        self._property = property_name

    def generic_visit(self, node: ast.AST) -> ast.AST:
        if not isinstance(node, _SAME_IN_PYTHON):
            raise _Unsupported
        return super().generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value = node.value
        if isinstance(value, str | bytes) and len(value) > simpleeval.MAX_STRING_LENGTH:
            raise _Unsupported
        return node

    def visit_Name(self, node: ast.Name) -> ast.AST:
        if node.id in self._names:
            return node
        if node.id in {"record", "_"}:
            return _python("record")
        if node.id in self._functions or node.id == "fake":
            raise _Unsupported
        if node.id == "self" and self._property is not None:
            own = repr(self._property)
            return _python(f"record[{own}] if {own} in record else record['self']")
        return _python(f"record[{node.id!r}]")

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        if any(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
            # Whether two equal literals are one is up to whoever evaluates them.
            other = node.comparators[0]
            is_none = isinstance(other, ast.Constant) and other.value is None
            if len(node.ops) > 1 or not is_none:
                raise _Unsupported
        return self.generic_visit(node)

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        operator = f"_{type(node.op).__name__}"
        if operator not in _OPERATORS:
            raise _Unsupported
        return _call(_python(operator), self.visit(node.left), self.visit(node.right))

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if (
            node.attr.startswith(tuple(simpleeval.DISALLOW_PREFIXES))
            or node.attr in simpleeval.DISALLOW_METHODS
        ):
            raise _Unsupported
        owner = self.visit(node.value)
        return _call(_python("_attribute"), owner, ast.Constant(node.attr))

    def visit_Call(self, node: ast.Call) -> ast.AST:
        function = node.func
        if node.keywords:
            raise _Unsupported
        arguments = [self.visit(argument) for argument in node.args]
        if isinstance(function, ast.Attribute) and function.attr in _METHODS:
            owner = self.visit(function.value)
            return _call(ast.Attribute(owner, function.attr, ast.Load()), *arguments)
        if isinstance(function, ast.Name) and function.id in _FUNCTIONS:
            return _call(function, *arguments)
        raise _Unsupported


def _python(source: str) -> ast.expr:
    return ast.parse(source, mode="eval").body


def _call(function: ast.expr, *arguments: ast.expr) -> ast.Call:
    return ast.Call(function, list(arguments), [])
