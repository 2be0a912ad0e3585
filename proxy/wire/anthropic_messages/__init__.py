"""Anthropic's Messages API: requests to the neutral form, answers, streams and errors from it (Anthropic API reference, "Messages").

The neutral form is OpenAI's, so every rule, plan, budget and record is that of a chat completion. What has a place in it is carried
over; what can be left out without changing the answer is left out (``docs/reference/http-api.md`` lists it); everything else is
refused with its name.
"""
