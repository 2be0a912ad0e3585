"""Numbers and mathematical expressions in one spelling each, so that equal answers are equal texts.

Pure, and linear in the length of the text but for nested fractions, whose depth is bounded. It normalises spelling (LaTeX,
separators, units, spaces) and the value of plain numbers; it does not do algebra.
"""

import re
from fractions import Fraction

MAX_LENGTH = 400
_FRAC = re.compile(r"\\[dtc]?frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))")
_SQRT = re.compile(r"\\sqrt\s*(?:\{([^{}]*)\}|(\w))")
_ROOT = re.compile(r"\\sqrt\s*\[([^\]{}]*)\]\s*\{([^{}]*)\}")
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|mathbf|textit|mbox|operatorname)\s*\{([^{}]*)\}")
_SPACING = re.compile(
    r"\\(?:left|right|displaystyle|quad|qquad|limits|bigl?|bigr?|Bigl?|Bigr?)(?![A-Za-z])|\\[,;:!> ]|~|\s+"
)
_WRAPPERS = ("\\(", "\\)", "\\[", "\\]", "$")
_SYMBOLS = (
    ("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"), ("\\cdot", "*"), ("\\times", "*"), ("\\div", "/"), ("\\pi", "pi"),
    ("\\infty", "inf"), ("∞", "inf"), ("π", "pi"), ("×", "*"), ("−", "-"), ("–", "-"), ("\\pm", "+-"), ("±", "+-"),
    ("\\le", "<="), ("\\ge", ">="), ("\\neq", "!="), ("\\cup", "U"), ("∪", "U"), ("√", "\\sqrt "), ("°", ""), ("\\%", ""),
    ("%", ""), ("^\\circ", ""), ("^{\\circ}", ""), ("\\circ", ""), ("\\degree", ""), ("degrees", ""), ("\\$", ""),
    ("\\{", "{"), ("\\}", "}"), ("\\ldots", "..."), ("\\dots", "..."), ("**", "^"),
)  # fmt: skip
_JSON_ESCAPES = (("\f", "\\f"), ("\b", "\\b"), ("\t", "\\t"), ("\r", "\\r"))
"""LaTeX that was put into JSON without escaping: ``\\frac`` was read as a form feed and ``rac``."""
_NO_VALUE = frozenset({"nan", "none", "null", "n/a", "unknown", "undefined", "___"})
_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?\Z")
_RATIO = re.compile(r"(-?)\(?(-?\d{1,18})\)?/\(?(\d{1,18})\)?\Z")
_GROUPED = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_ATOM = re.compile(r"-?\w+")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_FIRST_JSON_ESCAPES = (("\f", "\\f"), ("\b", "\\b"), ("\t", "\\t"), ("\r", "\\r"))
"""LaTeX that was put into JSON without escaping: ``\\frac`` was read as a form feed and ``rac``."""
_NO_VALUE = frozenset({"nan", "none", "null", "n/a", "unknown", "undefined", "___"})
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_ATOM = re.compile(r"-?\w+")
_WORDS = re.compile(r"[A-Za-z]{2,}")
_FIRST_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_ASSIGNED = re.compile(r"\A[A-Za-z](?:\([A-Za-z]\))?=(?=[^=])")
_UNIT = re.compile(
    r"(?<=[\d)])(?:[A-Za-z]{3,}|cm|mm|km|m|ft|in|kg|g|lb|mph|kmh|°|€|£|usd)(?:\^[23])?(?:/[a-z]+|per[a-z]+)?\Z",
    re.IGNORECASE,
)


def canonical(text: str) -> str | None:
    """One spelling of an expression, or None where the text is none."""
    for control, letter in _JSON_ESCAPES:
        text = text.replace(control, letter)
    found = text.strip().strip('`*"').strip()
    if not found or len(found) > MAX_LENGTH:
        return None
    if "\\" not in found and len(_WORDS.findall(found)) >= 2:
        return _of_sentence(found)
    found = _spelled(found)
    return _value(found) if found and found.lower() not in _NO_VALUE else None


def _of_sentence(text: str) -> str | None:
    """The first number of a sentence: what a reader takes from "3 apples and 2 pears" or "18 hours and 48 minutes"."""
    numbers = _FIRST_NUMBER.findall(text)
    if numbers:
        return _value(numbers[0].rstrip(",."))
    return None if " " in text else text.lower()


def _spelled(text: str) -> str:
    for wrapper in _WRAPPERS:
        text = text.replace(wrapper, " ")
    text = _TEXT.sub(lambda m: m[1], text)
    for symbol, plain in _SYMBOLS:
        text = text.replace(symbol, plain)
    text = _ROOT.sub(lambda m: f"root({m[1]},{m[2]})", text)
    for _ in range(4):
        before = text
        text = _SQRT.sub(lambda m: _call("sqrt", m[1] if m[1] is not None else m[2]), text)
        text = _FRAC.sub(
            lambda m: _quotient(m[1] if m[1] is not None else m[2], m[3] if m[3] is not None else m[4]), text
        )
        if text == before:
            break
    text = _SPACING.sub("", text).rstrip(".,;:")
    text = re.sub(r"\^\{([^{}]*)\}", lambda m: f"^{m[1]}" if _ATOM.fullmatch(m[1]) else f"^({m[1]})", text)
    text = re.sub(r"\b(sqrt|\^)\((-?\w+)\)", r"\1\2", text)
    text = re.sub(r"_\{([^{}]*)\}", lambda m: f"_{m[1]}", text)
    text = _ASSIGNED.sub("", text)
    return text.replace("\\", "").replace("{", "(").replace("}", ")")


def _call(name: str, inner: str) -> str:
    inner = inner.strip()
    return f"{name}{inner}" if re.fullmatch(r"\w+", inner) else f"{name}({inner})"


def _quotient(above: str, below: str) -> str:
    def part(text: str) -> str:
        text = text.strip()
        return text if re.fullmatch(r"-?\w", text) or text.isdigit() else f"({text})"

    return f"{part(above)}/{part(below)}"


def _value(text: str) -> str:
    """Plain numbers by value; everything else as spelled, in lower case."""
    text = text.removeprefix("$").removesuffix("$")
    bare = _UNIT.sub("", text) if not text.isalpha() else text
    number = bare.replace("USD", "")
    if _NUMBER.fullmatch(number) and any(c.isdigit() for c in number):
        return _plain(Fraction(number.replace(",", "").lstrip("+") or "0"))
    match = _RATIO.fullmatch(bare)
    if match and int(match[3]):
        value = Fraction(int(match[2]), int(match[3]))
        return _plain(-value if match[1] else value)
    return _GROUPED.sub("", bare).lower()


def _plain(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"{value.numerator}/{value.denominator}"
