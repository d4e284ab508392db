"""``python -m lenity``."""

from lenity.cli.main import main

main()
