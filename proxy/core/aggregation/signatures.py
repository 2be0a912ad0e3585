"""What a function's signature says of the values that it takes and gives, as far as an example can be held against it.

Pure and bounded.
"""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass

from proxy.core.aggregation import values

MAX_PARAMETERS = 8
_RETURNS = re.compile(r"[ \t]{0,8}->[ \t]{0,8}([^\n:#]{1,200})")
_OF: Mapping[str, tuple[type, ...]] = {
    "str": (str,),
    "bool": (bool,),
    "int": (int, float),
    "float": (int, float),
    "complex": (int, float, complex),
    "bytes": (bytes,),
    "list": (list,),
    "dict": (dict,),
    "set": (set,),
    "tuple": (tuple,),
}
"""Values of the types of the language that are spelt as literals."""
_ANYTHING = frozenset(
    {"Any", "Optional", "Union", "Sequence", "Iterable", "Collection", "Mapping", "Number", "object", "Literal"}
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A plain parameter, with its annotation as text; "" without one."""

    name: str
    annotation: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """Parameters in their order, none where there are other than plain ones, and what is returned."""

    parameters: tuple[Parameter, ...] = ()
    returned: str = ""

    @property
    def plain(self) -> bool:
        """Whether every value that it speaks of can be a literal: no node of a tree, no class of the task's own."""
        return all(map(_plain, (self.returned, *(each.annotation for each in self.parameters))))


def signature(prompt: str, name: str) -> Signature:
    """The last signature of a function in a prompt; an empty one where it cannot be read."""
    at = prompt.rfind(f"def {name}(")
    opened = at + len(f"def {name}")
    end = values.closed(prompt, opened) if at >= 0 else None
    if end is None:
        return Signature()
    told = _RETURNS.match(prompt, end)
    returned = told.group(1).strip(" \t`") if told else ""
    if values.parsed(returned, "eval") is None:
        returned = ""
    return Signature(parameters=_parameters(prompt[opened:end]), returned=returned)


def fits(annotation: str, literal: str) -> bool:
    """Whether a literal can be a value of a type: nothing where that is None or another built-in type; what is not known fits."""
    value = values.literal(literal)
    if value is None:
        return True
    if annotation == "None":
        return False
    outer = annotation.split("[", 1)[0].rsplit(".", 1)[-1]
    wanted = None if "|" in annotation else _OF.get(outer.lower())
    return wanted is None or isinstance(value, wanted)


def _parameters(brackets: str) -> tuple[Parameter, ...]:
    source = f"def f{brackets}: pass"
    tree = values.parsed(source)
    found = tree.body[0] if isinstance(tree, ast.Module) else None
    if not isinstance(found, ast.FunctionDef):
        return ()
    given = found.args
    if given.posonlyargs or given.vararg or given.kwonlyargs or given.kwarg or len(given.args) > MAX_PARAMETERS:
        return ()
    return tuple(Parameter(each.arg, _text(source, each.annotation)) for each in given.args)


def _text(source: str, annotation: ast.expr | None) -> str:
    """As it stands: an annotation may be nested too deeply to be written anew."""
    return "" if annotation is None else ast.get_source_segment(source, annotation) or ""


def _plain(annotation: str) -> bool:
    words = re.findall(r"[A-Za-z_]\w*", annotation.replace("typing.", ""))
    return all(word.lower() in _OF or word in _ANYTHING or word == "None" for word in words)
