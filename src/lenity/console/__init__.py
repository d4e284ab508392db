"""Terminal output: progress, messages, escaped markup."""
