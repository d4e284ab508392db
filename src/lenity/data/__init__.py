"""Conversations and the templates that write them, preference pairs, labelled text and transcripts."""
