"""Reports from run folders: comparisons of methods as a page, Markdown and tables."""
