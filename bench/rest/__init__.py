"""The part ``rest``: what a call by HTTP costs, beside a bare application on the same server."""
