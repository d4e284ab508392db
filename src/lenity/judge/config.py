"""The configuration of `lenity judge`. It holds no key, only the name of the environment variable with one."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, JsonValue

from lenity.config.base import Section
from lenity.config.load import listed
from lenity.config.sections import Positive, Progress


def _names(value: Any) -> Any:
    """``helpful,harmless`` as a list."""
    return listed(value) if isinstance(value, str) else value


class JudgeConfig(Section):
    """A judge, the questions, and the limits of requests. An unknown field may hold a key, so errors do not repeat its value."""

    model_config = ConfigDict(hide_input_in_errors=True)

    endpoint: str = Field(description="base URL, OpenAI-compatible, such as http://127.0.0.1:8000/v1; no key in it")
    model: str = Field(min_length=1, description="the judge's name at the endpoint")
    objectives: Annotated[list[str] | None, BeforeValidator(_names)] = Field(
        None, description="objectives to rate, separated by commas; default: the trained objectives that have a rubric"
    )
    rubrics: str | None = Field(
        None, description="YAML file {objective: rubric}, which adds to the built-in rubrics or replaces them"
    )
    repeats: int = Field(1, ge=1, description="how often each question is asked, each time with another seed")
    limit: int | None = Field(None, ge=1, description="number of prompts to judge, evenly spaced; default: all")
    temperature: float | None = Field(0.0, ge=0, description="sampling temperature; null leaves it to the endpoint")
    seed: int | None = Field(0, ge=0, description="seed of the first request of each question; null leaves it out")
    max_tokens: int | None = Field(
        8, ge=1, description="longest answer in tokens; set more for a judge that thinks first; null leaves it out"
    )
    extra: dict[str, JsonValue] = Field(
        {},
        description="additional fields of each request, written to judge.json, such as '{max_completion_tokens: 500}'",
    )
    concurrency: int = Field(16, ge=1, description="requests at once")
    timeout: Positive = Field(60.0, description="seconds for one request")
    retries: int = Field(5, ge=0, description="retries of a request after 429, 5xx, a timeout or a lost connection")
    parse_retries: int = Field(2, ge=0, le=99, description="retries of a question whose answer is not one integer")
    api_key_env: str = Field(
        "OPENAI_API_KEY", description="environment variable with the key; optional for an endpoint on this machine"
    )
    input_price: float | None = Field(None, ge=0, description="price per million input tokens, for the estimate")
    output_price: float | None = Field(None, ge=0, description="price per million output tokens, for the estimate")
    logging: Progress = Progress()
