"""Auto-Encoding Variational Bayes: models, objectives, training, evaluation."""
