"""LLM-as-a-judge: integer scores of responses from any OpenAI-compatible endpoint."""
