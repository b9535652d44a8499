"""From a run, or an exported folder, to its users."""
