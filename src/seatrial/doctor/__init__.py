"""`seatrial doctor`: what works on this machine, what will not, and what would change that."""
