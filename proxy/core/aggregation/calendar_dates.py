"""Calendar dates in ISO 8601, so that "12 March 2024" and "2024-03-12" are one answer.

Pure and linear. A day and a month in figures that could be read either way round are no answer: they are never guessed.
"""

import re
from datetime import date

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTH = (
    r"(jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?|nov(?:ember)?"
    r"|dec(?:ember)?)\b\.?"
)
_DAY = r"(\d{1,2})(?:st|nd|rd|th)?"
_ISO = re.compile(r"(?<!\d)(\d{4})-(\d{1,2})-(\d{1,2})(?!\d)")
_DAY_FIRST = re.compile(rf"(?i)(?<!\d){_DAY} (?:of )?{_MONTH},? (\d{{4}})(?!\d)")
_MONTH_FIRST = re.compile(rf"(?i)\b{_MONTH} {_DAY},? (\d{{4}})(?!\d)")
_FIGURES = re.compile(r"(?<!\d)(\d{1,2})[/.](\d{1,2})[/.](\d{4})(?!\d)")
_MONTH_ONLY = re.compile(rf"(?i)\b{_MONTH},? (\d{{4}})(?!\d)")
_YEAR = re.compile(r"(?<!\d)([12]\d{3})(?!\d)")


def canonical(text: str) -> str | None:
    """The last date of a short text: a day, else a month, else a year; None without one, or if it is ambiguous or unreal."""
    days = [
        *((m.start(), _iso(m[1], m[2], m[3])) for m in _ISO.finditer(text)),
        *((m.start(), _iso(m[3], _number(m[2]), m[1])) for m in _DAY_FIRST.finditer(text)),
        *((m.start(), _iso(m[3], _number(m[1]), m[2])) for m in _MONTH_FIRST.finditer(text)),
        *((m.start(), _of_figures(int(m[1]), int(m[2]), m[3])) for m in _FIGURES.finditer(text)),
    ]
    if days:
        return max(days)[1] if all(found for _, found in days) else None
    months = list(_MONTH_ONLY.finditer(text))
    if months:
        return f"{months[-1][2]}-{int(_number(months[-1][1])):02}"
    years = _YEAR.findall(text)
    return str(years[-1]) if years else None


def _number(month: str) -> str:
    return str(_MONTHS.index(month[:3].lower()) + 1)


def _of_figures(one: int, other: int, year: str) -> str | None:
    if one == other or one > 12:
        return _iso(year, str(other), str(one))
    return _iso(year, str(one), str(other)) if other > 12 else None


def _iso(year: str, month: str, day: str) -> str | None:
    try:
        return date(int(year), int(month), int(day)).isoformat()
    except ValueError:
        return None
