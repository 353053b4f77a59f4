"""Between a manager and the flow: drives the flow, and does what the flow asks for."""
