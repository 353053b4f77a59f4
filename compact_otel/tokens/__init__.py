"""`compactctl tokens`: what a model call that lies in a file costs, layer by layer."""
