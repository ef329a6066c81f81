"""What a stream map asks for that its stream does not have, found before any record.

Pure: reads the expressions of a map, and evaluates none. A map that names what is not
there would reject every record.
"""

from __future__ import annotations

import ast
import keyword
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, NamedTuple

from target_upwell.customers.names import listed, meant, nearest
from target_upwell.exceptions import MappingError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

ALIAS, SOURCE = "__alias__", "__source__"
ELSE, FILTER, KEYS = "__else__", "__filter__", "__key_properties__"
_OPTIONS = (ALIAS, SOURCE, ELSE, FILTER, KEYS)

_REMOVED = (None, "__NULL__")
_RECORD = frozenset({"record", "_"})
_ALWAYS = _RECORD | {"config", "__stream_name__", "__original_stream_name__"}
_OF_A_DICT: set[object] = {*dir(dict)}
_MAX_CHARACTERS = 150


class Unknown(NamedTuple):
    """A name in an expression that nothing goes by.

    Attributes:
        column: The column that it asks for, or None if no record can have it.
        problem: What is wrong with it and what it may stand for, for a person.
    """

    column: str | None
    problem: str


def expressions(definition: Mapping[str, Any]) -> dict[str, str]:
    """Return the expressions of a stream map by property, the filter's among them."""
    return {
        name: written
        for name, written in definition.items()
        if isinstance(written, str)
        and written not in _REMOVED
        and (name == FILTER or not name.startswith("__"))
    }


def check_definition(
    definition: Mapping[str, Any], columns: Iterable[str], keys: Iterable[str]
) -> None:
    """Check what can be told of a stream map by itself and its stream's SCHEMA.

    Raises:
        MappingError: An expression can't be read, an option does not exist or has no
            effect, or a key property is not there.
    """
    columns = list(columns)
    for name in definition:
        # The SDK would take it for a property, and not filter, for example.
        if name in (*_OPTIONS, *columns) or not name.startswith("__"):
            continue
        if name.endswith("__") or nearest(name, _OPTIONS):
            raise MappingError(f"there is no `{name}`{_meant(name, _OPTIONS)}")
    if ALIAS in definition and SOURCE in definition:
        raise MappingError(
            f"`{ALIAS}` has no effect beside `{SOURCE}`, where the name of the stream "
            "map is the alias; write the map under the stream's own name"
        )
    written = expressions(definition)
    for name, expression in written.items():
        _parsed(name, expression, columns)
    given = set(written)
    if ELSE not in definition:
        given.update(c for c in columns if definition.get(c, "") not in _REMOVED)
    for key in definition.get(KEYS, keys) or ():
        if key in given:
            continue
        if KEYS in definition:
            raise MappingError(
                f"`{KEYS}` names {key!r}, which is not mapped; map `{key}`, for "
                f"example `{key}: customer_no`"
            )
        what = "is removed" if key in columns else "is not in the SCHEMA"
        raise MappingError(
            f"{key!r} {what}, and it identifies a record; name the properties that "
            f'do so with `{KEYS}`, for example ["sourceSystemId"]'
        )


def unknown_names(
    definition: Mapping[str, Any], columns: Iterable[str], functions: Iterable[str]
) -> list[Unknown]:
    """Return the names that nothing goes by in the expressions of a checked map."""
    known, callable_names = [*columns], [*functions]
    names = {*known, *_ALWAYS, *callable_names}
    found: dict[Unknown, None] = {}
    for prop, expression in expressions(definition).items():
        own = {*names, "self"} if prop in known else names
        for name, is_called in _names(_parsed(prop, expression, known)):
            if name in (callable_names if is_called else own):
                continue
            column = None
            if name == "fake":
                problem = "'fake' needs the package faker, which is not installed"
            elif is_called:
                # All of them: a likely name, such as rand for round, is no likely wish.
                there_are = ", ".join(sorted(callable_names))
                problem = f"there is no function {name!r}; there are {there_are}"
                problem += _place(expression)
            else:
                column = prop if name == "self" else name
                problem = f"the stream has no column {column!r}"
                if name == "self":
                    problem += ", which 'self' stands for"
                problem += _hint(column, known, expression) + _place(expression)
            found[Unknown(column, f"{prop}: {problem}")] = None
    return list(found)


def _hint(wanted: str, columns: Collection[str], expression: str) -> str:
    """Return how to write what is meant, as far as that can be told."""
    hint = _as_column(expression, columns)
    if not hint:
        hint = _meant(wanted, columns)
        if expression.strip() == wanted and not hint.endswith("?"):
            hint += f"; a constant is quoted twice: \"'{wanted}'\""
    return hint


def _meant(wanted: str, known: Collection[str]) -> str:
    """Return the names that may be meant, or else those that there are."""
    if question := meant(wanted, known):
        return f"; {question}"
    return f"; there are {listed(known)}" if known else ""


def _place(expression: str) -> str:
    if len(expression) > _MAX_CHARACTERS:
        expression = expression[: _MAX_CHARACTERS - 3] + "..."
    return f" (in: {expression})"


def _as_column(expression: str, columns: Iterable[str]) -> str:
    """Return how to write an expression that is a column's name and no Python name."""
    column = expression.strip()
    is_name = column.isidentifier() and not keyword.iskeyword(column)
    if is_name or column not in columns:
        return ""
    return f"; write record[{column!r}] for the column"


def unmatched(stream_maps: Mapping[str, Any], streams: Iterable[str]) -> list[str]:
    """Return the streams that all stream maps name and that are none of these."""
    arrived = list(streams)
    named = dict.fromkeys(
        definition.get(SOURCE, name) if isinstance(definition, dict) else name
        for name, definition in stream_maps.items()
        if not name.startswith("__")
    )
    return [
        source
        for source in named
        if not any(is_for(source, stream) for stream in arrived)
    ]


def is_for(source: str, stream: str) -> bool:
    """Return whether a stream map of a name or pattern is for a stream, as the SDK."""
    return stream == source or fnmatch(stream, source)


def why_unknown(
    stream: str,
    alias: str,
    wanted: str,
    stream_maps: Mapping[str, Any],
    arrived: Iterable[str],
) -> str:
    """Return why a stream is not one of those that are loaded, and what to do.

    They are those of the name `wanted`, and `alias` is its own after its stream map.
    """
    if alias != stream:
        near = nearest(alias, [wanted])
        hint = f"did you mean {wanted!r}?" if near else f"it has to be {wanted!r}"
        return f"stream {stream!r}: its alias is {alias!r}; {hint}"
    streams = list(arrived)
    near = nearest(stream, unmatched(stream_maps, streams))
    if near:
        return (
            f"stream {stream!r} is not named {wanted!r}: `stream_maps` has "
            f"{near[0]!r}, which no stream is named; these arrived: {listed(streams)}"
        )
    return (
        f"stream {stream!r} is not named {wanted!r}; alias it in stream_maps, "
        "remove it there with __NULL__, or set unknown_streams to ignore"
    )


def _parsed(name: str, expression: str, columns: Iterable[str]) -> ast.Module:
    """Parse an expression as the SDK does; what is not one is a `MappingError`."""
    try:
        tree = ast.parse(expression)
    except SyntaxError as error:
        line = error.text or expression
        at = max((error.offset or 1) - 1, 0)
        raise MappingError(
            f"{name}: the expression is not valid: {error.msg}, here: "
            f"{line[:at].strip()} >>> {line[at:].strip()}".rstrip()
            + _as_column(expression, columns)
        ) from None
    except (ValueError, RecursionError, MemoryError):
        raise MappingError(f"{name}: the expression can't be read") from None
    if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
        what = "not a single expression" if tree.body else "empty; __NULL__ removes it"
        raise MappingError(f"{name}: the expression is {what}")
    return tree


def _names(tree: ast.AST) -> Iterator[tuple[str, bool]]:
    """Yield the names that an expression takes from outside, and if they are called."""
    nodes = list(ast.walk(tree))
    names = [node for node in nodes if isinstance(node, ast.Name)]
    own = {node.id for node in names if not isinstance(node.ctx, ast.Load)}
    own |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    yield from ((node.id, id(node) in called) for node in names if node.id not in own)
    # `record['x'] if 'x' in record else None` has seen to it.
    asked_for: set[object] = {
        node.left.value
        for node in nodes
        if isinstance(node, ast.Compare) and isinstance(node.left, ast.Constant)
    }
    for node in nodes:
        member, there = None, asked_for
        if isinstance(node, ast.Subscript) and _is_record(node.value):
            member = getattr(node.slice, "value", None)
        elif isinstance(node, ast.Attribute) and _is_record(node.value):
            member, there = node.attr, _OF_A_DICT
        if isinstance(member, str) and member not in there:
            yield member, False


def _is_record(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id in _RECORD
