"""What the page shows, a section a file: figures as plain Plotly data, tables as cells, sentences."""
