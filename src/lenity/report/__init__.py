"""Pages and tables from run folders."""
