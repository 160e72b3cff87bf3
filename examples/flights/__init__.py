"""Late arrivals of 2013: predict, deploy, watch."""
