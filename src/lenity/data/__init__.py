"""Prompts, preference pairs, labelled text and transcripts."""
