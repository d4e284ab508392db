"""What people read while work goes on: progress, messages, escaped markup."""
