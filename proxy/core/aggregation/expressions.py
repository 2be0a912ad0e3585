"""Numbers and mathematical expressions in one spelling each, so that equal answers are equal texts.

Pure, and linear in the length of the text but for nested fractions, whose depth is bounded. It normalises spelling (LaTeX,
separators, units, spaces) and the value of plain numbers; it does not do algebra.
"""

import re
from fractions import Fraction

MAX_LENGTH = 400
_FRAC = re.compile(r"\\frac\s*(?:\{([^{}]*)\}|(\d))\s*(?:\{([^{}]*)\}|(\d))")
_SQRT = re.compile(r"\\sqrt\s*(?:\{([^{}]*)\}|(\w))")
_ROOT = re.compile(r"\\sqrt\s*\[([^\]{}]*)\]\s*\{([^{}]*)\}")
_TEXT = re.compile(r"\\(?:text|mathrm|textbf|mathbf|textit|mbox|operatorname)\s*\{([^{}]*)\}")
_SPACING = re.compile(
    r"\\(?:left|right|displaystyle|quad|qquad|limits|bigl?|bigr?|Bigl?|Bigr?)(?![A-Za-z])|\\[,;:!> ]|~|\s+"
)
_WRAPPERS = ("\\(", "\\)", "\\[", "\\]", "$")
_SYMBOLS = (
    ("\\dfrac", "\\frac"), ("\\tfrac", "\\frac"), ("\\cfrac", "\\frac"), ("\\cdot", "*"), ("\\times", "*"), ("\\div", "/"),
    ("\\pi", "pi"), ("\\infty", "inf"), ("infty", "inf"), ("∞", "inf"),
    ("π", "pi"), ("×", "*"), ("−", "-"), ("–", "-"), ("\\pm", "+-"),
    ("±", "+-"), ("\\leq", "<="), ("\\geq", ">="), ("\\neq", "!="), ("\\cup", "U"), ("∪", "U"), ("√", "\\sqrt "), ("°", ""),
    ("\\%", ""), ("%", ""), ("^\\circ", ""), ("^{\\circ}", ""), ("\\circ", ""), ("\\degree", ""), ("degrees", ""),
    ("\\$", ""), ("\\{", "{"), ("\\}", "}"), ("\\ldots", "..."), ("\\dots", "..."), ("**", "^"),
)  # fmt: skip
_TEXT_UNIT = re.compile(r"(?<=[\d}$)])\s*\\(?:text|mathrm|textbf|mbox)\s*\{[^{}\d]*\}(?:\^\{?\d\}?)?(?=[\s$.\\)]*\Z)")
_COMPARED = re.compile(r"\\([lg])e(?![a-z])")
_ROW = re.compile(r"\\\\(?![A-Za-z])")
_TWICE_ESCAPED = re.compile(r"\\\\(?=[A-Za-z])")
_JSON_ESCAPES = (("\f", "\\f"), ("\b", "\\b"), ("\t", "\\t"), ("\r", "\\r"))
"""LaTeX that was put into JSON without escaping: ``\\frac`` was read as a form feed and ``rac``."""
_OBJECT = re.compile(r"\{\s*[\"']")
_NO_VALUE = frozenset({"nan", "none", "null", "unknown", "___"})
_PLAIN = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?\Z")
_RATIO = re.compile(r"(-?)\(?(-?\d{1,18})\)?/\(?(\d{1,18})\)?\Z")
_SPACED = re.compile(r"(?<![\d.,])(\d{1,3})((?:[ \u00a0\u202f]\d{3})+)(?![\d,])")
_GROUPED = re.compile(r"(?<![\d,])\d{1,3}(?:,\d{3})+(?![\d,])")
_ATOM = re.compile(r"-?\w+")
_WORDS = re.compile(r"[^\W\d_]{2,}")
_COMMAND = re.compile(r"\\[A-Za-z]+")
_NAMES = frozenset({
    "sqrt", "sin", "cos", "tan", "cot", "csc", "arcsin", "arccos", "arctan", "log", "ln", "exp", "mod",
    "pi", "inf", "infty", "alpha", "beta", "gamma", "theta", "lambda", "omega", "phi",
})  # fmt: skip
"""Words of mathematics: ``2sqrt2 + 3sqrt3`` is no sentence."""
_FIRST_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:/\d+)?")
_ASSIGNED = re.compile(r"\A[A-Za-z](?:\([A-Za-z]\))?=(?=[^=])")
_NO_NAME = rf"(?!(?i:{'|'.join(sorted(_NAMES))})\b)"
_TOTAL = re.compile(rf"[=≈]\s*(-?[$€£]?\s*\d[\d,]*(?:\.\d+)?)(?:\s+{_NO_NAME}[A-Za-z]{{2,20}}){{0,2}}\s*\Z")
"""The value that a calculation was worked out to: ``3 * 52 = 156``, and what it counts."""
# Of an equation: an unknown, a side that only names a value (``f(3)``), and a side in unknowns with coefficients or powers.
_UNKNOWN = re.compile(r"(?<![A-Za-z])[A-Za-z](?![A-Za-z])")
_NAMED = re.compile(r"\s*[A-Za-z]\w{0,8}(?:\([^()]{0,20}\))?\s*\Z")
_CURVE = re.compile(r"\d[A-Za-z](?![A-Za-z])|(?<![A-Za-z])[A-Za-z]\s?(?:\^|\*\*|[²³])")
_MEASURE = re.compile(
    r"\A([-+]?[$€£]?\d[\d,]*(?:[ \u00a0\u202f]\d{3})*(?:\.\d+)?)"
    rf"(?:\s*°[CF]?|\s+{_NO_NAME}[^\W\d_]{{2,}}(?:/[^\W\d_]+)?|/[^\W\d_]{{2,}}|(?:st|nd|rd|th))\Z"
)
"""A number with the unit written after it; ``12abc`` and ``4 pi`` are products and are none."""
_UNIT = re.compile(
    r"(?<=[\d)])(?:cm|mm|km|m|ft|in|kgs?|g|lbs?|mph|kmh|€|£|usd)(?:\^[23])?(?:/[a-z]+|per[a-z]+)?\Z",
    re.IGNORECASE,
)


def canonical(text: str, *, whole: bool = False) -> str | None:
    """One spelling of an expression, or None where the text is none.

    ``whole``: the text is the answer and nothing else, as in a field or a box, so that words are an answer too.
    """
    for control, letter in _JSON_ESCAPES:
        text = text.replace(control, letter)
    found = text.replace('\\"', '"').strip().strip("`*\"'").strip()
    if not found or len(found) > MAX_LENGTH or found.lower() in _NO_VALUE or _OBJECT.match(found):
        return None
    total = _TOTAL.search(found)
    if total is not None and not _is_equation(found[: total.start()].rpartition("=")[2], total[1]):
        found = total[1]
    measure = _MEASURE.match(found)
    if measure is not None:
        found = measure[1]
    if "\\" not in found and sum(word.lower() not in _NAMES for word in _WORDS.findall(found)) >= 2:
        return _of_sentence(found, whole=whole)
    found = _spelled(found)
    return _value(found) if found and found.lower() not in _NO_VALUE else None


def has_words(text: str) -> bool:
    """Whether a text says something besides mathematics; names of LaTeX's commands and of functions are mathematics."""
    return any(word.lower() not in _NAMES for word in _WORDS.findall(_COMMAND.sub("", text)))


def _is_equation(left: str, right: str) -> bool:
    """Whether the two sides are an equation in unknowns (``5x - 7y + 4 = 0``) and no value that was worked out (``x + y = 12``)."""
    if _NAMED.match(left):
        return False
    return bool(_CURVE.search(left) or (right.strip() == "0" and _UNKNOWN.search(left)))


def _of_sentence(text: str, *, whole: bool) -> str | None:
    """The first number of a sentence: what a reader takes from "3 apples and 2 pears" or "18 hours and 48 minutes"."""
    numbers = _FIRST_NUMBER.findall(_SPACED.sub(_joined, text))
    if numbers:
        return _value(numbers[0].rstrip(",."))
    words = "".join(text.lower().split()).rstrip(".")
    return words if whole or " " not in text else None


def _joined(match: re.Match[str]) -> str:
    return re.sub(r"\s", "", match[0])


def _spelled(text: str) -> str:
    text = _TWICE_ESCAPED.sub(r"\\", _TEXT_UNIT.sub("", text))
    for wrapper in _WRAPPERS:
        text = text.replace(wrapper, " ")
    text = _SPACED.sub(_joined, _TEXT.sub(lambda m: m[1], text))
    text = _COMPARED.sub(lambda m: "<=" if m[1] == "l" else ">=", _ROW.sub(";", text))
    for symbol, plain in _SYMBOLS:
        text = text.replace(symbol, plain)
    text += "}" * (text.count("{") - text.count("}"))
    text = _ROOT.sub(lambda m: _call(f"sqrt[{m[1]}]", m[2]), text)
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
    text = re.sub(r"_\{([^{}]*)\}", lambda m: f"_{m[1]}", text)
    text = _ASSIGNED.sub("", text).replace("\\", "").replace("{", "(").replace("}", ")")
    return _unwrapped(text)


def _unwrapped(text: str) -> str:
    """Without the brackets around single names and after functions: ``sin(x)`` is ``sinx``; ``2(3)`` stays a product."""
    text = re.sub(r"(?<=[A-Za-z^])\((-?\w+)\)", r"\1", text)
    return re.sub(r"(?<![\d)])\(([A-Za-z]\w*)\)", r"\1", text)


def _call(name: str, inner: str) -> str:
    inner = inner.strip()
    return f"{name}{inner}" if re.fullmatch(r"\w+", inner) else f"{name}({inner})"


def _quotient(above: str, below: str) -> str:
    def part(text: str) -> str:
        text = text.strip()
        return text if re.fullmatch(r"-?\w+", text) and "sqrt" not in text else f"({text})"

    return f"{part(above)}/{part(below)}"


def _value(text: str) -> str:
    """Plain numbers by value; everything else as spelled, in lower case."""
    bare = _UNIT.sub("", text) if not text.isalpha() else text
    number = re.sub(r"[$€£]|USD|EUR", "", bare)
    if _PLAIN.fullmatch(number) and any(c.isdigit() for c in number):
        return _plain(Fraction(number.replace(",", "").lstrip("+") or "0"))
    match = _RATIO.fullmatch(bare)
    if match and int(match[3]):
        value = Fraction(int(match[2]), int(match[3]))
        return _plain(-value if match[1] else value)
    return _GROUPED.sub(lambda m: m[0].replace(",", ""), bare).lower()


def _plain(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return f"{value.numerator}/{value.denominator}"
