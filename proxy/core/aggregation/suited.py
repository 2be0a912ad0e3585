"""Which prompts have examples that programs can be judged by: those that ask for a function of Python with one right value.

Pure and bounded, by words alone. A doubt means no examples: then the best model answers, as for any other text.
"""

import re

from proxy.core.aggregation.expected import AnswerKind, expected

_COMPARED = (AnswerKind.LITERAL, AnswerKind.CHOICE, AnswerKind.YES_NO)
"""Answers that are no program, whatever code stands in the prompt."""
_LANGUAGES = (
    "JavaScript|TypeScript|Java|Ruby|Scala|Kotlin|Swift|Rust|Go|Golang|PHP|Perl|Haskell|Elixir|Groovy|Crystal|Julia|SQL"
)
_ELSEWHERE = re.compile(
    rf"\b(?:in|to|into|an?)[ ](?:{_LANGUAGES}|C\+\+|C#)(?![\w+#-])|^```(?i:{_LANGUAGES}|js|ts|cpp)\b|^[ \t]*end[ \t]*$"
    r"|^def \w+\([^\n]{0,300}\)[ \t]{0,8}(?:\{|do[ \t]*$|=|:[ \t]{0,8}[A-Z]\w{0,60}[^\n]{0,60}=)",
    re.MULTILINE,
)
"""Another language is named, or what stands behind `def` is not Python's."""
_NOT_WRITTEN = re.compile(
    r"\W{0,4}(?:(?:please|can you|could you|now) ){0,2}"
    r"(?:explain|describe|review|summari[sz]e|critique|what (?:does|do|is|are|will|would)\b|what's|why\b|how (?:does|do|is|would)\b"
    r"|(?:write|add|create|generate)[^.\n]{0,40}\b(?:unit ?tests?|tests|test cases|docstrings?|documentation|comments)\b)",
    re.IGNORECASE,
)
"""What begins a line that asks for no program."""
_SEVERAL = re.compile(
    r"\b(?:return|output|print|give) any\b|\bany (?:one )?of them\b|\bany valid\b"
    r"|\balso (?:an? )?(?:valid|correct|accepted|acceptable)\b"
    r"|\b(?:multiple|several|more than one) (?:valid |correct |possible )?(?:answers?|solutions?|outputs?)\b",
    re.IGNORECASE,
)
_ANY_ORDER = re.compile(
    r"\bin any order\b|\bany order is\b|\border (?:of [^.\n]{1,60} )?does(?: not|n't) matter\b", re.IGNORECASE
)


def suited(prompt: str) -> bool:
    """Whether examples in a prompt are values that the program asked for must give."""
    lines = [line for line in prompt.strip().split("\n") if line.strip()]
    if not lines or _NOT_WRITTEN.match(lines[0]) or _NOT_WRITTEN.match(lines[-1]):
        return False
    if _ELSEWHERE.search(prompt) or _SEVERAL.search(prompt):
        return False
    return expected(prompt) not in _COMPARED


def ordered(prompt: str) -> bool:
    """Whether the order in a list counts."""
    return _ANY_ORDER.search(prompt) is None
