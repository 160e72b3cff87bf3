"""Is a challenger better than the champion? Both predict the same rows with known truth."""
