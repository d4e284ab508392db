"""Files that survive crashes: atomic writes, manifests of hashes, locks."""
