"""Is this review pleased? Text in, a verdict out, all of the preprocessing in the graph."""
