"""The interactive console, and what a person sees of answers and errors.

What it is: a text that is being typed is scanned (`tokens`), read by the
declarations of the commands (`reading`, `places`), and from that one reading
come completion, hints and colours. `reader` runs what was typed; `output`
draws answers to the width of the terminal.

What it is not: it understands no command itself. What is run is parsed by
`edgelake.language`, which alone decides what is right.
"""
