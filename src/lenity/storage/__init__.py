"""Files that a crash leaves whole or undone: atomic writes, manifests of hashes, locks."""
