"""Whether a predicate has the form in which its record is written today: a quick look, for whoever needs a few of its members.

Pure. A form follows from the types of a record's fields, and its answer goes one way: what has the form, ``audit.predicate_reading``
reads too. What has it not (an older record has another) is for that reader to judge. Looking costs a third of reading.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from enum import StrEnum
from itertools import product
from operator import itemgetter
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from audit import members, predicate_reading
from audit.records import DecisionRecord, ResultRecord
from audit.vocabulary import RequestId, Sha256Hex

_PATTERNS = {Sha256Hex: members.DIGEST, RequestId: predicate_reading.REQUEST_ID}
_NAMES = {"position": "instance", "instance": "id", "sd": "_sd"}
"""Members that are not called as their fields are."""
_SUBJECTS = ("prompt_commitment", "answer_commitment")
"""Fields that are not in the predicate."""


class Form:
    """The form of a dataclass as JSON: each field is there, under its name in camelCase, and is what its type says."""

    __slots__ = ("_arrays", "_get", "_has_parts", "_has_words", "_kinds", "_objects", "_patterns", "_texts", "_words")

    def __init__(self, made: type) -> None:
        fields = {name: hint for name, hint in get_type_hints(made).items() if name not in _SUBJECTS}
        self._get = itemgetter(*map(_member, fields))
        self._texts: list[int] = []
        self._words: list[tuple[int, frozenset[str]]] = []
        self._patterns: list[tuple[int, Callable[[str], object]]] = []
        self._objects: list[tuple[int, Form]] = []
        self._arrays: list[tuple[int, Form]] = []
        self._kinds = frozenset(product(*(self._take(place, hint) for place, hint in enumerate(fields.values()))))
        self._has_words = bool(self._words or self._patterns or self._texts)
        self._has_parts = bool(self._objects or self._arrays)

    def _take(self, place: int, hint: Any) -> tuple[type, ...]:
        """The JSON types that a field may have; what else it must be is noted. Raises ``TypeError`` for a type without a form."""
        if get_origin(hint) in (Union, UnionType):
            hint, _ = get_args(hint)
            return (*self._take(place, hint), NoneType)
        if hint in (str, int, bool):
            return (hint,)
        if hint in _PATTERNS:
            self._patterns.append((place, _PATTERNS[hint].fullmatch))
            return (str,)
        if get_origin(hint) is tuple:
            self._take_items(place, get_args(hint)[0])
            return (list,)
        if isinstance(hint, type) and is_dataclass(hint):
            self._objects.append((place, Form(hint)))
            return (dict,)
        if issubclass(hint, StrEnum):
            self._words.append((place, frozenset(each.value for each in hint)))
            return (str,)
        raise TypeError(f"expected a type that has a form, got `{hint}`")

    def _take_items(self, place: int, hint: Any) -> None:
        if hint is str:
            self._texts.append(place)
        else:
            self._arrays.append((place, Form(hint)))

    def of(self, value: Mapping[str, Any]) -> bool:
        """Whether an object has this form. What comes from ``json`` is meant: types are compared exactly."""
        try:
            found = self._get(value)
        except KeyError:
            return False
        if tuple(map(type, found)) not in self._kinds:
            return False
        return (not self._has_words or self._strings(found)) and (not self._has_parts or self._parts(found))

    def _strings(self, found: tuple[Any, ...]) -> bool:
        for place, words in self._words:
            if found[place] not in words:
                return False
        for place, matches in self._patterns:
            if found[place] is not None and not matches(found[place]):
                return False
        for place in self._texts:
            for each in found[place]:
                if type(each) is not str:
                    return False
        return True

    def _parts(self, found: tuple[Any, ...]) -> bool:
        for place, form in self._objects:
            if found[place] is not None and not form.of(found[place]):
                return False
        for place, form in self._arrays:
            for each in found[place]:
                if type(each) is not dict or not form.of(each):
                    return False
        return True


def _member(field: str) -> str:
    return _NAMES.get(field) or re.sub("_(.)", lambda found: found[1].upper(), field)


_DECISION, _RESULT = Form(DecisionRecord), Form(ResultRecord)


def of_decision(predicate: Mapping[str, Any]) -> bool:
    """Whether ``predicate_reading.decision_from`` is sure to read this."""
    return _DECISION.of(predicate) and predicate_reading.is_committed(predicate)


def of_result(predicate: Mapping[str, Any]) -> bool:
    """Whether ``predicate_reading.result_from`` is sure to read this."""
    return _RESULT.of(predicate)
