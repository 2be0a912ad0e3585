"""Recorded answers by model and prompt, as a provider would have sent them; never ``correct`` or ``answer``. Pure."""

import hashlib
from typing import Any

from proxy.evaluation.recorded import Answered, Recording

MISS = (404, {"message": "this prompt is not in the recording", "code": "replay_miss"})
NO_RECORD = (404, {"message": "this model was not asked this prompt", "code": "replay_no_record"})


def normal(text: str) -> str:
    """A prompt as it is looked up: line ends and outer space do not matter."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


class Shelf:
    """Answers by (model, prompt)."""

    def __init__(self, recording: Recording) -> None:
        self.prompts = {normal(item.prompt) for item in recording.items}
        self.vendor_of = {name: model.vendor for name, model in recording.models.items()}
        prompt_of = {item.key: normal(item.prompt) for item in recording.items}
        self.answers: dict[tuple[str, str], Answered] = {}
        for (model, key), answered in recording.answers.items():
            if key in prompt_of:  # a prompt that occurs twice keeps the first answer
                self.answers.setdefault((model, prompt_of[key]), answered)

    def vendors(self) -> list[str]:
        """Vendors that have an answer here."""
        return sorted({self.vendor_of[model] for model, _ in self.answers if model in self.vendor_of})

    def asked(self, body: dict[str, Any]) -> tuple[str, str]:
        """Model and last message of a request."""
        content = body["messages"][-1].get("content")
        return str(body["model"]), normal(content if isinstance(content, str) else "")

    def missing(self, prompt: str) -> tuple[int, dict[str, str]]:
        """Status and error where there is no answer."""
        return NO_RECORD if prompt in self.prompts else MISS


def completion(model: str, prompt: str, found: Answered, most: int | None = None) -> dict[str, Any]:
    """A chat completion with recorded usage, cut after ``most`` tokens; the same request gives the same bytes."""
    written = found.tokens_out if most is None else min(found.tokens_out, most)
    whole = written == found.tokens_out
    text = found.text if whole else found.text[: len(found.text) * written // found.tokens_out]
    identity = hashlib.sha256(f"{model}\0{prompt}".encode()).hexdigest()[:24]
    return {
        "id": f"replay-{identity}",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": "stop" if whole else "length",
            }
        ],
        "usage": {
            "prompt_tokens": found.tokens_in,
            "completion_tokens": written,
            "total_tokens": found.tokens_in + written,
        },
    }
