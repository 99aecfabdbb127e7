"""The interactive console, and what a person sees of answers and errors.

What it is: `reader` runs what was typed, with completion, hints and colours from
`edgelake.editing`; `output` draws answers to the width of the terminal.

What it is not: it understands no command itself. What is run is parsed by
`edgelake.language`, which alone decides what is right.
"""
