"""What a run is: its whole configuration, and its folder."""
