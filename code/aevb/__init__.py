"""Auto-Encoding Variational Bayes: from data to figures."""
