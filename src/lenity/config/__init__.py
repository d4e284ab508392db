"""Configuration: typed sections, YAML files, command-line overrides."""
