"""The sections of the page: figures as plain Plotly data, tables as cells, sentences."""
