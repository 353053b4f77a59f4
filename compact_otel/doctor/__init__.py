"""`compactctl doctor`: is everything in place, and if not, what is to be done."""
