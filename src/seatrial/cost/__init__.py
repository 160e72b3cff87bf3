"""What traffic costs a month by tier and policy: prices, traffic, a simulation of sandboxes."""
