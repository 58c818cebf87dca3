"""From report.qmd to an executed notebook and a PDF, without Quarto."""
