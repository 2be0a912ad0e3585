"""A small recording of our own: questions we wrote and five invented models with known weaknesses, in the recordings' own form.

Strong models are right where weak ones differ, so a cascade is worth something; one question has a right answer that only one
model gives, and one has two wrong answers that agree.
"""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyarrow import parquet

FORMAT = '\n\nShow your final answer in the `answer` field, e.g., `"answer": "42"`.'
MODELS = {
    "pebble-1": ("pebble", 0.1, 0.2),
    "brook-1": ("brook", 0.1, 0.3),
    "hill-2": ("hill", 0.5, 1.0),
    "peak-3": ("peak", 3.0, 12.0),
    "summit-9": ("summit", 5.0, 20.0),
}
SUMS = [
    (17, 25),
    (8, 13),
    (31, 44),
    (6, 90),
    (12, 12),
    (45, 55),
    (77, 8),
    (19, 19),
    (3, 64),
    (28, 71),
    (50, 5),
    (9, 33),
]
"""Two numbers a question: apples in the morning and in the afternoon."""


def questions() -> list[dict[str, Any]]:
    """Word problems, and one choice of three."""
    rows = [
        {
            "benchmark": "orchard",
            "qid": f"orchard/{i}",
            "category": "sums",
            "task": "math",
            "question": "",
            "choices": "",
            "answer": str(a + b),
            "prompt": f"Ida picks {a} apples in the morning and {b} in the afternoon. How many apples does she pick?{FORMAT}",
            "extra": "",
        }
        for i, (a, b) in enumerate(SUMS)
    ]
    rows.append(
        {
            "benchmark": "orchard",
            "qid": "orchard/choice",
            "category": "choice",
            "task": "factual",
            "question": "",
            "choices": "",
            "answer": "B",
            "prompt": "Which of these grows on trees? Finish with the letter.\nA. carrots\nB. apples\nC. potatoes\nAnswer:",
            "extra": "",
        }
    )
    return rows


def _answer(model: str, number: int, right: str) -> str:
    """What a model says: the weak ones are wrong on their own questions, and both on the fourth, alike."""
    wrong = {"pebble-1": number % 3 == 0, "brook-1": number % 4 == 3, "hill-2": number % 5 == 1}.get(model, False)
    if number == 3 and model in ("pebble-1", "brook-1"):
        return "94"
    if not right.isdigit():
        return "C" if wrong else right
    return str(int(right) + (1 if model == "pebble-1" else 2)) if wrong else right


def outputs() -> list[dict[str, Any]]:
    """One row a question and model."""
    rows = []
    for number, question in enumerate(questions()):
        for model in MODELS:
            answer = _answer(model, number, question["answer"])
            text = (
                f'{{"reasoning": "counted", "answer": "{answer}"}}'
                if answer.isdigit()
                else f"The answer is ({answer})."
            )
            rows.append(
                {
                    "benchmark": question["benchmark"],
                    "qid": question["qid"],
                    "model": model,
                    "output": text,
                    "pred": answer,
                    "correct": answer == question["answer"],
                    "score": None,
                    "tokens_in": 60,
                    "tokens_out": 20 + number,
                    "latency_s": None,
                }
            )
    return rows


def write(folder: Path) -> Path:
    """The recording as files; gives the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pa.Table.from_pylist(questions()), folder / "questions.parquet")
    parquet.write_table(pa.Table.from_pylist(outputs()), folder / "outputs.parquet")
    prices = {
        name: {"vendor": vendor, "usd_per_1m_in": price_in, "usd_per_1m_out": price_out}
        for name, (vendor, price_in, price_out) in MODELS.items()
    }
    (folder / "models.json").write_text(json.dumps({"models": prices}))
    return folder
