"""Several designs compared with statistics. Knows no plotly and no HTML."""
