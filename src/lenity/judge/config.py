"""The configuration of `lenity judge`. Keys are no part of it: it names the environment variable that holds one."""

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
    """A judge, what to ask it, and how patiently. What stands in an unknown field may be a key, so errors do not repeat it."""

    model_config = ConfigDict(hide_input_in_errors=True)

    endpoint: str = Field(description="base URL, OpenAI-compatible, such as http://127.0.0.1:8000/v1; no key in it")
    model: str = Field(min_length=1, description="the judge's name at the endpoint")
    objectives: Annotated[list[str] | None, BeforeValidator(_names)] = Field(
        None, description="what to rate, separated by commas; default: the trained objectives that have a rubric"
    )
    rubrics: str | None = Field(None, description="YAML file {objective: what to rate}, beside our rubrics or in place")
    repeats: int = Field(1, ge=1, description="times each question is asked, each with another seed")
    limit: int | None = Field(None, ge=1, description="judge this many prompts, at even steps; default: all")
    temperature: float | None = Field(0.0, ge=0, description="null leaves it to the endpoint")
    seed: int | None = Field(0, ge=0, description="of the first request of each question; null leaves it out")
    max_tokens: int | None = Field(
        8, ge=1, description="longest answer; more for a judge that thinks first; null leaves it out"
    )
    extra: dict[str, JsonValue] = Field(
        {}, description="more fields of each request, written to judge.json, such as '{max_completion_tokens: 500}'"
    )
    concurrency: int = Field(16, ge=1, description="requests at once")
    timeout: Positive = Field(60.0, description="seconds for one request")
    retries: int = Field(5, ge=0, description="of a request after 429, 5xx, a timeout or a lost connection")
    parse_retries: int = Field(2, ge=0, le=99, description="of a question whose answer is not one integer")
    api_key_env: str = Field(
        "OPENAI_API_KEY", description="environment variable with the key; on loopback it may be missing"
    )
    input_price: float | None = Field(None, ge=0, description="of a million tokens read, for the estimate")
    output_price: float | None = Field(None, ge=0, description="of a million tokens written, for the estimate")
    logging: Progress = Progress()
