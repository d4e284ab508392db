"""LLM-as-a-judge: integer scores from any OpenAI-compatible endpoint."""
