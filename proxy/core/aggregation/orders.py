"""Orders to whoever reads a candidate: found and flagged, never a proof of anything. Words are a weak detector.

Pure and bounded. A text is looked at as it stands and unmasked: without invisible characters, letters that look like others, accents,
gaps between letters, entities, and with what base64 hides.
"""

import base64
import binascii
import codecs
import html
import re
import unicodedata

from proxy.core.aggregation.quoting import INVISIBLE, MAX_CANDIDATE, TEMPLATE

MAX_HIDDEN = 8
"""Pieces of base64 that are looked into."""

_READER = r"(?:judge|reviewer|evaluator|verifier|grader|author|assistant|system|model|ai)"
_ORDERS = re.compile(
    r"(?:ignore|disregard|forget|override|bypass)(?: \w+){0,3} (?:previous|prior|above|earlier|preceding|other|all|any|the|your)\b"
    r"(?: \w+){0,3} (?:instruction|prompt|rule|message|candidate|text|answer|direction|marker)"
    r"|(?:skip|drop|ignore|forget) (?:everything|all|whatever) (?:that )?"
    r"(?:you (?:were|have been) told|(?:said|written) (?:above|before))"
    r"|(?:you are|act as|i am) (?:now )?(?:the|your) (?:judge|reviewer|evaluator|verifier|author|system|developer)\b"
    r"|(?:you are|act as|pretend to be) (?:now )?(?:an? )?(?:dan\b|unrestricted|jailbroken|developer mode)"
    r"|(?:this is|as|from) (?:the|your) (?:judge|evaluator|verifier|grader)\b"
    r"|\b(?:new|updated|real|actual|revised) (?:system )?(?:instruction|prompt|verdict|task|rule)s?\b ?[:=]"
    rf"|system prompt|(?:message|note|instruction)s? (?:to|for) (?:the )?{_READER}\b"
    r"|(?:choose|prefer|select|rank|pick|vote for|mark|rate|score)"
    r" (?:candidate|me|mine|(?:this|my) (?:candidate|answer|response|text))\b"
    r"|(?:best|correct|winning) (?:candidate|answer) is (?:this|candidate|mine|me)\b|\bthe verdict (?:is|must be|should be)\b"
    r"|(?:reply|respond|answer|output) (?:only |just )?with ?[:=]? ?[\"'`{]+ ?(?:best|verdicts?|right)"
    r"|\\?[\"'](?:best|verdicts?|dissenting|tool[ _]calls)\\?[\"'] ?:|\baction input ?:"
    r"|\[/? ?(?:end )?(?:of )?(?:candidate|comparison|data)\b|</? ?(?:candidate|comparison)"
    r"|(?:^|\n) ?#{0,4} ?(?:system|judge) ?(?:message|prompt)? ?:|\n ?\n(?:human|user|assistant) ?:"
    r"|(?:^|\n) ?#{1,4} ?(?:instruction|response|user|assistant)s? ?:|\n ?user ?:[^\n]{0,400}\n ?assistant ?:"
    r"|\bend of the data\b|(?:official|grading) (?:grading )?rubric"
    rf"|(?:<!--|\[//\]: ?#|/\*) ?\(? ?(?:(?:dear|hey|to|for|the) )*{_READER}\b"
)
"""Orders to whoever reads, claims to be somebody else, ends of markers, verdicts in the form that we ask for."""
_ABROAD = re.compile(
    # German, French, Spanish, Italian, Portuguese, Polish, Russian, Chinese, Japanese, Korean, Arabic, Hindi; then Dutch, Swedish
    # and its neighbours, Czech and Slovak, Romanian, Turkish, Vietnamese, Indonesian, Greek, Ukrainian, Hebrew, Thai
    r"ignorier\w*(?: \w+){0,3} (?:anweisung|vorgabe|regel)|vergiss(?: \w+){0,3} (?:anweisung|vorgabe|regel)"
    r"|(?:ignore[zr]?|oublie[zr]?)(?: \w+){0,3} (?:instruction|consigne)"
    r"|(?:ignora|olvida)\w*(?: \w+){0,3} (?:instruccion|istruzion)|(?:ignore|esqueca)(?: \w+){0,3} (?:instruco|instrucao)"
    r"|z?ignoruj(?: \w+){0,3} (?:instrukcj|polecen)"
    r"|(?:игнорируй|проигнорируй|забудь)\w*(?: \w+){0,3} (?:инструкци|указани)"
    r"|(?:忽略|无视|忘记)[^。\n]{0,12}(?:指令|指示|说明)|(?:無視|忘れ)[^。\n]{0,12}(?:指示|命令)|(?:指示|命令)[^。\n]{0,6}(?:無視|忘れ)"
    r"|(?:지시|명령)[^.\n]{0,8}무시|تجاهل[^.\n]{0,24}التعليمات|निर्देशों[^।\n]{0,16}(?:अनदेखा|नज़रअंदाज़|नजरअंदाज)"
    r"|(?:negeer|vergeet)(?: \w+){0,3} (?:instructie|aanwijzing|opdracht)"
    r"|(?:ignorera|ignorer|bortse fran|se bort fra|glom|glem)(?: \w+){0,3} (?:instruktion|instruks|anvisning)"
    r"|(?:ignoruj|zapomen)\w*(?: \w+){0,3} (?:pokyn|instrukc)|(?:ignora|uita)(?: \w+){0,3} instructiun"
    r"|(?:talimat|yonerge)\w*(?: \w+){0,3} (?:yok say|gormezden gel|unut)|bo qua(?: \w+){0,3} (?:huong dan|chi dan|lenh)"
    r"|abaikan(?: \w+){0,3} (?:instruksi|perintah|petunjuk)|(?:αγνοησ|ξεχασ)\w*(?: \w+){0,3} (?:οδηγι|εντολ)"
    r"|(?:ігноруи|ігноруй|забудь)\w*(?: \w+){0,3} (?:інструкці|вказівк|вказивк)|(?:התעלם|התעלמי|שכח)[^.\n]{0,16}(?:ההוראות|ההנחיות)"
    r"|(?:เพิกเฉย|ละเว้น|ไม่ต้องสนใจ)[^\n]{0,16}(?:คำสั่ง|คําสั่ง|คาสั่ง)"
)
"""The commonest of them in other languages, accents taken off where the alphabet is Latin."""
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,4000}={0,2}")
_HEXADECIMAL = re.compile(r"(?:[0-9A-Fa-f]{2}){16,2000}")
_WRAPPED = re.compile(r"(?<=[A-Za-z0-9+/_-])\r?\n(?=[A-Za-z0-9+/_-])")
"""Line ends within base64."""
_ESCAPED = re.compile(r"\\u([0-9A-Fa-f]{4})|%([0-9A-Fa-f]{2})")
_FILLERS = dict.fromkeys((0x115F, 0x1160, 0x2800, 0x3164, 0xFFA0), " ")
"""Letters that look like blanks."""
_SPACED = re.compile(r"\b(\w)[ .\-](?=\w\b)")
_SEEN_AS = {
    "a": "аα4@", "b": "в", "c": "с", "d": "ԁ", "e": "еε3", "g": "ɡ", "h": "нһ", "i": "іιɩ1", "j": "ј", "k": "кκ", "l": "ӏ", "m": "м",
    "n": "ո", "o": "оο0", "p": "рρ", "q": "ԛ", "s": "ѕ5$", "t": "тτ", "u": "սυ", "v": "ν", "w": "ԝ", "x": "х", "y": "у",
}  # fmt: skip
_LOOKALIKES = {ord(each): letter for letter, several in _SEEN_AS.items() for each in several}
"""Letters that look like Latin ones, and digits written for them."""


def override_attempt(text: str) -> bool:
    """Whether a text reads like an order to its reader, or carries marks that a chat template would obey."""
    text = text[: 2 * MAX_CANDIDATE]
    if TEMPLATE.search(text) or _ordered(text):
        return True
    joined = _WRAPPED.sub("", text)
    pieces = (*_BASE64.finditer(text), *(_BASE64.finditer(joined) if joined != text else ()))
    hidden = [_decoded(each[0]) for each in pieces[:MAX_HIDDEN]]
    hidden += [_of_hexadecimal(each[0]) for each in list(_HEXADECIMAL.finditer(text))[:MAX_HIDDEN]]
    return any(_ordered(each) for each in (*hidden, *_turned(text)))


def _turned(text: str) -> tuple[str, ...]:
    """What a text says that tells its reader how to read it."""
    low = text.lower()
    back = (text[::-1],) if "backward" in low or "reverse" in low else ()
    return (*back, codecs.encode(text, "rot13")) if "rot13" in low or "rot-13" in low else back


def _ordered(text: str) -> bool:
    blank = _ESCAPED.sub(lambda m: chr(int(m[1] or m[2], 16)), html.unescape(text)).translate(_FILLERS)
    plain = unicodedata.normalize("NFKC", INVISIBLE.sub("", html.unescape(text))).casefold()
    bare = "".join(c for c in unicodedata.normalize("NFD", plain) if not "\u0300" <= c <= "\u036f")
    one_line = " ".join(unicodedata.normalize("NFKC", INVISIBLE.sub("", blank)).casefold().split())
    seen = dict.fromkeys((plain, bare, bare.translate(_LOOKALIKES), _SPACED.sub(r"\1", bare), one_line))
    return any(pattern.search(_squeezed(each)) for each in seen for pattern in (_ORDERS, _ABROAD))


def _squeezed(text: str) -> str:
    return re.sub(r"[ \t*_~`]+", " ", text)


def _of_hexadecimal(text: str) -> str:
    return bytes.fromhex(text).decode("utf-8", "replace")


def _decoded(text: str) -> str:
    """What base64 hides; "" where it is none, or no text."""
    body = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    try:
        return base64.b64decode(body + "=" * (-len(body) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return ""
