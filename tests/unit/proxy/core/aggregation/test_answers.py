"""Canonical answers: where a reply states its answer, and one spelling for each value."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.core.aggregation.answers import MAX_TEXT, canonical, of_tool_calls
from proxy.core.aggregation.expected import AnswerKind, expected

CHOICE, NUMBER, LITERAL = AnswerKind.CHOICE, AnswerKind.EXPRESSION, AnswerKind.LITERAL


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is (C).", "C"),
        ("First I thought the answer is (A). But the answer is B.", "B"),
        ("Answer: C) three\nNo, that is wrong.\n\nAnswer: A) one", "A"),
        ("So we get $\\boxed{D}$", "D"),
        ('{"reasoning": "…", "answer": "E"}', "E"),
        ("The false statement is (D).", "D"),
        ("This school is known as C. logical behaviorism.", "C"),
        ("The answer is (B). Next questions.\n\nThe answer is:\nJ. something\nH. else", "B"),
        ("The closest option is (C). The answer is None of the above.", None),
        ("Option B holds. Option J is incorrect.", "B"),
        ("So the sound one is (F).\n\nThe answer is ...", "F"),
        ("Therefore, (A) is the correct answer.", "A"),
        ("Therefore, I cannot provide an answer.", None),
        ("We get $E = 4 C$ and a field of 3 V/m", None),
        ("Let us look at each option:\n\nA. means rain\nB. means snow\nSo what fits the sky is (B).", "B"),
        ("The options are as follows. Consider every choice:\nA. iron\nB. zinc\nand so on", None),
        ("The best answer is:\nA. copper\n\nIt speaks to the question, as option B does not.", "A"),
        ("The answer is (G). Option H lies near it, and choose (I) only in doubt.", "G"),
        ('{"answer": "___"}', None),
    ],
)
def test_the_letter_of_a_choice(text: str, answer: str | None) -> None:
    assert canonical(text, CHOICE) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('"answer": "1,234"', "1234"),
        ('"answer": "$42.00"', "42"),
        ('"answer": "€77"', "77"),
        ('"answer": "195 000 euros"', "195000"),
        ('"answer": "72 Mb/h"', "72"),
        ('"answer": "6th"', "6"),
        ('"answer": "156kgs"', "156"),
        ("$$\\boxed{\\text{answer: 12}}$$", "12"),
        ('"answer": "12abc"', "12abc"),
        ('"answer": "3 * 52 = 156"', "156"),
        ('"answer": "3 rows * 52 pears = 156 pears"', "156"),
        ('"answer": "12 sec"', "12"),
        ('"answer": "4 pi"', "4pi"),
        ('"answer": "r = 4 pi"', "4pi"),
        ('"answer": "p + q = 12"', "12"),
        ('"answer": "f(3) = 0"', "0"),
        ('"answer": "2x - 9y + 4 = 0"', "2x-9y+4=0"),
        ('"answer": "p^2 + q^2 = 9"', "p^2+q^2=9"),
        ('"answer": "p + q - 5 = 0"', "p+q-5=0"),
        ('"answer": "2 sqrt(5) + 7 sqrt(2)"', "2sqrt5+7sqrt2"),
        ('"answer": "0.5"', "1/2"),
        ("Answer: -41", "-41"),
        ("Answer:\n-41", "-41"),
        ("**Answer:**\n\\[\n17\n\\]\nas was to be found", "17"),
        ("Answer:\n$$\n\\frac{1}{4}\n$$", "1/4"),
        ("Answer:\n```\n-41\n```\nDone.", "-41"),
        ('So, the answer is:\n\n```json\n{\n  "reasoning": "We take 4' + " and go on" * 12, None),
        ("Therefore the answer is: Answer: 23", "23"),
        ("Answers: 7", "7"),
        ("Answering that takes 3 steps" + " and goes on" * 12, None),
        ("answer, which takes 3 steps" + " and goes on" * 12, None),
        ("Answer: $\\frac{1}{4}$\n\nAnswer: $\\", "1/4"),
        ("The answer is 12.\nNo: the final answer is \\( g(2) + g(", "12"),
        ('we get 31.\\nanswer": "31"}', "31"),
        ('"answer": \\"31\\"\n}', "31"),
        ("Final Answer:\nAnswer: 26", "26"),
        ("Ответ: 195 000 долларов", "195000"),
        ("\\[\\text{Answer: } 99,077\\]", "99077"),
        ("Answer: $\\left(\\frac{3}{2}, -13\\right)$", "(3/2,-13)"),
        ("\\boxed{\\dfrac{\\pi}{4}}", "pi/4"),
        ("Answer: $12\\sqrt{3}$", "12sqrt3"),
        ('"answer": "12 sqrt(3)"', "12sqrt3"),
        ("Answer: $2(3)$", "2(3)"),
        ("Answer: $\\begin{pmatrix} 1 \\\\ 10 \\end{pmatrix}$", "beginpmatrix1;10endpmatrix"),
        ("Answer: 5\n\nAnswer: 5\n\nAnswer: $\\frac{1", "5"),
        ('for example, e.g., `"answer": "42"`\n{"answer": "7"}', "7"),
        ('{"answer": "Infinitely many"}', "infinitelymany"),
        ('{"answer": " "}', None),
        ('{"answer": {"blue": "4", "red": "6"}}', None),
        ("We compute the sum of many terms. " * 10 + "so 17 and 18", None),
    ],
)
def test_the_value_of_an_expression(text: str, answer: str | None) -> None:
    assert canonical(text, NUMBER) == answer


def test_matrices_that_run_together_alike_stay_apart() -> None:
    one, other = (
        canonical(f"Answer: $\\begin{{pmatrix}} {m} \\end{{pmatrix}}$", NUMBER) for m in ("1 \\\\ 10", "11 \\\\ 0")
    )
    assert one != other


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('"answer": "[1, 2,3]"', "[1, 2, 3]"),
        ('"answer": [1, 2, 3]\n}', "[1, 2, 3]"),
        ('"answer": {"a": 1}\n}', "{'a': 1}"),
        ('"answer": \'{"a": 1}\'\n}', "{'a': 1}"),
        ('"answer": "assert f(1) == \'x\'"', "'x'"),
        ('"answer": \\"iq!!\\"\n}', "'iq!!'"),
        ('"answer": \\" 7\\"\n}', "' 7'"),
        ('"answer": \\"a\\\\n b\\"\n}', "'a\\n b'"),
        ("Answer:\n```python\n{'k': 3}\n```", "{'k': 3}"),
        ('"answer": "{3, 1, 2}"', "{1, 2, 3}"),
        ("\"answer\": \"[{'b', 'a'}, (1,), {2: {2, 1}}]\"", "[{'a', 'b'}, (1,), {2: {1, 2}}]"),
        ('"answer": """a \'b\' c"""\n}', "\"a 'b' c\""),
        ('"answer": "\'!\'?"', '"!\'?"'),
        ('"answer": "\'a\\nb\'"', "'a\\nb'"),
        ('"answer": ""', "''"),
        ('"answer": "answer": "no"\n}', "'no'"),
        ("```python\n[4]\n```", "[4]"),
        ("It depends.", None),
    ],
)
def test_a_literal_by_value(text: str, answer: str | None) -> None:
    assert canonical(text, LITERAL) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 12th of March, 2024.", "2024-03-12"),
        ("Answer: March 12, 2024", "2024-03-12"),
        ("2024-3-12", "2024-03-12"),
        ("31/12/1999", "1999-12-31"),
        ("12/31/1999", "1999-12-31"),
        ("Answer: 03/04/2020", None),
        ("Answer: 30 February 2020", None),
        ("It was in May 1969.", "1969-05"),
        ("Answer: 1969", "1969"),
    ],
)
def test_a_date(text: str, answer: str | None) -> None:
    assert canonical(text, AnswerKind.DATE) == answer


def test_json_is_compared_by_value() -> None:
    one = canonical('{"b": 1, "a": [2]}', AnswerKind.JSON)
    assert one == canonical('```json\n{"a": [2], "b": 1}\n```', AnswerKind.JSON)
    assert canonical("not json", AnswerKind.JSON) is None


@pytest.mark.parametrize(
    ("text", "answer"), [("Answer: **Yes**", "yes"), ("No, it is not.", "no"), ('{"answer": ""}\nyes', None)]
)
def test_yes_or_no(text: str, answer: str | None) -> None:
    assert canonical(text, AnswerKind.YES_NO) == answer


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("On what date was the treaty signed?", AnswerKind.DATE),
        ("Give the release date as YYYY-MM-DD.", AnswerKind.DATE),
        ("Extract the names. Respond only with a JSON array.", AnswerKind.JSON),
        ("Return JSON and nothing else: the cities in the text.", AnswerKind.JSON),
        ("Write a function that returns JSON only.", None),
        ("What date type should a column have?", None),
    ],
)
def test_the_kind_that_a_prompt_asks_for(prompt: str, kind: AnswerKind | None) -> None:
    assert expected(prompt) is kind


@settings(max_examples=200, deadline=None)
@given(
    text=st.lists(
        st.sampled_from(
            [
                "answer",
                "Answer:",
                '"answer":',
                "\\boxed{",
                "{",
                "}",
                "(A)",
                "is ",
                "1,2",
                "\\frac",
                "\n",
                '"',
                "'",
                "[",
                " ",
            ]
        ),
        max_size=60,
    ).map("".join),
    kind=st.sampled_from(list(AnswerKind)),
)
def test_no_text_breaks_extraction(text: str, kind: AnswerKind) -> None:
    found = canonical(text, kind)
    assert found is None or isinstance(found, str)


@pytest.mark.parametrize("kind", list(AnswerKind))
@pytest.mark.parametrize(
    "unit",
    [
        "answer ",
        "answer: *",
        "\n",
        " ",
        "**",
        "\\boxed{",
        '"answer": "',
        "[",
        "(A) is ",
        "{",
        "1 000 ",
        "^{a}",
        "\\\\",
        "```\n",
    ],
)
def test_a_text_of_one_repeated_piece_ends(unit: str, kind: AnswerKind) -> None:
    canonical(unit * (MAX_TEXT // len(unit)), kind)
    canonical("answer" + unit * (MAX_TEXT // len(unit)) + "x", kind)


@pytest.mark.parametrize("kind", list(AnswerKind))
@pytest.mark.parametrize(
    "text",
    [
        *(
            before + filler * 39_000
            for before in ("answer", "Answer: ", "```", "```json")
            for filler in (" ", "\n", "*", "}", "* ", "\\ ")
        ),
        '"answer": ' + "[" * 2_000 + "]" * 2_000,
    ],
    ids=lambda text: repr(text[:12]),
)
def test_a_text_made_to_be_slow_is_read(text: str, kind: AnswerKind) -> None:
    """With a pattern that tries every way to share out a run of blanks this does not end within anybody's patience."""
    assert len(canonical(text, kind) or "") <= MAX_TEXT


def test_a_prompt_of_digits_is_read() -> None:
    assert expected("1" * 20_000) is None


@pytest.mark.parametrize("levels", [300, 1_010])
def test_calls_whose_arguments_are_nested_deeply_are_compared_or_none(levels: int) -> None:
    nested: list[object] = []
    for _ in range(levels):
        nested = [nested]
    found = of_tool_calls({"tool_calls": [{"function": {"name": "f", "arguments": nested}}]})
    assert (found is None) is (levels > 1_000)


@pytest.mark.parametrize(
    ("kind", "text", "answer"),
    [
        (NUMBER, "−5", "-5"),
        (NUMBER, "It is −5.", "-5"),
        (NUMBER, "10^3", "10^3"),
        (NUMBER, "It is 10^3.", None),
        (NUMBER, "1.5e3", "1.5e3"),
        (NUMBER, "\\(\\frac{1}{2}\\)", "1/2"),
        (NUMBER, "Ida picks **42** apples.", "42"),
        (NUMBER, "Total: $1,200.50.", "2401/2"),
        (LITERAL, "[1,2]", "[1, 2]"),
        (LITERAL, "`{'a': 1}`", "{'a': 1}"),
        (LITERAL, "**10**", "10"),
        (LITERAL, "It returns `(1,)`.", "(1,)"),
        (LITERAL, "It returns `x` or `y`.", None),
        (LITERAL, "hello", None),
        (CHOICE, "**B. apples**", "B"),
        (CHOICE, "(B) apples", "B"),
        (CHOICE, "b)", "B"),
        (CHOICE, "**A. rain**\n**B. snow**", None),
        (CHOICE, "a carrot", None),
        (AnswerKind.YES_NO, "Yes, there is no doubt.", "yes"),
        (AnswerKind.YES_NO, "The answer is yes, no doubt.", "yes"),
        (AnswerKind.YES_NO, "**False.** It sets in the west.", "no"),
        (AnswerKind.YES_NO, "No single fact decides it, so yes", "yes"),
    ],
)
def test_a_reply_that_says_little_but_its_answer(kind: AnswerKind, text: str, answer: str | None) -> None:
    assert canonical(text, kind) == answer


@pytest.mark.parametrize(
    ("prompt", "kind"),
    [
        ("Is Paris in France? Yes or no?", AnswerKind.YES_NO),
        ("True or false: the sun is a star.", AnswerKind.YES_NO),
        ("An essay on whether a yes or no vote is fair", None),
        ("Should a flag be true or false by default in YAML?", None),
        ("Ada has some pears and eats two. Reply with just the number.", NUMBER),
        ("Answer with a single integer.", NUMBER),
        ("Give a number of reasons.", None),
        ("Give me the number of the office", None),
        ("Is Paris the capital of France? Reply with yes or no.", AnswerKind.YES_NO),
        ("Respond only yes or no: is it raining?", AnswerKind.YES_NO),
        ("Is 91 prime? Yes or no?", AnswerKind.YES_NO),
        ("Yes or no: is 91 prime?", AnswerKind.YES_NO),
        ("Is 91 prime? (yes/no)", AnswerKind.YES_NO),
        ("He never said yes or no. What did he mean?", None),
        ("What is 12 x 7?", AnswerKind.EXPRESSION),
        ("What is a 1920x1080 screen good for?", None),
        ("What does f([3, 1, 2]) return? Answer with a Python literal.", AnswerKind.LITERAL),
        ("Write a function that parses a Python literal.", None),
    ],
)
def test_other_words_for_an_answer_that_can_be_compared(prompt: str, kind: AnswerKind | None) -> None:
    assert expected(prompt) is kind
