"""Conversations and the templates that render them, preference pairs, labelled texts and transcripts."""
